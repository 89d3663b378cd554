"""An account that was made with somebody else's address, in the hope that they take it over."""

from __future__ import annotations

from functools import partial
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from allauth.socialaccount.models import SocialAccount
from django.http import HttpRequest

from apps.accounts.models import User
from apps.accounts.signin import trail
from apps.accounts.signin.circumstances import ways_of


def drop_strangers_password(request: HttpRequest, email_address: EmailAddress, **_: Any) -> None:
    """Drop the password of an unconfirmed account whose address is confirmed by somebody who never typed it.

    Whoever signed up may not be who reads the mail. One who comes in by a code, or by another provider, confirms the
    address in passing; the password that is there is not theirs, and would open their account to a stranger.
    """
    person: User = email_address.user
    if person.last_login is not None or not person.has_usable_password():
        return
    if ways_of(request, person)[:1] in (["code"], ["social"]):
        trail.record(
            trail.set_password,
            request,
            person,
            reason="dropped: set before the address was confirmed",
            made=lambda: _drop(person),
        )


def drop_strangers_accounts(request: HttpRequest, email_address: EmailAddress, **_: Any) -> None:
    """Disconnect from an account that nobody was in yet what was connected to it, but for that of this session.

    Whoever came by another provider and named somebody else's address waits for its confirmation. Who reads the mail
    and confirms it in another way is somebody else, and what waits would open their account.
    """
    person: User = email_address.user
    if person.last_login is not None:
        return
    shown = {
        (record.get("provider"), record.get("uid"))
        for record in get_authentication_records(request, person)
        if record["method"] == "socialaccount"
    }
    for account in SocialAccount.objects.filter(user=person):
        if (account.provider, account.uid) not in shown:
            trail.record(
                trail.disconnect_account,
                request,
                person,
                reason="dropped: connected before the address was confirmed",
                made=partial(_disconnect, person, account),
            )


def _disconnect(person: User, account: SocialAccount) -> User:
    account.delete()
    return person


def _drop(person: User) -> User:
    person.set_unusable_password()
    person.save(update_fields=["password"])
    return person


def register() -> None:
    """Look at every address that is confirmed; allauth has no hook for those confirmed in passing."""
    email_confirmed.connect(drop_strangers_password, dispatch_uid="packmule.drop_strangers_password")
    email_confirmed.connect(drop_strangers_accounts, dispatch_uid="packmule.drop_strangers_accounts")
