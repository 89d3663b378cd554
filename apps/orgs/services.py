"""Operations on organizations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apps.accounts.models import User
from apps.core.actor import Actor, PrincipalKind
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.orgs import hooks
from apps.orgs import serializers as forms
from apps.orgs.deletion import delete_with_all, in_use
from apps.orgs.errors import FoundingRefused, PersonalOrganizationStays
from apps.orgs.founding import found_organization, found_under_free_slug, save_with_slug
from apps.orgs.models import Organization
from apps.orgs.querysets import OrganizationQuerySet


@operation(
    "organizations.list",
    scope="organizations:read",
    risk=Risk.READ,
    input=forms.OrganizationParameters,
    output=forms.OrganizationOutput,
    lists=True,
)
def list_organizations(actor: Actor, *, slug: str | None = None) -> OrganizationQuerySet:
    """List the organizations: all of the tenant, or the one that the actor acts in."""
    organizations = Organization.objects.visible_to(actor)
    return organizations.filter(slug=slug) if slug is not None else organizations


@operation("organizations.get", scope="organizations:read", risk=Risk.READ, output=forms.OrganizationOutput)
def get_organization(actor: Actor, *, organization_id: UUID) -> Organization:
    """Read one organization."""
    return find_organization(actor, organization_id)


def find_organization(actor: Actor, organization_id: UUID) -> Organization:
    """The organization, if it is there for `actor`. Raises NotFound."""
    organization = Organization.objects.visible_to(actor).filter(pk=organization_id).first()
    if organization is None:
        raise not_found(Organization, organization_id)
    return organization


def require_organization(actor: Actor, organization_id: UUID) -> None:
    """Raise NotFound for an organization that is not there for `actor`. Asks the database for tenant-wide ones only."""
    own = actor.organization is not None and actor.organization.id == organization_id
    if not own and not Organization.objects.visible_to(actor).filter(pk=organization_id).exists():
        raise not_found(Organization, organization_id)


@operation(
    "organizations.create",
    scope="organizations:write",
    risk=Risk.WRITE,
    input=forms.OrganizationInput,
    output=forms.OrganizationOutput,
    anywhere=True,
)
def create_organization(actor: Actor, *, name: str, slug: str | None = None) -> Organization:
    """Found an organization.

    A person who founds one becomes its owner. A credential of the whole tenant makes one for a customer, without
    members. A machine that belongs to an organization founds none. A taken slug is refused with 409 `slug_taken`.
    """
    owner = _founder(actor)
    if slug is None:
        return found_under_free_slug(name=name, owner=owner)
    return found_organization(name=name, slug=slug, owner=owner)


def _founder(actor: Actor) -> User | None:
    """The person who will own what `actor` founds; None for the tenant's own credentials. Raises FoundingRefused."""
    if actor.is_tenant_wide:
        return None
    if actor.kind is not PrincipalKind.USER or actor.is_away:
        raise FoundingRefused(_why_not(actor))
    founder: User = User.objects.get(pk=actor.principal.id)
    return founder


def _why_not(actor: Actor) -> str:
    where = (
        f"in the organization {actor.organization.slug}" if actor.organization else "without an organization"
    )
    return f"{actor.principal.name} acts {where} and may not found one beside it. {FoundingRefused.advice}"


@operation(
    "organizations.update",
    scope="organizations:write",
    risk=Risk.WRITE,
    input=forms.OrganizationPatch,
    output=forms.OrganizationOutput,
    versioned=True,
)
def update_organization(
    actor: Actor, /, *, organization_id: UUID, expected_version: int | None = None, **changes: Any
) -> Organization:
    """Change an organization's name or slug."""
    organization = Organization.locked(
        Organization.objects.visible_to(actor), organization_id, expected_version
    )
    changed = {name: value for name, value in changes.items() if getattr(organization, name) != value}
    if not changed:
        return organization
    for name, value in changed.items():
        setattr(organization, name, value)
    organization.version += 1
    save_with_slug(organization, update_fields=[*changed, "version"])
    return organization


@operation("organizations.delete", scope="organizations:own", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_organization(
    actor: Actor, *, organization_id: UUID, expected_version: int | None = None
) -> Organization:
    """Delete an organization with its members, service accounts, agents and keys.

    Only its owners may, or a credential of the whole tenant. Refused with 409 `organization_in_use` while something
    else belongs to it (in the console: applications), and for a person's own one.
    """
    organization = Organization.locked(
        Organization.objects.visible_to(actor), organization_id, expected_version
    )
    if organization.personal and not actor.is_tenant_wide:
        raise PersonalOrganizationStays
    if names := hooks.still_there(organization):
        raise in_use(organization, names)
    hooks.about_to_delete(organization)
    delete_with_all(organization, actor.tenant.kind)
    return organization
