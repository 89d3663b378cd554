"""One call as it comes through the door: its host, its credential, and what its answer has to say about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings
from django.db import Error
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase

from apps.apikeys import cors, resolver
from apps.apikeys.errors import PublishableKeyNeeded
from apps.apikeys.lookup import Found, TenantRow, find_host, knows_origin
from apps.apikeys.network import allows_origin, client_address
from apps.core.actor import Actor, Call, Edge, TenantRef
from apps.core.local_api import EDGE_KEY
from apps.core.problems import HostRefused, MalformedRequest, Problem, Unauthenticated, show
from apps.tenancy import ratelimit
from apps.tenancy.walls import enter

_USER_AGENT_LENGTH = 200


def host_of(request: HttpRequest) -> str:
    """The host of the call without its port, or '' for a host of the installation. Raises HostRefused for none."""
    sent = str(request.META.get("HTTP_HOST") or request.META.get("SERVER_NAME") or "")
    host = split_domain_port(sent)[0]
    if not host:
        raise HostRefused(f"{show(sent)} is no host.")
    return "" if host in settings.PACKMULE_HOSTS else host


def call_of(request: HttpRequest, edge: Edge) -> Call:
    """The outer circumstances of `request`; a command's call, which comes through the same stack, says so itself."""
    meta = request.META
    agent = str(meta.get("HTTP_USER_AGENT") or "")[:_USER_AGENT_LENGTH].replace("\0", "")
    edge = Edge(meta.get(EDGE_KEY, edge))
    return Call(getattr(request, "request_id", ""), edge, client_address(meta), agent)


@dataclass(slots=True)
class Visit:
    """What is known of an API call so far; filled step by step, so that a refusal says all that was known by then."""

    request: HttpRequest
    host: str = ""
    host_tenant: UUID | None = None
    origin: str = ""
    found: Found | None = None
    presented: resolver.Presented | None = None
    target: TenantRow | None = None
    actor: Actor | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def arrive(self) -> None:
        """Read host, origin and credential, and find out where the call may act. Raises a Problem."""
        self.host = host_of(self.request)
        self.origin = cors.origin_of(self.request)
        text, in_public = _credential(self.request)
        if not text or cors.is_preflight(self.request):
            self._come_unknown()
        else:
            self._show(text, in_public=in_public)

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Find the actor, and stand where it acts; without a credential, stand outside of all walls, as nobody.

        Where the actor acts behind the wall of its own key, that wall stays: a change of walls is a round trip.
        """
        if self.found is None or self.presented is None or self.target is None:
            yield
            return
        with resolver.key_wall(self.found):
            self.actor = actor = resolver.identify_here(self.found, self.target, self.presented)
            if not actor.is_away and resolver.within(actor) == self.found.organization_id:
                yield
                return
        with enter(actor.tenant, resolver.within(actor)):
            yield

    @property
    def tenant(self) -> TenantRef | None:
        """The tenant that is acted on, once it is known that the caller belongs there."""
        at_home = self.target is not None and self.found is not None and self.target is self.found.home
        return self.target.ref if self.target and (self.actor or at_home) else None

    def mark(self, response: HttpResponseBase) -> None:
        """Name the tenant and the limits in the answer, and let the website read it where it may."""
        for name, value in self.headers.items():
            response.headers.setdefault(name, value)
        if self.tenant is not None:
            response.headers["Packmule-Tenant"] = self.tenant.name
        if self.origin:
            cors.vary(response)
            if self._may_read():
                cors.allow(response, self.origin)

    def _come_unknown(self) -> None:
        if self.host:
            self.host_tenant = tenant_of_host(self.host).ref.id

    def _show(self, text: str, *, in_public: bool) -> None:
        meta = self.request.META
        self.presented = presented = resolver.Presented(
            text=text,
            call=call_of(self.request, Edge.API),
            host=self.host,
            environment=str(meta.get("HTTP_PACKMULE_ENVIRONMENT") or ""),
            organization=str(meta.get("HTTP_PACKMULE_ORGANIZATION") or ""),
            expect_tenant=str(meta.get("HTTP_PACKMULE_EXPECT_TENANT") or ""),
            origin=self.origin,
            in_public=in_public,
        )
        try:
            self.found = resolver.find(presented)
        except Unauthenticated:
            self._count_failure(presented.call)
            self._come_unknown()
            raise
        if self.host and self.found.host_tenant_id is None:
            raise unknown_host(self.host)
        try:
            self.target = resolver.admit(self.found, presented)
        finally:
            # Refused calls count too, or asking for what one may not have would cost nothing.
            self._count(self.found, presented.call)

    def _count(self, found: Found, call: Call) -> None:
        # Everybody who visits a website shares its publishable key, so each address gets a limit of its own.
        caller = f"{found.id}:{call.ip}" if found.kind == "pk" else str(found.id)
        self.headers |= ratelimit.take(ratelimit.for_credential(), caller).headers

    def _count_failure(self, call: Call) -> None:
        self.headers |= ratelimit.take(ratelimit.for_failures(), call.ip or "unknown").headers

    def _may_read(self) -> bool:
        """Say whether a page of the origin may read the answer: by the key that was shown, else by any key's list."""
        if self.found is not None:
            return self.found.kind == "pk" and allows_origin(self.found.allowed_origins, self.origin)
        try:
            return knows_origin(self.origin, self.host_tenant)
        except Error:
            return False


def tenant_of_host(host: str) -> TenantRow:
    """The tenant that `host` belongs to. Raises HostRefused when there is none."""
    tenant = find_host(host)
    if tenant is None:
        raise unknown_host(host)
    return tenant


def unknown_host(host: str) -> Problem:
    """The refusal of a host that belongs to no tenant."""
    return HostRefused(f"No tenant here has the host {show(host)}. {HostRefused.advice}")


def _credential(request: HttpRequest) -> tuple[str, bool]:
    """The key that came, '' without one, and whether it came as Packmule-Key. Raises for two, and for other schemes."""
    secret, public = request.META.get("HTTP_AUTHORIZATION"), request.META.get("HTTP_PACKMULE_KEY")
    if secret is None:
        if public == "":
            raise PublishableKeyNeeded
        return str(public or ""), True
    if public is not None:
        raise MalformedRequest("Send one credential: Authorization or Packmule-Key, not both.")
    scheme, _, text = str(secret).partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Unauthenticated(
            "Authorization takes a key like this: Bearer pmk_…", code="credential_malformed"
        )
    return text.strip(), False
