"""What can be handed on, and what is left when the rights of several have to hold at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from apps.accounts.roles import OWNERS_ONLY, ROLES, Role, custom_role
from apps.apikeys.delegations.errors import NotDelegable
from apps.core.problems import FieldError
from apps.core.scopes import Scope, Scopes

#: What everybody does in person: their own account and sessions, signing in and how, what they consent to.
IN_PERSON = frozenset(
    {"self", "sessions", "sign-in", "sign-in-providers", "approvals", "installation", "tenants"}
)
#: Resources of which reading alone is handed on: whoever writes the rules about delegates is none.
READ_ONLY = frozenset({"policy"})
#: The scope by which a delegation may be passed on, once.
PASSING_ON = Scope("delegations", "write")
_OF_DELEGATIONS = frozenset({"read", "write"})


def checked_scopes(texts: Sequence[str], *, passing_on: bool = False) -> Scopes:
    """The scopes `texts`. Raises NotDelegable with an error for each that nobody hands on, or passes on further."""
    errors = []
    for place, text in enumerate(texts):
        why = why_not_delegable(Scope.parse(text), passing_on=passing_on)
        if why:
            errors.append(FieldError(f"scopes[{place}]", NotDelegable.code, f"{text} {why}."))
    if errors:
        raise NotDelegable(" ".join(error.detail for error in errors), errors=errors)
    return Scopes.parse(texts)


def why_not_delegable(scope: Scope, *, passing_on: bool = False) -> str:
    """The reason, behind the scope's name, why nobody can do it for another; '' where somebody can."""
    if scope.resource == "*" or scope.action == "*":
        return "is no plain scope: whoever agrees has to read what they agree to"
    if scope.resource in IN_PERSON or scope.covers(OWNERS_ONLY):
        return "is for people to do themselves"
    if scope.resource in READ_ONLY and scope.action != "read":
        return "decides about delegates too, and is not for them"
    if scope.resource == PASSING_ON.resource and scope.action not in _OF_DELEGATIONS:
        return "is for people to do themselves"
    if passing_on and scope.covers(PASSING_ON):
        return "would pass it on a second time"
    return ""


def role_named(name: str, permissions: Scopes | None) -> Role:
    """The role as it is compared with others; one that is not known allows nothing."""
    if permissions is not None:
        return custom_role(name, name, permissions)
    return ROLES.get(name, ROLES["none"])


def common_role(roles: Iterable[Role]) -> tuple[str, Scopes | None]:
    """The role that allows what all of `roles` do: its name, and what it allows where it is no built-in one.

    Built-in roles include each other, so the lowest is what they share. What custom ones share is said in scopes; where
    two overlap in a way that scopes cannot say, nothing is shared.
    """
    own = list(roles)
    lowest = min((role for role in own if role.permissions is None), key=lambda role: role.rank, default=None)
    custom = [role for role in own if role.permissions is not None]
    if not custom:
        return (lowest or ROLES["none"]).name, None
    shared = Scopes.everything()
    for role in custom:
        shared = shared.shared_with(role.permissions or Scopes())
    if lowest is not None:
        shared = Scopes(_allowed(shared, lowest))
    return custom[0].name, shared


def _allowed(scopes: Scopes, role: Role) -> Iterable[Scope]:
    """Of each of `scopes` the widest part that the built-in `role` allows."""
    for scope in scopes:
        for part in (scope, replace(scope, action="write"), replace(scope, action="read")):
            if scope.covers(part) and role.allows(part):
                yield part
                break
