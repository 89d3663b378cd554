"""Founding organizations: plain functions for this room, sign-up and whoever prepares an installation."""

from __future__ import annotations

from secrets import choice
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from apps.accounts.models import User
from apps.accounts.signin.models import NewPeopleGet, sign_in_settings
from apps.core.fields import RESERVED_SLUGS
from apps.core.problems import show
from apps.orgs.errors import SlugTaken
from apps.orgs.models import Membership, Organization
from apps.tenancy import walls

_LETTERS = "abcdefghjkmnpqrstvwxyz23456789"
_LONGEST_STEM = 32
_TRIES = 5


def found_organization(*, name: str, slug: str, owner: User | None, personal: bool = False) -> Organization:
    """A new organization of the tenant that stands, with `owner` as its first member, if any. Raises SlugTaken.

    Row-level security lets in only rows of the organization that stands, so this stands in the new one meanwhile.
    """
    organization = Organization(name=name, slug=slug, personal=personal)
    with walls.within(organization.id):
        save_with_slug(organization, force_insert=True)
        if owner is not None:
            Membership.objects.create(organization=organization, user=owner, role="owner")
    return organization


def found_under_free_slug(*, name: str, owner: User | None, personal: bool = False) -> Organization:
    """The same, under a slug made from the name. Raises SlugTaken when five made ones are taken."""
    for attempt in range(_TRIES):
        try:
            slug = slug_from(name, unique=personal or attempt > 0)
            return found_organization(name=name, slug=slug, owner=owner, personal=personal)
        except SlugTaken:
            continue
    raise SlugTaken(f"No free slug was found for {show(name)}; name one.")


def give_first_organization(user: User) -> None:
    """Give who signed up what the tenant's settings say: an organization of their own, a seat in a shared one, or none.

    Where the shared one is gone meanwhile, they get one of their own: nobody is let into another's.
    """
    wanted = sign_in_settings()
    if wanted.new_people_get == NewPeopleGet.NONE:
        return
    shared = wanted.shared_organization_id if wanted.new_people_get == NewPeopleGet.SHARED else None
    if shared is None or not _is_there(shared):
        personal_organization(user)
        return
    with walls.within(shared):
        Membership.objects.create(organization_id=shared, user=user, role=wanted.shared_role)


def _is_there(organization_id: UUID) -> bool:
    with walls.whole_tenant():
        return Organization.objects.filter(pk=organization_id).exists()


def personal_organization(user: User) -> Organization:
    """The organization of `user` alone, made on sign-up: it walls consumers from each other in the database."""
    name = user.name or user.email.partition("@")[0]
    return found_under_free_slug(name=name[:120], owner=user, personal=True)


def member_of(user: User) -> list[Membership]:
    """All memberships of `user` in the tenant that stands, oldest first, with their organizations."""
    with walls.whole_tenant():
        return list(Membership.objects.filter(user=user).select_related("organization").order_by("id"))


def save_with_slug(organization: Organization, **options: Any) -> None:
    """Save, letting the unique constraint decide: other organizations' rows cannot be looked up. Raises SlugTaken."""
    try:
        with transaction.atomic():
            organization.save(**options)
    except IntegrityError:
        raise SlugTaken(
            f"The slug {show(organization.slug)} is taken in this tenant; choose another."
        ) from None


def slug_from(name: str, *, unique: bool = False) -> str:
    """A slug made from `name`, with six random characters when `unique`, or when the plain one would not do."""
    stem = slugify(name).replace("_", "-").strip("-")[:_LONGEST_STEM].rstrip("-")
    stem = "-".join(part for part in stem.split("-") if part)
    if not unique and len(stem) > 1 and stem not in RESERVED_SLUGS and not stem.startswith("pg-"):
        return stem
    tail = "".join(choice(_LETTERS) for _ in range(6))
    return f"{stem}-{tail}" if stem and not stem.startswith("pg-") else f"org-{tail}"
