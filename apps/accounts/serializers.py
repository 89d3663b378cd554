"""What goes in and out about principals."""

import re
from typing import Any

from apps.accounts.models import Status
from apps.accounts.roles import ROLES
from apps.core.fields import SLUG_PATTERN
from apps.core.parameters import ListParameters
from apps.core.problems import show
from apps.core.serializers import (
    CharField,
    ChoiceField,
    EmailField,
    IdField,
    IntegerField,
    NameField,
    Output,
    StrictSerializer,
    TimestampField,
)


class RoleField(CharField):
    """The name of a role: a built-in one, or the slug of one that the organization made."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault(
            "help_text", "A built-in role or one of the organization's own; at most the caller's."
        )
        super().__init__(**{"max_length": 40, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        if not re.fullmatch(SLUG_PATTERN, data) or data == "none":
            built_in = ", ".join(role.name for role in ROLES.values() if role.rank)
            self.refuse("invalid_role", f"{show(data)} is no role. Built in are: {built_in}.")
        return str(data)


class UserParameters(ListParameters):
    """Filters of the directory."""

    email = EmailField(required=False, help_text="Only the person with this e-mail.")
    status = ChoiceField(choices=Status.choices, required=False, help_text="Only people with this status.")


class UserInput(StrictSerializer):
    """A new person."""

    email = EmailField(help_text="Unique in the tenant; compared in lower case.")
    name = NameField(default="", allow_blank=True)


class UserPatch(StrictSerializer):
    """What may be changed about a person."""

    name = NameField()


class ReasonInput(StrictSerializer):
    """Why something is done; the trail keeps it."""

    reason = NameField(max_length=500, help_text="Why, in a sentence. It is shown with the status.")


class UserOutput(Output):
    """A person of the tenant's directory."""

    id = CharField(source="public_id")
    email = EmailField()
    name = CharField()
    status = ChoiceField(choices=Status.choices)
    status_reason = CharField()
    version = IntegerField()
    created_at = TimestampField()


class MachineParameters(ListParameters):
    """Filters of service accounts and agents."""

    organization = IdField("org", required=False, help_text="Only those of this organization.")
    status = ChoiceField(choices=Status.choices, required=False, help_text="Only those with this status.")


class ServiceAccountInput(StrictSerializer):
    """A new service account."""

    name = NameField()
    role = RoleField(default="developer")
    organization = IdField(
        "org",
        default=None,
        allow_null=True,
        help_text="For a credential of the whole tenant: the organization it belongs to; null means the tenant.",
    )


class AgentInput(ServiceAccountInput):
    """A new agent."""

    purpose = CharField(default="", allow_blank=True, help_text="What it is for, in a sentence.")


class ServiceAccountPatch(StrictSerializer):
    """What may be changed about a service account."""

    name = NameField()
    role = RoleField()


class AgentPatch(ServiceAccountPatch):
    """What may be changed about an agent."""

    purpose = CharField(allow_blank=True, help_text="What it is for, in a sentence.")


class OwnerInput(ReasonInput):
    """Who answers for an agent from now on: one of the two, or without either whoever calls."""

    user = IdField("usr", required=False, help_text="A person of the agent's organization.")
    service_account = IdField("svc", required=False, help_text="A service account of it, or of the tenant.")


class OwnerOutput(Output):
    """Who answers for an agent, as known when it was made."""

    kind = CharField(source="owner_kind")
    id = CharField(source="owner_public_id", allow_null=True)
    name = CharField(source="owner_name")


class ServiceAccountOutput(Output):
    """A service account. Without an organization it acts for the tenant as a whole."""

    id = CharField(source="public_id")
    name = CharField()
    role = CharField()
    status = ChoiceField(choices=Status.choices)
    status_reason = CharField()
    organization = IdField("org", source="organization_id", allow_null=True)
    version = IntegerField()
    created_at = TimestampField()


class AgentOutput(ServiceAccountOutput):
    """An agent, with who answers for it."""

    purpose = CharField()
    owner = OwnerOutput(source="*")
