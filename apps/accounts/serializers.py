"""What goes in and out about principals."""

from apps.accounts.models import Status
from apps.accounts.roles import ROLE_CHOICES
from apps.core.parameters import ListParameters
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
    role = ChoiceField(choices=ROLE_CHOICES, default="developer", help_text="At most the caller's own.")
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
    role = ChoiceField(choices=ROLE_CHOICES, help_text="At most the caller's own.")


class AgentPatch(ServiceAccountPatch):
    """What may be changed about an agent."""

    purpose = CharField(allow_blank=True, help_text="What it is for, in a sentence.")


class OwnerOutput(Output):
    """Who answers for an agent, as known when it was made."""

    kind = CharField(source="owner_kind")
    id = CharField(source="owner_public_id", allow_null=True)
    name = CharField(source="owner_name")


class ServiceAccountOutput(Output):
    """A service account. Without an organization it acts for the tenant as a whole."""

    id = CharField(source="public_id")
    name = CharField()
    role = ChoiceField(choices=ROLE_CHOICES)
    status = ChoiceField(choices=Status.choices)
    status_reason = CharField()
    organization = IdField("org", source="organization_id", allow_null=True)
    version = IntegerField()
    created_at = TimestampField()


class AgentOutput(ServiceAccountOutput):
    """An agent, with who answers for it."""

    purpose = CharField()
    owner = OwnerOutput(source="*")
