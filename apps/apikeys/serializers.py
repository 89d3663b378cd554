"""What goes in and out about keys."""

from typing import Any

from apps.apikeys.models import KeyKind
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

DEFAULT_DAYS = 90
MAX_DAYS = 365
MAX_OVERLAP = 7 * 24 * 3600
MAX_REPORTED = 100
KIND_WORDS = [(str(kind.label).lower(), str(kind.label)) for kind in KeyKind]


class PrincipalKeyInput(StrictSerializer):
    """A new key for a principal that the URL names."""

    name = NameField(help_text="What it is for; shown wherever the key acts.")
    kind = ChoiceField(
        choices=[("secret", "Secret"), ("publishable", "Publishable")],
        default="secret",
        help_text="A publishable key may be read by everybody, and opens only what is meant for everybody.",
    )
    scopes = ScopesField(
        min_length=1, help_text="What it may ask for, such as jobs:write, or *. At most what you hold."
    )
    expires_in_days = IntegerField(
        min_value=1,
        max_value=MAX_DAYS,
        default=DEFAULT_DAYS,
        help_text="It ends with the key that mints it at the latest.",
    )
    allowed_ips = ListField(
        child=CharField(max_length=64),
        default=list,
        help_text="Addresses or networks; none means from everywhere.",
    )
    allowed_origins = ListField(
        child=CharField(max_length=300),
        default=list,
        help_text="For a publishable key: the websites whose scripts may use it, such as https://app.example.com.",
    )


class KeyInput(PrincipalKeyInput):
    """A new key, for oneself unless another principal is named."""

    service_account = IdField("svc", required=False, help_text="The service account whose key it will be.")
    agent = IdField("agt", required=False, help_text="The agent whose key it will be.")


class RotateInput(StrictSerializer):
    """How a key is rotated."""

    overlap_seconds = IntegerField(
        min_value=0, max_value=MAX_OVERLAP, default=0, help_text="How long the previous secret still works."
    )


class PrincipalOutput(Output):
    """A principal, by kind, id and name."""

    kind = CharField()
    id = CharField(allow_null=True)
    name = CharField()


class KeyOutput(Output):
    """A key; never its secret."""

    id = CharField(source="public_id")
    name = CharField()
    kind = ChoiceField(choices=KIND_WORDS, source="kind_word")
    principal = CharField(source="principal_public_id", help_text="Whose key it is.")
    organization = IdField("org", source="organization_id", allow_null=True)
    scopes = ListField(child=CharField())
    allowed_ips = ListField(child=CharField())
    allowed_origins = ListField(child=CharField(), source="index.allowed_origins")
    status = ChoiceField(choices=[("active", "Active"), ("expired", "Expired"), ("revoked", "Revoked")])
    minted_by = PrincipalOutput(
        many=True, source="minters", help_text="Who minted it, through whom, the first one first."
    )
    created_at = TimestampField()
    expires_at = TimestampField(source="index.expires_at")
    revoked_at = TimestampField(source="index.revoked_at", allow_null=True)
    last_used_at = TimestampField(source="index.last_used_at", allow_null=True)
    previous_secret_until = TimestampField(source="index.previous_until", allow_null=True)
    version = IntegerField()


class MintedKeyOutput(KeyOutput):
    """A key with its secret, which is shown this once."""

    secret = CharField(help_text="Keep it now: it is not stored here and cannot be shown again.")

    @classmethod
    def render(cls, instance: Any) -> dict[str, Any]:
        """Render a MintedKey: the key as always, and its secret."""
        return {**KeyOutput.render(instance.key), "secret": instance.secret}


class DescendantOutput(Output):
    """A key in the line of another."""

    id = IdField("key")
    kind = ChoiceField(choices=KIND_WORDS, source="kind_word")
    depth = IntegerField(help_text="1 was minted or rotated with the key itself, 2 with one of those.")
    minted_by = IdField("key", source="minted_by_id", allow_null=True)
    tenant = CharField(help_text="`console` or `application/environment`.")
    organization = IdField("org", source="organization_id", allow_null=True)
    status = ChoiceField(choices=[("active", "Active"), ("expired", "Expired"), ("revoked", "Revoked")])
    expires_at = TimestampField()
    revoked_at = TimestampField(allow_null=True)
    last_used_at = TimestampField(allow_null=True)


