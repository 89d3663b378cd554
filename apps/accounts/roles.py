"""The built-in roles: what a member, service account or agent may do within its organization or tenant."""

from collections.abc import Callable
from dataclasses import dataclass

from apps.core.scopes import Scope

#: What only an owner may do: transfer or end the organization.
OWNERS_ONLY = Scope("organizations", "own")
_MANAGED_BY_ADMINS = frozenset({"organizations", "members", "users", "policy", "billing"})


@dataclass(frozen=True, slots=True)
class Role:
    """A named bundle of permissions; a higher `rank` includes the lower ones."""

    name: str
    label: str
    rank: int
    allows: Callable[[Scope], bool]

    def may_grant(self, other: "Role") -> bool:
        """True when a holder of this role may hand out `other`: nobody grants more than they hold."""
        return self.rank >= other.rank


def _reads(scope: Scope) -> bool:
    return scope.action == "read"


def _develops(scope: Scope) -> bool:
    return _reads(scope) or scope.resource not in _MANAGED_BY_ADMINS


ROLES = {
    role.name: role
    for role in (
        Role("owner", "Owner", 4, lambda _scope: True),
        Role("admin", "Admin", 3, lambda scope: not OWNERS_ONLY.covers(scope)),
        Role("developer", "Developer", 2, _develops),
        Role("viewer", "Viewer", 1, _reads),
        Role("none", "None", 0, lambda _scope: False),
    )
}
#: For model fields and serializers: the roles that can be given to somebody.
ROLE_CHOICES = [(role.name, role.label) for role in ROLES.values() if role.rank > 0]
