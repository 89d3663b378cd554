"""allauth's adapter for its identity provider: whose keys sign, what is told of people, which resources there are."""

from __future__ import annotations

from typing import Any, Literal

from allauth.account.models import EmailAddress
from allauth.idp.oidc.adapter import DefaultOIDCAdapter
from allauth.idp.oidc.internal.private_keys import filter_keys
from allauth.idp.oidc.models import PrivateKey
from django.core.exceptions import ValidationError

from apps.accounts.models import User
from apps.accounts.oauth import audiences, signing, texts
from apps.core.ids import decode


class IdentityAdapter(DefaultOIDCAdapter):  # type: ignore[misc]
    """What is particular to this platform in allauth's identity provider."""

    def hash_token(self, token: str) -> str:
        """What is stored of a token."""
        return texts.hash_of(token)

    def get_issuer(self) -> str:
        """The tenant's own address."""
        return audiences.issuer(self.request)

    def list_private_keys(
        self, *, did_activate: Literal[True] | None = None, is_active: Literal[True] | None = None
    ) -> list[PrivateKey]:
        """The standing tenant's keys."""
        return list(filter_keys(signing.private_keys(), did_activate=did_activate, is_active=is_active))

    def get_signing_key(self) -> PrivateKey:
        """The one that signs. allauth would take the youngest, and two servers' clocks need not agree on that."""
        return signing.private_keys()[-1]

    def get_user_sub(self, client: Any, user: User) -> str:  # noqa: ARG002 - allauth's signature
        """The person's public id."""
        return user.public_id

    def get_user_by_sub(self, client: Any, sub: str) -> User | None:  # noqa: ARG002 - allauth's signature
        """The person with that public id who is not suspended, or None."""
        try:
            user: User | None = User.objects.filter(pk=decode(sub, "usr")).first()
        except ValueError:
            return None
        return user if user is not None and user.is_active else None

    def get_claims(
        self,
        purpose: Literal["id_token", "userinfo"],  # noqa: ARG002
        user: User,
        client: Any,
        scopes: Any,
        email: str | None = None,  # noqa: ARG002
        **_kwargs: Any,
    ) -> dict[str, Any]:
        """The person's id, and by the scopes their name and address. An address counts as theirs once confirmed."""
        claims: dict[str, Any] = {"sub": self.get_user_sub(client, user)}
        if "email" in scopes:
            known = EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True)
            claims |= {"email": user.email, "email_verified": known.exists()}
        if "profile" in scopes and user.name:
            claims["name"] = user.name
        return claims

    def validate_resource_uris(self, *, uris: list[str], **_kwargs: Any) -> None:
        """Take the API of the standing tenant and nothing else. Raises ValidationError."""
        for uri in uris:
            if not audiences.is_own_api(self.request, uri):
                raise ValidationError(f"This server gives no tokens for {uri[:200]}.")
