"""What goes in and out about sign-in providers."""

from __future__ import annotations

import re
from typing import Any

from apps.accounts.signin.providers.models import ProviderKind
from apps.core.problems import show
from apps.core.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    IntegerField,
    ListField,
    NameField,
    Output,
    SlugField,
    StrictSerializer,
    TimestampField,
)

_CLIENT_ID = re.compile(r"[\x21-\x7e]+")
_CLIENT_SECRET = re.compile(r"[\x20-\x7e]+")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_MOST_SCOPES = 20
_NAME = "Shown on the button: “Continue with …”."
_SCOPES = "What people are asked to let you see; by default who they are, with name and e-mail."
_SET_ONCE = "As the provider gave it. It is sealed, used when somebody signs in, and never shown again."


class _TextOf(CharField):
    """Text of the characters that the protocol allows there."""

    allowed: re.Pattern[str]

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if text and not self.allowed.fullmatch(text):
            got = "It" if self.write_only else show(data)
            self.refuse("invalid_character", f"{got} holds characters that have no place there.")
        return str(text)


class ClientIdField(_TextOf):
    """The name of a client at its provider."""

    allowed = _CLIENT_ID


class ClientSecretField(_TextOf):
    """The secret of a client at its provider."""

    allowed = _CLIENT_SECRET


class ScopeTextField(_TextOf):
    """One scope of OAuth (RFC 6749, section 3.3)."""

    allowed = _SCOPE


class SignInProviderInput(StrictSerializer):
    """A new provider."""

    slug = SlugField(help_text="Its name in addresses and in allauth's API. It never changes.")
    kind = ChoiceField(choices=ProviderKind.choices, help_text="How it is talked to. It never changes.")
    name = NameField(max_length=60, help_text=_NAME)
    client_id = ClientIdField(max_length=255, help_text="As the provider gave it.")
    client_secret = ClientSecretField(
        max_length=1000, default="", allow_blank=True, write_only=True, help_text=_SET_ONCE
    )
    server_url = CharField(
        default="",
        allow_blank=True,
        help_text="For openid_connect: the issuer, such as https://id.example.com. It never changes.",
    )
    scopes = ListField(
        child=ScopeTextField(max_length=200), max_length=_MOST_SCOPES, default=list, help_text=_SCOPES
    )
    enabled = BooleanField(default=True, help_text="Whether people can sign in with it.")


class SignInProviderPatch(StrictSerializer):
    """What may be changed about a provider; what is not sent stays."""

    name = NameField(max_length=60, required=False, help_text=_NAME)
    client_id = ClientIdField(max_length=255, required=False, help_text="As the provider gave it.")
    client_secret = ClientSecretField(
        max_length=1000, required=False, allow_blank=True, write_only=True, help_text=_SET_ONCE
    )
    scopes = ListField(
        child=ScopeTextField(max_length=200), max_length=_MOST_SCOPES, required=False, help_text=_SCOPES
    )
    enabled = BooleanField(required=False, help_text="Whether people can sign in with it.")


class SignInProviderOutput(Output):
    """A provider; never its secret."""

    id = CharField(source="public_id")
    slug = CharField()
    kind = ChoiceField(choices=ProviderKind.choices)
    name = CharField()
    client_id = CharField()
    fingerprint = CharField(
        help_text="Of the client secret: the same secret has the same one. '' for a client without a secret."
    )
    set_at = TimestampField(allow_null=True, help_text="When the client secret was set.")
    server_url = CharField(help_text="The issuer; '' for a kind that has one address.")
    scopes = ListField(child=CharField(), source="wanted_scopes")
    enabled = BooleanField()
    callback_url = CharField(help_text="What to register at the provider as redirect URI.")
    created_at = TimestampField()
    version = IntegerField()


class SignInProvidersOutput(Output):
    """Every provider; one page."""

    data = SignInProviderOutput(many=True)  # type: ignore[assignment]
    next_cursor = CharField(allow_null=True)
