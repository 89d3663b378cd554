"""Letting the holder of a ticket in: the tenant is still there, and the host is none of another one."""

from __future__ import annotations

from django.http.request import split_domain_port

from apps.tenancy.models import Domain, Tenant
from apps.tenancy.streaming.errors import StreamTicketInvalid
from apps.tenancy.streaming.sources import Subject
from apps.tenancy.streaming.tickets import Ticket


def admitted(ticket: Ticket, host: str) -> Subject:
    """What `ticket` lets its holder watch, who called `host`. Raises StreamTicketInvalid."""
    tenant = Tenant.objects.active().filter(pk=ticket.tenant_id).first()
    if tenant is None:
        raise StreamTicketInvalid("The tenant of this ticket is not there any more.")
    theirs = Domain.objects.filter(domain=split_domain_port(host)[0]).exclude(tenant=tenant)
    if theirs.exists():
        raise StreamTicketInvalid(
            f"This host is not that of the ticket's tenant. {StreamTicketInvalid.advice}"
        )
    return Subject(tenant.ref, ticket.organization_id, ticket.subject)
