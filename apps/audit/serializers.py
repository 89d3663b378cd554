"""What the trail takes and shows."""

from __future__ import annotations

from apps.audit.fields import AnyIdField
from apps.core.parameters import ListParameters
from apps.core.serializers import (
    CharField,
    IdField,
    IntegerField,
    JSONField,
    ListField,
    Output,
    TimestampField,
)


class TrailParameters(ListParameters):
    """Filters of the trail; all that are given have to fit."""

    resource = AnyIdField(required=False, help_text="What was acted on.")
    # `actor` is the name of every operation's first argument.
    actor = AnyIdField(required=False, source="principal", help_text="Who acted.")
    credential = AnyIdField(
        required=False, source="through", help_text="Through which key, session or token."
    )
    request = CharField(required=False, max_length=80, help_text="The Request-Id of one call.")
    operation = CharField(required=False, max_length=80, help_text="The name of an operation.")
    since = TimestampField(required=False, help_text="Not before this time.")
    until = TimestampField(required=False, help_text="Before this time.")


class WhoOutput(Output):
    """A principal, as it was called then. The system has no id."""

    kind = CharField()
    id = CharField(allow_null=True)
    name = CharField(allow_blank=True)


class ForWhomOutput(WhoOutput):
    """For whom it was done, and by which delegation."""

    delegation = CharField(required=False, help_text="The id of the delegation.")


class TrailCredentialOutput(Output):
    """Through which credential; `chain` names who minted it, the first minter first."""

    id = AnyIdField(allow_null=True, help_text="Of a key, a session or a token; null where there was none.")
    kind = CharField()
    minted_by = AnyIdField(
        allow_null=True, help_text="Of a token: the key by which its client was registered, if one was."
    )
    chain = ListField(child=JSONField())


class TrailResourceOutput(Output):
    """What was acted on, as it was called then."""

    type = CharField()
    id = CharField()
    name = CharField(allow_blank=True)


class TrailOrganizationOutput(Output):
    """The organization whose trail it is."""

    id = IdField("org")
    slug = CharField(allow_blank=True)


class EntryOutput(Output):
    """An event of record."""

    id = IdField("aud")
    at = TimestampField()
    operation = CharField()
    risk = CharField()
    actor = WhoOutput()
    on_behalf_of = ForWhomOutput(allow_null=True)
    owner = WhoOutput(allow_null=True, help_text="Who answers for the agent that acted.")
    credential = TrailCredentialOutput()
    resource = TrailResourceOutput(allow_null=True)
    tenant = CharField(help_text="The tenant acted on.")
    home = CharField(help_text="The tenant whose directory holds the actor.")
    organization = TrailOrganizationOutput(allow_null=True)
    request_id = CharField()
    edge = CharField()
    ip = CharField(allow_null=True)
    reason = CharField(allow_blank=True)
    changes = ListField(
        child=JSONField(),
        help_text="Each with `resource`, `action` and `fields` as {name: [before, after]}; secrets show as ***.",
    )
    mirror_of = IdField("aud", allow_null=True, help_text="The entry in `tenant` that tells the rest.")


class ActivityOutput(EntryOutput):
    """An event of record, and how far the key through which it was done is from the one that was asked about."""

    depth = IntegerField(
        help_text="0 for the key itself, 1 for keys that it minted or rotated, and tokens of clients that it "
        "registered, 2 for what those did."
    )
