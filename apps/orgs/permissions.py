"""What a custom role can be made of: the scopes of operations that there are, without what is the owners' alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache

from apps.accounts.roles import OWNERS_ONLY, Role
from apps.core.operations import all_operations
from apps.core.problems import FieldError, ValidationFailed
from apps.core.scopes import Scope, Scopes

#: What people do about themselves is no matter of a role.
_NO_MATTER_OF_ROLES = frozenset({"self"})


@cache
def known() -> Mapping[str, frozenset[str]]:
    """The actions that can be given, by resource."""
    found: dict[str, set[str]] = defaultdict(set)
    for operation in all_operations():
        scope = operation.scope
        if scope.resource not in _NO_MATTER_OF_ROLES and not OWNERS_ONLY.covers(scope):
            found[scope.resource].add(scope.action)
    return {resource: frozenset(actions) for resource, actions in sorted(found.items())}


def permissions_of(role: Role) -> list[str]:
    """The known scopes that `role` allows, as texts; a custom role's own permissions."""
    if role.permissions is not None:
        return role.permissions.texts()
    every = (Scope(resource, action) for resource, actions in known().items() for action in sorted(actions))
    return [str(scope) for scope in every if role.allows(scope)]


def checked(texts: Iterable[str]) -> Scopes:
    """The permissions `texts`. Raises ValidationFailed with one error for each that no custom role can hold."""
    scopes = [Scope.parse(text) for text in texts]
    errors = [
        FieldError(f"permissions[{place}]", *wrong)
        for place, scope in enumerate(scopes)
        if (wrong := _wrong_with(scope)) is not None
    ]
    if errors:
        raise ValidationFailed(" ".join(error.detail for error in errors), errors=errors)
    return Scopes(scopes)


def _wrong_with(scope: Scope) -> tuple[str, str] | None:
    """Code and sentence where `scope` is no permission for a custom role."""
    if scope.covers(OWNERS_ONLY) or OWNERS_ONLY.covers(scope):
        return "owners_only", f"{scope} is for owners alone: it includes {OWNERS_ONLY}."
    actions = known().get(scope.resource)
    if actions is None:
        return (
            "unknown_resource",
            f"There is nothing called {scope.resource}; there are: {', '.join(known())}.",
        )
    if scope.action != "*" and scope.action not in actions:
        able = ", ".join(f"{scope.resource}:{action}" for action in [*sorted(actions), "*"])
        return "unknown_action", f"There is no {scope}; there are: {able}."
    return None
