"""Scopes that a token can have: the platform's own, and those of OpenID Connect that tell who somebody is."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from apps.accounts.roles import Role
from apps.core.scopes import Scope, ScopeError, Scopes

OPENID = "openid"
#: What these allow is read at the userinfo endpoint, and nothing of it at the API.
IDENTITY = (OPENID, "profile", "email")
EVERYTHING = "*"
MOST = 40


def ours(texts: Iterable[str]) -> list[str]:
    """Those of `texts` that are the platform's own."""
    return [text for text in texts if text not in IDENTITY]


def are_well_formed(texts: Collection[str]) -> bool:
    """True for scopes that exist or may come to exist, not too many of them."""
    try:
        Scopes.parse(ours(texts))
    except ScopeError:
        return False
    return len(texts) <= MOST


def covered_by(asked: Collection[str], held: Collection[str]) -> bool:
    """True when `held` allows all that is `asked`. Both may hold identity scopes, which cover only themselves."""
    if not are_well_formed(asked):
        return False
    identity = {text for text in asked if text in IDENTITY}
    return identity <= set(held) and not Scopes.parse(ours(asked)).missing_from(Scopes.parse(ours(held)))


def grantable(text: str, roles: Iterable[Role]) -> bool:
    """True when a person with `roles` may let a client do this: nobody grants more than they hold.

    `*` stands for all that the person may do, whatever that is, so every role includes it.
    """
    if text in IDENTITY:
        return True
    scope = Scope.parse(text)
    if scope.resource == "self":
        return True
    return any(scope.resource == EVERYTHING or role.allows(scope) for role in roles)
