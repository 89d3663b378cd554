"""Within which organization a credential acts, and with which rights there."""

from __future__ import annotations

from uuid import UUID

import orjson

from apps.apikeys import errors
from apps.apikeys.lookup import Found, TenantRow
from apps.apikeys.people import Seat, choose_seat, read_permissions, read_seats, strongest
from apps.apikeys.principals import PrincipalRow, principal_kind
from apps.core.actor import OrganizationRef, PrincipalKind
from apps.core.ids import decode, encode
from apps.core.problems import MalformedRequest, missing, show
from apps.core.scopes import Scopes
from apps.orgs.models import Organization
from apps.tenancy.walls import enter


def seat_of(
    found: Found, row: PrincipalRow, wanted: UUID | None, *, away: bool, anywhere: bool
) -> Seat | None:
    """The organization at home within which the key acts, with the role there; None across organizations or in none."""
    if principal_kind(found, row) is PrincipalKind.USER:
        return _seat_of_person(found, row, wanted, away=away, anywhere=anywhere)
    if found.organization_id is None:
        if wanted is None or away:
            return None
        if found.kind == "pk":
            raise missing("organization", encode("org", wanted))
        return Seat(_organization(wanted), row.role)
    if not away and wanted is not None and wanted != found.organization_id:
        raise missing("organization", encode("org", wanted))
    permissions = read_permissions(orjson.loads(row.permissions or "null"))
    return Seat(OrganizationRef(found.organization_id, str(row.slug)), row.role, permissions)


def _seat_of_person(
    found: Found, row: PrincipalRow, wanted: UUID | None, *, away: bool, anywhere: bool
) -> Seat | None:
    """A person's seat: in the organization that their key is bound to, or in one of theirs."""
    seats = read_seats(orjson.loads(row.role))
    if found.organization_id is not None and not seats:
        raise errors.NotAMember(f"{show(row.principal_name)} is no member of {row.slug} any more.")
    if away:
        return next((seat for seat in seats if seat.organization.id == wanted), None)
    return choose_seat(seats, wanted, anywhere=anywhere)


def rights(row: PrincipalRow, kind: PrincipalKind, seat: Seat | None) -> tuple[str, Scopes | None]:
    """The role within which the credential acts, and what it allows where it is a custom one."""
    if seat is not None:
        return seat.role, seat.permissions
    if kind is not PrincipalKind.USER:
        return row.role, None
    return strongest(read_seats(orjson.loads(row.role)))


def guessed(row: PrincipalRow, wanted: UUID | None) -> UUID | None:
    """The organization `wanted`, or the person's first where that is not theirs (any more)."""
    seats = [seat.organization.id for seat in read_seats(orjson.loads(row.role))]
    return wanted if wanted in seats else next(iter(seats), None)


def named_organization(text: str) -> UUID | None:
    """The id in Packmule-Organization; None without one. Raises MalformedRequest."""
    try:
        return decode(text, "org") if text else None
    except ValueError as error:
        raise MalformedRequest(
            f"Packmule-Organization {show(text)} is no id of an organization: {error}."
        ) from None


def organization_of(target: TenantRow, wanted: UUID | None) -> OrganizationRef | None:
    """The organization `wanted` of another tenant than the credential's home. Raises NotFound."""
    if wanted is None:
        return None
    with enter(target.ref):
        return _organization(wanted)


def _organization(wanted: UUID) -> OrganizationRef:
    slug = Organization.objects.filter(pk=wanted).values_list("slug", flat=True).first()
    if slug is None:
        raise missing("organization", encode("org", wanted))
    return OrganizationRef(wanted, slug)
