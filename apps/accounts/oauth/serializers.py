"""What goes in and out about clients, consents and signing keys."""

from __future__ import annotations

from typing import Any

from allauth.idp.oidc.models import Client

from apps.accounts.oauth import scopes
from apps.accounts.oauth.models import ClientKind, ClientStatus
from apps.core.problems import show
from apps.core.serializers import (
    CharField,
    ChoiceField,
    IdField,
    IntegerField,
    ListField,
    NameField,
    Output,
    StrictSerializer,
    TimestampField,
)

#: The grants by the names that are used here, with the protocol's.
GRANTS = {
    "authorization_code": str(Client.GrantType.AUTHORIZATION_CODE),
    "device_code": str(Client.GrantType.DEVICE_CODE),
    "client_credentials": str(Client.GrantType.CLIENT_CREDENTIALS),
    "refresh_token": str(Client.GrantType.REFRESH_TOKEN),
}
MAX_OVERLAP = 7 * 24 * 3600
MOST_URIS = 20


class TokenScopesField(ListField):
    """Scopes such as `users:read`, `*`, and those of OpenID Connect (openid, profile, email); each once."""

    child = CharField(max_length=200)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": scopes.MOST, **kwargs})

    def to_internal_value(self, data: Any) -> list[str]:
        texts = list(dict.fromkeys(super().to_internal_value(data)))
        for text in texts:
            if not scopes.are_well_formed([text]):
                self.refuse(
                    "invalid_scope",
                    f"{show(text)} is not a scope; write resource:action, *, or one of {', '.join(scopes.IDENTITY)}.",
                )
        return texts


class OAuthClientInput(StrictSerializer):
    """A new client."""

    name = NameField(max_length=100, help_text="Shown to the people who are asked to let it in.")
    kind = ChoiceField(
        choices=ClientKind.choices,
        default=ClientKind.CONFIDENTIAL.value,
        help_text="A public client runs where it can keep no secret, such as on a person's machine.",
    )
    grants = ListField(
        child=ChoiceField(choices=[(name, name) for name in GRANTS]),
        default=lambda: ["authorization_code", "refresh_token"],
        help_text="How it gets tokens.",
    )
    redirect_uris = ListField(
        child=CharField(max_length=500),
        max_length=MOST_URIS,
        default=list,
        help_text="For authorization_code; compared exactly, but for the port on the person's own machine.",
    )
    scopes = TokenScopesField(min_length=1, help_text="What it may ask for. At most what you hold.")
    service_account = IdField("svc", required=False, help_text="The machine as which it acts.")
    agent = IdField("agt", required=False, help_text="The agent as which it acts.")
    organization = IdField(
        "org", required=False, help_text="For credentials of the whole tenant: whose client it is."
    )


class OAuthClientPatch(StrictSerializer):
    """What may be changed about a client."""

    name = NameField(max_length=100)
    redirect_uris = ListField(child=CharField(max_length=500), max_length=MOST_URIS)
    scopes = TokenScopesField(min_length=1, help_text="Narrowing them ends every token that it was given.")
    status = ChoiceField(
        choices=ClientStatus.choices, help_text="Disabled, it gets nothing and its tokens open nothing."
    )


class RotateSecretInput(StrictSerializer):
    """How a client's secret, or the tenant's signing key, is replaced."""

    overlap_seconds = IntegerField(
        min_value=0, max_value=MAX_OVERLAP, default=0, help_text="How long the previous one still counts."
    )


class RegistrarOutput(Output):
    """Somebody behind a client, as known when it was registered."""

    kind = CharField()
    id = CharField(allow_null=True)
    name = CharField()


class OAuthClientOutput(Output):
    """A client; never its secret. Its id is its client_id."""

    id = CharField(source="public_id", help_text="The client_id.")
    name = CharField()
    kind = ChoiceField(choices=ClientKind.choices)
    status = ChoiceField(choices=ClientStatus.choices)
    grants = ListField(child=CharField())
    redirect_uris = ListField(child=CharField())
    scopes = ListField(child=CharField())
    service_account = IdField("svc", source="service_account_id", allow_null=True)
    agent = IdField("agt", source="agent_id", allow_null=True)
    organization = IdField("org", source="organization_id", allow_null=True)
    registered_by = RegistrarOutput(
        many=True,
        source="registrars",
        help_text="Who registered it, through whom, the first one first, and who has learned its secret since.",
    )
    previous_secret_until = TimestampField(allow_null=True)
    ends_at = TimestampField(
        allow_null=True,
        help_text="When it ends: one that acts as a machine with the key or token by which it was registered, and "
        "every one when somebody in `registered_by` goes.",
    )
    created_at = TimestampField()
    version = IntegerField()


class OAuthClientWithSecretOutput(OAuthClientOutput):
    """A client with its secret, which is shown this once; null for a public client."""

    secret = CharField(
        allow_null=True, help_text="The client_secret. It is not stored and cannot be shown again."
    )

    @classmethod
    def render(cls, instance: Any) -> dict[str, Any]:
        """Render a Registered: the client as always, and its secret."""
        return {**OAuthClientOutput.render(instance.client), "secret": instance.secret}


class OAuthGrantOutput(Output):
    """What you let a client do for you."""

    id = CharField(source="public_id")
    client = CharField(source="client_id", help_text="The client_id.")
    name = CharField(help_text="The client's name when it was given.")
    scopes = ListField(child=CharField())
    given_at = TimestampField(help_text="When it was last given or changed.")
    created_at = TimestampField()


class SigningKeyOutput(Output):
    """A key that signs id tokens; never its private part."""

    id = CharField(source="public_id")
    key_id = CharField(help_text="`kid` in the header of what it signed, and in the published set.")
    created_at = TimestampField()
    ends_at = TimestampField(
        allow_null=True, help_text="Until when it is published; null for the one that signs."
    )
