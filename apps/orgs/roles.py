"""Operations on the custom roles of an organization.

Nobody makes, changes or takes away a role that allows what their own does not, and no machine changes the role that it
holds: an edited role counts for all its holders at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.accounts import roles as known_roles
from apps.accounts.authority import require_included, require_whole_credential, role_of
from apps.accounts.errors import SelfWidening
from apps.accounts.models import Agent, ServiceAccount
from apps.core.actor import Actor
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.problems import show
from apps.orgs import permissions
from apps.orgs import serializers as forms
from apps.orgs.errors import RoleInUse, RoleSlugTaken, TooManyRoles
from apps.orgs.models import Invitation, Membership, Role
from apps.orgs.querysets import RoleQuerySet
from apps.orgs.services import require_organization

MOST_ROLES = 100
_MACHINES = (ServiceAccount, Agent)


@operation("roles.list", scope="roles:read", risk=Risk.READ, output=forms.RolesOutput)
def list_roles(actor: Actor, *, organization_id: UUID) -> dict[str, Any]:
    """List the roles that members and machines of an organization can have: the built-in ones, then its own.

    `grantable` says whether the caller may give it. It is one page: an organization has at most 100 of its own.
    """
    require_organization(actor, organization_id)
    own = Role.objects.visible_to(actor).filter(organization_id=organization_id).order_by("id")
    built_in = [_built_in(role) for role in known_roles.all_roles(None)]
    mine = role_of(actor)
    rows = [*built_in, *(forms.RoleOutput.render(role) for role in own)]
    grants = [mine.may_grant(role) for role in (*known_roles.all_roles(None), *(row.allowed for row in own))]
    data = [{**row, "grantable": grant} for row, grant in zip(rows, grants, strict=True)]
    return {"data": data, "next_cursor": None}


def _built_in(role: known_roles.Role) -> dict[str, Any]:
    return {
        "id": None,
        "slug": role.name,
        "name": role.label,
        "description": "Built in.",
        "permissions": permissions.permissions_of(role),
        "built_in": True,
        "version": None,
        "created_at": None,
    }


@operation("roles.get", scope="roles:read", risk=Risk.READ, output=forms.RoleOutput)
def get_role(actor: Actor, *, organization_id: UUID, role_id: UUID) -> Role:
    """Read one of an organization's own roles."""
    require_organization(actor, organization_id)
    role = _roles(actor, organization_id).filter(pk=role_id).first()
    if role is None:
        raise not_found(Role, role_id)
    return role


@operation(
    "roles.create", scope="roles:write", risk=Risk.WRITE, input=forms.RoleInput, output=forms.RoleOutput
)
def create_role(
    actor: Actor,
    *,
    organization_id: UUID,
    slug: str,
    name: str,
    permissions: Sequence[str],
    description: str = "",
) -> Role:
    """Make a role of the organization's own out of permissions, each a scope such as `agents:write`.

    It allows at most what the caller's own role and credential do. `resource:*` stands for every action on a resource;
    `*` and `organizations:own` are for owners alone.
    """
    require_organization(actor, organization_id)
    allowed = _checked(actor, slug, name, permissions)
    if _roles(actor, organization_id).count() >= MOST_ROLES:
        raise TooManyRoles(f"There are {MOST_ROLES} roles already. {TooManyRoles.advice}")
    made = Role(organization_id=organization_id, slug=slug, name=name, description=description)
    made.permissions = allowed.texts()
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError:
        raise RoleSlugTaken(f"There is a role {show(slug)} already; choose another slug.") from None
    return made


@operation(
    "roles.update",
    scope="roles:write",
    risk=Risk.WRITE,
    input=forms.RolePatch,
    output=forms.RoleOutput,
    versioned=True,
)
def update_role(
    actor: Actor,
    /,
    *,
    organization_id: UUID,
    role_id: UUID,
    expected_version: int | None = None,
    **changes: Any,
) -> Role:
    """Change a role's name, description or permissions; they count for everybody who holds it from their next call on.

    Both what it allows and what it will allow must be within the caller's own role. A machine does not change what the
    role that it holds allows.
    """
    role = _decided(actor, organization_id, role_id, expected_version)
    if "permissions" in changes:
        allowed = _checked(actor, role.slug, role.name, changes["permissions"])
        if allowed.texts() != role.permissions:
            _require_not_held(actor, role)
        changes["permissions"] = allowed.texts()
    return role.apply(changes)


@operation("roles.delete", scope="roles:write", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_role(
    actor: Actor, *, organization_id: UUID, role_id: UUID, expected_version: int | None = None
) -> Role:
    """Delete a role. Refused with 409 `role_in_use` while anybody holds it or is invited with it."""
    role = _decided(actor, organization_id, role_id, expected_version)
    holders = [name for rows in _holding(role) for name in rows[:10]]
    if holders:
        more = " and others" if len(holders) > 10 else ""
        raise RoleInUse(f"{role} is held by {', '.join(holders[:10])}{more}. {RoleInUse.advice}")
    Role.objects.filter(pk=role.pk).delete()
    return role


def read_custom_roles(
    organization_id: UUID, names: Collection[str] | None, locked: bool
) -> Mapping[str, known_roles.Role]:
    """The organization's own roles by slug, for accounts.roles; locked in a fixed order, so that nobody deadlocks."""
    rows = Role.objects.filter(organization_id=organization_id).order_by("id")
    if names is not None:
        rows = rows.filter(slug__in=names)
    if locked:
        rows = rows.select_for_update(no_key=True)
    return {row.slug: row.allowed for row in rows}


def _roles(actor: Actor, organization_id: UUID) -> RoleQuerySet:
    return Role.objects.visible_to(actor).filter(organization_id=organization_id)


def _checked(actor: Actor, slug: str, name: str, texts: Iterable[str]) -> Any:
    """The permissions, if a role of them lies within the actor's own role and credential."""
    allowed = permissions.checked(texts)
    wanted = known_roles.custom_role(slug, name, allowed)
    require_included(actor, wanted)
    require_whole_credential(actor, wanted)
    return allowed


def _decided(actor: Actor, organization_id: UUID, role_id: UUID, expected_version: int | None) -> Role:
    """The role, locked, for an actor that may decide about it."""
    require_organization(actor, organization_id)
    role: Role = Role.locked(_roles(actor, organization_id), role_id, expected_version)
    require_included(actor, role.allowed)
    return role


def _require_not_held(actor: Actor, role: Role) -> None:
    """Raise SelfWidening when a machine, itself or by a key that it minted, would change the role that it holds."""
    if actor.is_away:
        return
    acting = [link.id for link in (actor.principal, *actor.credential.chain)]
    for model in _MACHINES:
        held = model.objects.filter(pk__in=acting, organization_id=role.organization_id, role=role.slug)
        for machine in held[:1]:
            raise SelfWidening(f"{machine} may not change what its own role allows. {SelfWidening.advice}")


def _holding(role: Role) -> Iterable[list[str]]:
    """The names of whoever holds `role`, or would by an invitation that is open; at most eleven of each kind."""
    mine: dict[str, Any] = {"organization_id": role.organization_id, "role": role.slug}
    yield [str(seat.user) for seat in Membership.objects.filter(**mine).select_related("user")[:11]]
    for model in _MACHINES:
        yield [str(machine) for machine in model.objects.filter(**mine)[:11]]
    invited = Invitation.objects.giving(role.slug, role.organization_id)[:11]
    yield [f"the invitation of {invitation.email}" for invitation in invited]
