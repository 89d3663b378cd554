"""Tickets: who holds one may open the stream that it names within a minute, once or several times.

A ticket is signed and says its tenant, the organization within which is looked, and what is watched.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings

from apps.core import clock, signed_tokens
from apps.core.actor import Actor
from apps.tenancy.streaming.errors import StreamTicketExpired, StreamTicketInvalid

PATH = "/streams/"
SECONDS = 60
_SALT = "packmule.streams.ticket"
#: The organization of whoever has none: no row is its.
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What its holder may watch: `subject` of `topic` in a tenant, until the second `expires`.

    `organization` is '' for who sees the whole tenant.
    """

    topic: str
    tenant: str
    organization: str
    subject: str
    expires: int

    @property
    def tenant_id(self) -> UUID:
        """The tenant in which it is good."""
        return UUID(self.tenant)

    @property
    def organization_id(self) -> UUID | None:
        """The organization within which is looked; None for the whole tenant."""
        return UUID(self.organization) if self.organization else None


@dataclass(frozen=True, slots=True)
class Issued:
    """A ticket as its holder gets it."""

    url: str
    expires_at: datetime


def issue(actor: Actor, topic: str, subject: str = "") -> Issued:
    """A URL by which `actor` may watch `subject` of `topic`, where it acts. Whether it may is decided before."""
    until = clock.now() + timedelta(seconds=SECONDS)
    ticket = Ticket(topic, str(actor.tenant.id), _organization(actor), subject, int(until.timestamp()))
    url = f"{base_url()}{PATH}{write(ticket)}"
    return Issued(url, datetime.fromtimestamp(ticket.expires, UTC))


def base_url() -> str:
    """Where streams are reached: PACKMULE_STREAM_URL, else PACKMULE_PUBLIC_URL, else the port that is served here."""
    public = settings.PACKMULE_STREAM_URL or settings.PACKMULE_PUBLIC_URL
    return str(public or f"http://127.0.0.1:{settings.PACKMULE_STREAM_PORT}")


def write(ticket: Ticket) -> str:
    """`ticket` as it stands in a URL."""
    return signed_tokens.signed(_SALT, astuple(ticket))


def read(token: str) -> Ticket:
    """What `token` allows. Raises StreamTicketInvalid unless it was made here, and StreamTicketExpired."""
    found = signed_tokens.opened(_SALT, token)
    try:
        ticket = Ticket(*(found or ()))
    except TypeError:  # none of ours, or of a release that said other things
        said = "It was not signed by this installation, or was altered."
        raise StreamTicketInvalid(f"{said} {StreamTicketInvalid.advice}") from None
    if ticket.expires < clock.now().timestamp():
        ended = datetime.fromtimestamp(ticket.expires, UTC)
        raise StreamTicketExpired(f"It was good until {ended:%H:%M:%S} UTC. {StreamTicketExpired.advice}")
    return ticket


def _organization(actor: Actor) -> str:
    if actor.organization is not None:
        return str(actor.organization.id)
    return "" if actor.is_tenant_wide else str(_NOBODY)
