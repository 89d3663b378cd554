"""What goes in and out about delegations."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from rest_framework.serializers import ValidationError

from apps.apikeys.delegations.models import Standing
from apps.apikeys.serializers import PrincipalOutput
from apps.core.actor import PrincipalKind
from apps.core.ids import decode
from apps.core.parameters import ListParameters
from apps.core.problems import show
from apps.core.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    IdField,
    IntegerField,
    ListField,
    NameField,
    Output,
    ScopesField,
    StrictSerializer,
    TimestampField,
)

_KINDS = {
    "usr": PrincipalKind.USER,
    "svc": PrincipalKind.SERVICE_ACCOUNT,
    "agt": PrincipalKind.AGENT,
}
MAX_USES = 1_000_000


class NamedPrincipal(NamedTuple):
    """A principal as a body names it."""

    kind: PrincipalKind
    id: UUID


class PrincipalIdField(IdField):
    """The id of a principal of one of several kinds; `prefixes` says which."""

    def __init__(self, *prefixes: str, **kwargs: Any) -> None:
        self.prefixes = prefixes
        super().__init__(prefixes[0], **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        sent = str(data).partition("_")[0]
        prefix = sent if sent in self.prefixes else self.prefix
        try:
            return NamedPrincipal(_KINDS[prefix], decode(data, prefix))
        except ValueError:
            told = f"{show(data)} is no id that starts with one of: {', '.join(self.prefixes)}."
            raise ValidationError(told, code="invalid_id") from None

    def to_representation(self, value: Any) -> str:
        return str(value)


class PurposeField(NameField):
    """Why, in a sentence for the person who reads it."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "Why, in a sentence; shown to the person and kept.")
        super().__init__(**{"max_length": 500, **kwargs})


class _Asked(StrictSerializer):
    """What a delegation and a request for one have in common."""

    scopes = ScopesField(
        min_length=1,
        help_text="Plain scopes such as users:read, no wildcards. At most what the delegator may do.",
    )
    expires_at = TimestampField(help_text="When it ends: within 90 days.")
    max_uses = IntegerField(
        min_value=1,
        max_value=MAX_USES,
        allow_null=True,
        default=None,
        help_text="How many changes it is good for; reading is not counted. null: no limit.",
    )


class DelegationInput(_Asked):
    """By which the caller lets a principal act for them."""

    # `actor` is the name of every operation's first argument.
    actor = PrincipalIdField("agt", "svc", "usr", source="delegate", help_text="Who may act for you.")
    purpose = PurposeField(allow_blank=True, default="")


class RequestInput(_Asked):
    """By which the caller asks somebody to let it act for them."""

    of = PrincipalIdField("usr", "svc", help_text="For whom you want to act.")
    purpose = PurposeField()


class ApprovalInput(StrictSerializer):
    """How a request is agreed to; what is left out stays as it was asked for."""

    scopes = ScopesField(min_length=1, required=False, help_text="Some of those that were asked for.")
    expires_at = TimestampField(required=False, help_text="Not later than was asked for.")
    max_uses = IntegerField(
        min_value=1, max_value=MAX_USES, required=False, help_text="Not more than were asked for."
    )


class DelegationParameters(ListParameters):
    """Filters of delegations; all that are given have to fit."""

    direction = ChoiceField(
        choices=[("given", "By which others act for you"), ("received", "By which you act for others")],
        required=False,
    )
    status = ChoiceField(choices=Standing.choices, required=False)
    of = PrincipalIdField("usr", "svc", required=False, help_text="Only those by which others act for them.")
    actor = PrincipalIdField(
        "agt", "svc", "usr", required=False, source="delegate", help_text="Only those by which they act."
    )


class DelegationOutput(Output):
    """A delegation, or a request for one."""

    id = CharField(source="public_id")
    status = ChoiceField(choices=Standing.choices, source="standing")
    delegator = PrincipalOutput(help_text="For whom it is.")
    actor = PrincipalOutput(source="delegate", help_text="Who acts by it.")
    actor_owner = CharField(source="delegate_owner", help_text="Who answered for the agent; '' for others.")
    from_console = BooleanField(help_text="True for an agent of those who built the product.")
    organization = IdField("org", source="organization_id", allow_null=True)
    scopes = ListField(child=CharField())
    purpose = CharField()
    expires_at = TimestampField()
    max_uses = IntegerField(allow_null=True)
    uses = IntegerField()
    uses_left = IntegerField(allow_null=True)
    parent = IdField(  # type: ignore[assignment]
        "dlg", source="parent_id", allow_null=True, help_text="What it was passed on from."
    )
    given_by = PrincipalOutput(many=True, help_text="Who gave it, through whom, the first one first.")
    consent = CharField(
        source="consent_path",
        allow_null=True,
        help_text="The page on which the person answers a pending one.",
    )
    answer_until = TimestampField(source="asked_until", allow_null=True)
    created_at = TimestampField()
    granted_at = TimestampField(allow_null=True)
    denied_at = TimestampField(allow_null=True)
    revoked_at = TimestampField(allow_null=True)
    revoked_by = PrincipalOutput(
        source="revoker", allow_null=True, help_text="Who ended it; null where what it rested on ended."
    )
