"""Operations on the providers with whose accounts people sign in to a tenant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from allauth.socialaccount.models import SocialAccount
from django.db import IntegrityError, transaction

from apps.accounts.configuring import require_configurer
from apps.accounts.signin import links
from apps.accounts.signin.providers import serializers as forms
from apps.accounts.signin.providers.checking import check_server_url, check_shape
from apps.accounts.signin.providers.errors import SignInProviderTaken, TooManySignInProviders
from apps.accounts.signin.providers.models import SignInProvider
from apps.core.actor import Actor
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.problems import show

#: As many buttons as anybody would look through.
MOST = 20


@operation(
    "sign_in_providers.list",
    scope="sign-in-providers:read",
    risk=Risk.READ,
    output=forms.SignInProvidersOutput,
)
def list_sign_in_providers(actor: Actor) -> dict[str, Any]:
    """List the providers with whose accounts people sign in here, those that are switched off included."""
    require_configurer(actor)
    return {"data": _shown(SignInProvider.objects.order_by("id")), "next_cursor": None}


@operation(
    "sign_in_providers.get",
    scope="sign-in-providers:read",
    risk=Risk.READ,
    output=forms.SignInProviderOutput,
)
def get_sign_in_provider(actor: Actor, *, sign_in_provider_id: UUID) -> SignInProvider:
    """Read one provider; of its client secret only a fingerprint, and when it was set."""
    require_configurer(actor)
    found = SignInProvider.objects.filter(pk=sign_in_provider_id).first()
    if found is None:
        raise not_found(SignInProvider, sign_in_provider_id)
    return _shown([found])[0]


@operation(
    "sign_in_providers.create",
    scope="sign-in-providers:write",
    risk=Risk.SECRET,
    input=forms.SignInProviderInput,
    output=forms.SignInProviderOutput,
)
def create_sign_in_provider(actor: Actor, /, *, client_secret: str, **fields: Any) -> SignInProvider:
    """Let people sign in with their accounts at another provider.

    Register `callback_url` there as redirect URI. Whom the provider vouches for gets an account here as the settings of
    sign-up say; nobody gets into one that exists already, unless they connected the two while they were signed in.
    """
    require_configurer(actor)
    row = SignInProvider(**fields)
    check_shape(row, has_secret=bool(client_secret))
    if row.server_url:
        check_server_url(row.server_url)
    if SignInProvider.objects.count() >= MOST:
        raise TooManySignInProviders(
            f"This tenant has {MOST} sign-in providers, which is the most it can have."
        )
    for name, value in row.sealed(client_secret).items():
        setattr(row, name, value)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise SignInProviderTaken(f"There is a sign-in provider {show(row.slug)} already.") from None
    return _shown([row])[0]


@operation(
    "sign_in_providers.update",
    scope="sign-in-providers:write",
    risk=Risk.SECRET,
    input=forms.SignInProviderPatch,
    output=forms.SignInProviderOutput,
    versioned=True,
)
def update_sign_in_provider(
    actor: Actor, /, *, sign_in_provider_id: UUID, expected_version: int | None = None, **changes: Any
) -> SignInProvider:
    """Change a provider's name, client, scopes, or whether it is offered. It counts from the next sign-in on.

    Kind and server stay: with another one, whoever it names would be let into the accounts of others. Switched off, it
    lets nobody in, and the accounts that people have connected stay for when it is offered again.
    """
    require_configurer(actor)
    row = SignInProvider.locked(SignInProvider.objects.all(), sign_in_provider_id, expected_version)
    secret = changes.pop("client_secret", None)
    sealed = row.sealed(secret) if secret is not None else {}
    row.apply({**changes, **sealed})
    check_shape(row, has_secret=bool(row.client_secret))
    return _shown([row])[0]


@operation("sign_in_providers.delete", scope="sign-in-providers:write", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_sign_in_provider(
    actor: Actor, *, sign_in_provider_id: UUID, expected_version: int | None = None
) -> SignInProvider:
    """Delete a provider and every connection to it: its people sign in another way, such as by a code from a mail.

    The connections go because another provider could take the slug, and would be believed about who they are.
    """
    require_configurer(actor)
    row = SignInProvider.locked(SignInProvider.objects.all(), sign_in_provider_id, expected_version)
    SocialAccount.objects.filter(provider=row.slug).delete()
    SignInProvider.objects.filter(pk=row.pk).delete()
    return row


def _shown(rows: Iterable[SignInProvider]) -> list[SignInProvider]:
    """`rows`, each with the address that its provider sends people back to. One query for it."""
    root, shown = links.own_root(), list(rows)
    for row in shown:
        row.callback_url = root + row.callback_path
    return shown
