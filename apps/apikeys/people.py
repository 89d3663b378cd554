"""A person's places in organizations: within which one they act."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.accounts.roles import ROLES
from apps.apikeys.errors import OrganizationRequired
from apps.core.actor import OrganizationRef
from apps.core.ids import encode
from apps.core.problems import missing
from apps.core.scopes import Scopes


@dataclass(frozen=True, slots=True)
class Seat:
    """One membership: the organization, the role there, and what it allows where it is a custom one."""

    organization: OrganizationRef
    role: str
    permissions: Scopes | None = None


def read_seats(stored: Iterable[Mapping[str, Any]]) -> list[Seat]:
    """Memberships as the key's own statement brings them along: `{"id", "slug", "role", "permissions"}`."""
    return [
        Seat(OrganizationRef(UUID(one["id"]), one["slug"]), one["role"], read_permissions(one["permissions"]))
        for one in stored
    ]


def read_permissions(stored: Sequence[str] | None) -> Scopes | None:
    """What a custom role allows, as it is stored; None for a built-in role."""
    return None if stored is None else Scopes.parse(stored)


def strongest(seats: Sequence[Seat]) -> tuple[str, Scopes | None]:
    """The role, and what it allows, that bounds a person in several organizations who named none of them.

    They reach operations alone that touch no organization's things, such as founding another one.
    """
    known = [(ROLES.get(seat.role, ROLES["none"]).rank, seat) for seat in seats]
    rank, seat = max(known, key=lambda one: one[0], default=(0, None))
    return (seat.role, seat.permissions) if rank and seat is not None else ("none", None)


def choose_seat(seats: Sequence[Seat], wanted: UUID | None, *, anywhere: bool = False) -> Seat | None:
    """The seat in the organization `wanted`, or the only one; None for who has none.

    Raises NotFound when there is no seat in `wanted`, OrganizationRequired when none is wanted and there are several,
    unless the operation works `anywhere`: then it is None too.
    """
    if wanted is not None:
        chosen = next((seat for seat in seats if seat.organization.id == wanted), None)
        if chosen is None:
            raise missing("organization", encode("org", wanted))
        return chosen
    if len(seats) > 1:
        if anywhere:
            return None
        raise _organization_required(seats)
    return seats[0] if seats else None


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
