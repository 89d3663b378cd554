"""Who may give which role, and what nobody may do to themselves."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apps.accounts.errors import (
    CredentialTooNarrow,
    PeerWidening,
    PersonNeeded,
    RoleExceedsOwn,
    RoleUnknown,
    SelfWidening,
)
from apps.accounts.models import Machine, User
from apps.accounts.querysets import UserQuerySet
from apps.accounts.roles import ROLES, Role, all_roles, custom_role, find_roles
from apps.core.actor import Actor, PrincipalKind
from apps.core.problems import Remedy, show
from apps.core.scopes import Scope


def role_of(actor: Actor) -> Role:
    """The role that bounds `actor` where it acts; one that is not known counts as none."""
    if actor.permissions is not None:
        return custom_role(actor.role, actor.role, actor.permissions)
    return ROLES.get(actor.role, ROLES["none"])


def require_grantable(actor: Actor, *names: str, within: UUID | None = None) -> list[Role]:
    """The roles `names` of the organization `within`, if `actor` could give each: nobody grants more than they hold.

    None stands for the tenant as a whole, where roles are built in. Custom roles are locked, so that none is deleted
    while it is given. Raises RoleExceedsOwn, and RoleUnknown for a role that is not there.
    """
    known = find_roles(sorted(set(names)), within, locked=True)
    for name in names:
        if name not in known:
            raise _unknown(name, within)
        require_included(actor, known[name])
    return [known[name] for name in names]


def require_included(actor: Actor, role: Role) -> None:
    """Raise RoleExceedsOwn unless the actor's own role allows all that `role` does."""
    own = role_of(actor)
    if not own.may_grant(role):
        raise _exceeds(own, role)


def require_built_in(actor: Actor) -> str:
    """The name of the actor's role, which has to be one that every tenant knows. Raises RoleExceedsOwn."""
    if actor.permissions is not None:
        raise RoleExceedsOwn(
            f"What belongs to a tenant as a whole has a built-in role, and yours is {actor.role}, which includes none."
        )
    return role_of(actor).name


def role_choices(actor: Actor, row: Any) -> list[tuple[str, str]]:
    """Name and label of each role that `actor` may give in the organization of `row`, for None in its own."""
    here = actor.organization.id if actor.organization else None
    own, known = role_of(actor), all_roles(here if row is None else row.organization_id)
    return [(role.name, role.label) for role in known if own.may_grant(role)]


def _unknown(name: str, within: UUID | None) -> RoleUnknown:
    built_in = ", ".join(role.name for role in ROLES.values() if role.rank)
    more = "" if within is not None else " What belongs to no organization takes a built-in role."
    return RoleUnknown(f"There is no role {show(name)} here. Built in are: {built_in}.{more}")


def _exceeds(own: Role, wanted: Role) -> RoleExceedsOwn:
    if wanted.permissions is None:
        lower = [role for role in ROLES.values() if role.rank and own.may_grant(role)]
        able = ", ".join(role.name for role in lower) or "none"
        return RoleExceedsOwn(
            f"The role {wanted.name} is above your own, which is {own.name}. You may decide about: {able}."
        )
    beyond = sorted(str(scope) for scope in wanted.permissions if not own.allows(scope))
    return RoleExceedsOwn(
        f"The role {wanted.name} allows {', '.join(beyond)}, and your own, which is {own.name}, does not.",
        extra={"beyond": beyond},
    )


def require_whole_credential(actor: Actor, role: Role | str) -> None:
    """Raise CredentialTooNarrow unless the credential holds everything that a person in `role` will be able to do.

    A person signs in with the whole role, while a key is bound by its scopes: a narrow key that gave out a role would
    hand on more than it holds. Viewers only read, which is what adding somebody means at the least.
    """
    wanted = ROLES[role] if isinstance(role, str) else role
    held = actor.scopes
    if wanted.permissions is not None:
        missing = wanted.permissions.missing_from(held)
        if missing:
            raise CredentialTooNarrow(
                f"Giving out the role {wanted.name} takes a credential that holds {', '.join(missing)} too."
            )
    elif wanted.rank > ROLES["viewer"].rank and not held.allow(Scope("*")):
        raise CredentialTooNarrow(
            f"Giving somebody the role {wanted.name} takes a credential with the scope *."
        )


def require_person(actor: Actor, *, in_person: bool = False) -> UUID:
    """The id of the person of this tenant who acts. Raises PersonNeeded for anybody else.

    `in_person` refuses what an agent or a program does for them too.
    """
    identity = actor.principal.id
    represented = in_person and is_represented(actor)
    if actor.kind is not PrincipalKind.USER or actor.is_away or identity is None or represented:
        raise PersonNeeded
    return identity


def is_represented(actor: Actor) -> bool:
    """True when somebody acts in another's place: by delegation, with an agent's key, or with a program's token."""
    return actor.on_behalf_of is not None or actor.involves_agent or actor.credential.kind == "oauth"


def is_oneself(actor: Actor, principal: Machine | User) -> bool:
    """True when `principal` itself acts here. Nobody from another tenant does, also when the ids are the same."""
    who = actor.principal
    return not actor.is_away and (principal.kind, principal.id) == (who.kind, who.id)


def require_other(actor: Actor, machine: Machine, what: str) -> None:
    """Raise SelfWidening when `machine` would do `what` ("change its own role") to itself, or by a key it minted."""
    minted = not actor.is_away and machine.id in (link.id for link in actor.credential.chain)
    if minted or is_oneself(actor, machine):
        raise SelfWidening(f"{machine.name} may not {what}. {SelfWidening.advice}")


def require_no_agent(actor: Actor, what: str, remedy: Remedy | None = None) -> None:
    """Raise PeerWidening when an agent, or somebody through one, would do `what` ("end the suspension of backend")."""
    if actor.involves_agent:
        raise PeerWidening(f"No agent may {what}. {PeerWidening.advice}", remedy=remedy)


def is_operator(actor: Actor) -> bool:
    """True for a person of the console who runs the installation. Asks the database."""
    if actor.kind is not PrincipalKind.USER or actor.is_away or actor.tenant.kind != "console":
        return False
    if actor.on_behalf_of is not None:
        return False
    operators: UserQuerySet = User.objects.filter(pk=actor.principal.id, is_operator=True)
    return operators.exists()


def decides_for_tenant(actor: Actor) -> bool:
    """True for who may change a person for everybody in the tenant: its own actors, and operators of the console."""
    return actor.is_tenant_wide or is_operator(actor)
