"""Roles: what a member, service account or agent may do. Four are built in; organizations make their own besides.

A role is a bundle of permissions, and a permission is a scope. Built-in roles grow with the platform; a custom role
allows the scopes that it lists, and nothing that is built later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from apps.core.scopes import Scope, Scopes

#: What only an owner may do: transfer or end the organization.
OWNERS_ONLY = Scope("organizations", "own")
_MANAGED_BY_ADMINS = frozenset(
    {"organizations", "members", "roles", "teams", "invitations", "users", "policy", "billing"}
    | {"mail-templates", "sign-in-providers", "sign-in-settings", "oauth-clients", "oauth-signing-keys"}
)


@dataclass(frozen=True, slots=True)
class Role:
    """A named bundle of permissions. `allows` says of a scope whether a holder may do all that it covers.

    A built-in role with a higher `rank` includes the lower ones; a custom role has its `permissions` instead.
    """

    name: str
    label: str
    rank: int
    allows: Callable[[Scope], bool]
    permissions: Scopes | None = None

    def may_grant(self, other: Role) -> bool:
        """True when a holder of this role may hand out `other`: nobody grants more than they hold.

        A custom role never includes a built-in one: what that allows grows, and the custom role does not.
        """
        if other.permissions is not None:
            return all(self.allows(permission) for permission in other.permissions)
        return self.rank >= other.rank


def custom_role(name: str, label: str, permissions: Scopes) -> Role:
    """The role that allows `permissions` and nothing else."""
    return Role(name, label, 0, permissions.allow, permissions)


def _administers(scope: Scope) -> bool:
    # A wildcard that would include what is the owners' is theirs too, and so is one for a single organization.
    anywhere = Scope(scope.resource, scope.action)
    return scope.resource != "*" and not anywhere.covers(OWNERS_ONLY) and not OWNERS_ONLY.covers(scope)


def _develops(scope: Scope) -> bool:
    return _reads(scope) or scope.resource not in _MANAGED_BY_ADMINS | {"*"}


def _reads(scope: Scope) -> bool:
    return scope.resource != "*" and scope.action == "read"


ROLES = {
    role.name: role
    for role in (
        Role("owner", "Owner", 4, lambda _scope: True),
        Role("admin", "Admin", 3, _administers),
        Role("developer", "Developer", 2, _develops),
        Role("viewer", "Viewer", 1, _reads),
        Role("none", "None", 0, lambda _scope: False),
    )
}
#: The built-in roles that can be given to somebody, for model fields and serializers.
ROLE_CHOICES = [(role.name, role.label) for role in ROLES.values() if role.rank > 0]

#: Reads custom roles of an organization: those that are named, or all for None; locked against deletion if asked.
Reader = Callable[[UUID, Collection[str] | None, bool], Mapping[str, Role]]


def _no_reader(_organization: UUID, _names: Collection[str] | None, _locked: bool) -> Mapping[str, Role]:
    return {}


_reader: Reader = _no_reader


def use_custom_roles(reader: Reader) -> None:
    """Read custom roles with `reader`; the room above owns them."""
    global _reader
    _reader = reader


def find_roles(names: Collection[str], organization: UUID | None, *, locked: bool = False) -> dict[str, Role]:
    """The roles `names` as `organization` has them, without those that there are none of.

    What belongs to the tenant as a whole (None) has built-in roles alone. `locked` ones are not deleted before the
    transaction ends. Asks the database for custom ones only.
    """
    built_in = {name: ROLES[name] for name in names if name in ROLES and ROLES[name].rank > 0}
    others = [name for name in names if name not in ROLES]
    if organization is None or not others:
        return built_in
    return {**built_in, **_reader(organization, others, locked)}


def all_roles(organization: UUID | None) -> list[Role]:
    """Every role that can be given in `organization`: the built-in ones, the highest first, and its own."""
    own = _reader(organization, None, False) if organization is not None else {}
    return [*(role for role in ROLES.values() if role.rank > 0), *own.values()]


def label_of(name: str) -> str:
    """What people call the role: a built-in one's label, a custom one's own name."""
    return ROLES[name].label if name in ROLES else name
