"""A person's places in organizations: within which one they act."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from apps.accounts.models import User
from apps.apikeys.errors import OrganizationRequired
from apps.core.actor import Actor, Call, Credential, OrganizationRef, TenantRef
from apps.core.ids import encode
from apps.core.problems import missing
from apps.core.scopes import Scopes
from apps.orgs.models import Membership
from apps.tenancy.walls import enter


@dataclass(frozen=True, slots=True)
class Seat:
    """One membership: the organization, and the role there."""

    organization: OrganizationRef
    role: str


def read_seats(stored: Iterable[Mapping[str, str]]) -> list[Seat]:
    """Memberships as the key's own statement brings them along: `{"id", "slug", "role"}`."""
    return [Seat(OrganizationRef(UUID(one["id"]), one["slug"]), one["role"]) for one in stored]


def seats_of(user_id: UUID) -> list[Seat]:
    """The person's memberships, the oldest first. Needs the tenant's own role: an organization's sees only its own."""
    rows = Membership.objects.filter(user_id=user_id).order_by("created_at", "id")
    found = rows.values_list("organization_id", "organization__slug", "role")
    return [Seat(OrganizationRef(identity, slug), role) for identity, slug, role in found]


def choose_seat(seats: Sequence[Seat], wanted: UUID | None) -> Seat | None:
    """The seat in the organization `wanted`, or the only one; None for who has none.

    Raises NotFound when there is no seat in `wanted`, OrganizationRequired when none is wanted and there are several.
    """
    if wanted is not None:
        chosen = next((seat for seat in seats if seat.organization.id == wanted), None)
        if chosen is None:
            raise missing("organization", encode("org", wanted))
        return chosen
    if len(seats) > 1:
        raise _organization_required(seats)
    return seats[0] if seats else None


def resolve_session(
    user: User, tenant: TenantRef, chosen_organization: UUID | None, call: Call, *, guess: bool = False
) -> Actor:
    """The actor of a person who signed in to `tenant` with a session. They act within an organization, or within none.

    `guess` takes the first organization where several are possible, or the chosen one is theirs no more (the admin,
    which shows and switches it). Raises as `choose_seat` does. Two walls, one query.
    """
    with enter(tenant):
        seats = seats_of(user.id)
    if guess and chosen_organization not in {seat.organization.id for seat in seats}:
        chosen_organization = seats[0].organization.id if seats else None
    seat = choose_seat(seats, chosen_organization)
    return Actor(
        principal=user.ref,
        home=tenant,
        tenant=tenant,
        credential=Credential(None, "session", Scopes.everything()),
        call=call,
        role=seat.role if seat else "none",
        organization=seat.organization if seat else None,
        is_operator=user.is_operator and tenant.kind == "console",
    )


def _organization_required(seats: Sequence[Seat]) -> OrganizationRequired:
    choices = [
        {"id": encode("org", seat.organization.id), "slug": seat.organization.slug, "role": seat.role}
        for seat in seats
    ]
    named = ", ".join(f"{choice['slug']} ({choice['id']})" for choice in choices)
    return OrganizationRequired(
        f"You are a member of several organizations: {named}. Send one's id as Packmule-Organization.",
        extra={"organizations": choices},
    )
