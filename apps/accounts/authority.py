"""Who may give which role, and what nobody may do to themselves."""

from apps.accounts.errors import CredentialTooNarrow, RoleExceedsOwn, SelfWidening
from apps.accounts.models import Machine, User
from apps.accounts.querysets import UserQuerySet
from apps.accounts.roles import ROLES, Role
from apps.core.actor import Actor, PrincipalKind
from apps.core.scopes import Scope


def role_of(actor: Actor) -> Role:
    """The role that bounds `actor` where it acts; one that is not known counts as none."""
    return ROLES.get(actor.role, ROLES["none"])


def require_grantable(actor: Actor, *names: str) -> None:
    """Raise RoleExceedsOwn unless `actor` could give each of the roles `names`: nobody grants more than they hold."""
    own = role_of(actor)
    for name in names:
        if not own.may_grant(ROLES[name]):
            grantable = ", ".join(role.name for role in ROLES.values() if 0 < role.rank <= own.rank) or "none"
            raise RoleExceedsOwn(
                f"The role {name} is above your own, which is {own.name}. You may decide about: {grantable}."
            )


def require_whole_credential(actor: Actor, role: str) -> None:
    """Raise CredentialTooNarrow unless the credential holds everything that a person in `role` will be able to do.

    A person signs in with the whole role, while a key is bound by its scopes: a narrow key that gave out a role would
    hand on more than it holds. Viewers only read, which is what adding somebody means at the least.
    """
    if ROLES[role].rank > ROLES["viewer"].rank and not actor.credential.scopes.allow(Scope("*")):
        raise CredentialTooNarrow(f"Giving somebody the role {role} takes a credential with the scope *.")


def is_oneself(actor: Actor, principal: Machine | User) -> bool:
    """True when `principal` itself acts here. Nobody from another tenant does, also when the ids are the same."""
    who = actor.principal
    return not actor.is_away and (principal.kind, principal.id) == (who.kind, who.id)


def require_other(actor: Actor, machine: Machine, what: str) -> None:
    """Raise SelfWidening when `machine` would do `what` ("change its own role") to itself, or by a key it minted."""
    minted = not actor.is_away and machine.id in (link.id for link in actor.credential.chain)
    if minted or is_oneself(actor, machine):
        raise SelfWidening(f"{machine.name} may not {what}. {SelfWidening.advice}")


def is_operator(actor: Actor) -> bool:
    """True for a person of the console who runs the installation. Asks the database."""
    if actor.kind is not PrincipalKind.USER or actor.is_away or actor.tenant.kind != "console":
        return False
    operators: UserQuerySet = User.objects.filter(pk=actor.principal.id, is_operator=True)
    return operators.exists()


def decides_for_tenant(actor: Actor) -> bool:
    """True for who may change a person for everybody in the tenant: its own actors, and operators of the console."""
    return actor.is_tenant_wide or is_operator(actor)