class MadeClientOutput(Output):
    """An OAuth client in the line of a key."""

    id = IdField("oac", source="client.pk")
    name = CharField(source="client.name")
    depth = IntegerField(help_text="1 was registered with the key itself, 2 with one that it minted.")
    minted_by = IdField("key", source="client.minted_by", allow_null=True)
    tenant = CharField(help_text="`console` or `application/environment`.")
    organization = IdField("org", source="client.organization_id", allow_null=True)
    status = CharField(source="client.status", help_text="active or disabled; see `ends_at` too.")
    ends_at = TimestampField(source="client.ends_at", allow_null=True)


class LineageOutput(Output):
    """What was made with a key."""

    key = DescendantOutput()
    minted = IntegerField(help_text="How many keys were made with it, through however many others.")
    alive = IntegerField(help_text="How many of those open something.")
    keys = DescendantOutput(many=True, help_text="The first of them, the nearest first.")
    omitted = IntegerField(help_text="How many more there are.")
    clients = MadeClientOutput(
        many=True, help_text="The OAuth clients that were registered with one of them, or given a new secret."
    )


class CredentialOutput(Output):
    """What was shown."""

    id = CharField(allow_null=True)
    kind = CharField()
    scopes = ListField(child=CharField())
    expires_at = TimestampField(allow_null=True)


class OrganizationRefOutput(Output):
    """The organization within which the actor acts."""

    id = IdField("org")
    slug = CharField()


class DelegatedOutput(Output):
    """The delegation by which somebody acts for somebody else."""

    id = IdField("dlg")
    scopes = ListField(child=CharField())
    expires_at = TimestampField()
    uses_left = IntegerField(
        allow_null=True, help_text="How many changes it is still good for; null: no limit."
    )
    via = PrincipalOutput(allow_null=True, help_text="Who passed it on.")


class WhoamiOutput(Output):
    """Who acts, for whom, by what right, and where."""

    actor = PrincipalOutput()
    on_behalf_of = PrincipalOutput(allow_null=True)
    delegation = DelegatedOutput(allow_null=True, help_text="By which it acts on behalf of somebody.")
    owner = PrincipalOutput(allow_null=True, help_text="Who answers for an agent.")
    credential = CredentialOutput()
    role = CharField()
    tenant = CharField(help_text="`console` or `application/environment`.")
    organization = OrganizationRefOutput(allow_null=True)


class LeakedKeyInput(StrictSerializer):
    """A key or token that was found in the open."""

    key = CharField(
        max_length=300, help_text="The whole key (pmk_…), or token or client secret (pmo_…), as it was found."
    )
    url = CharField(max_length=500, required=False, allow_blank=True, help_text="Where it was found.")
    source = CharField(  # type: ignore[assignment]
        max_length=80,
        required=False,
        allow_blank=True,
        help_text="What it was found in, such as commit or log.",
    )


class LeakedKeysInput(StrictSerializer):
    """Keys that were found in the open, at most 100 in one call."""

    keys = LeakedKeyInput(many=True, min_length=1, max_length=MAX_REPORTED)  # type: ignore[call-arg] # the list's


class LeakedKeyOutput(Output):
    """What became of a key that was reported."""

    key = CharField(
        allow_null=True,
        help_text="The id that it says: of the key, the token, or the client whose secret it is; null for others.",
    )
    status = ChoiceField(
        choices=[
            ("revoked", "Revoked"),
            ("not_alive", "Not alive"),
            ("publishable", "Publishable"),
            ("unknown", "Unknown"),
        ],
        help_text="revoked: by this report. not_alive: it was over already. publishable: it is meant to be read by "
        "everybody and stays. unknown: nobody has that key here, or it is not whole.",
    )


class LeakedKeysOutput(Output):
    """What became of the keys that were reported, in their order."""

    keys = LeakedKeyOutput(many=True)
    revoked = IntegerField(help_text="How many of them this report ended.")


class KeyKindOutput(Output):
    """A kind of key, as scanners tell it."""

    code = CharField(help_text="How it is written in the key.")
    name = CharField()
    secret = BooleanField(help_text="False for keys that are meant to be read by everybody.")


class TokenPatternOutput(Output):
    """How secret scanners find what the authorization server gives: tokens and secrets of clients."""

    name = CharField(help_text="What the pattern is called in reports.")
    regular_expression = CharField()
    kinds = KeyKindOutput(many=True)


class KeyPatternOutput(Output):
    """How secret scanners find keys of this platform."""

    name = CharField(help_text="What the pattern is called in reports.")
    regular_expression = CharField()
    length = IntegerField(help_text="How many characters a key has.")
    kinds = KeyKindOutput(many=True)
    checksum = CharField(help_text="How to tell a key or token from what only looks like one.")
    tokens = TokenPatternOutput(help_text="The second pattern: what begins with pmo_.")
    report_to = CharField(help_text="The call that ends keys which were found.")
