"""One call as it comes through the door: its host, its credential, and what its answer has to say about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from uuid import UUID

from django.conf import settings
from django.db import Error
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase

from apps.accounts.oauth import audiences
from apps.apikeys import cors, resolver
from apps.apikeys.errors import CookiesNeedOwnHost, OrganizationRequired, PublishableKeyNeeded, TenantUnnamed
from apps.apikeys.lookup import Found, TenantRow, find_console, find_host, knows_origin, standing_outside
from apps.apikeys.network import allows_origin, client_address
from apps.core.actor import Actor, Call, Edge, TenantRef, anybody
from apps.core.dispatch import is_open, works_anywhere
from apps.core.local_api import EDGE_KEY
from apps.core.problems import HostRefused, MalformedRequest, Problem, Unauthenticated, show
from apps.tenancy import ratelimit
from apps.tenancy.walls import NO_ORGANIZATION, enter

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
    host_row: TenantRow | None = None
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
        text, session, in_public = _credential(self.request)
        if cors.is_preflight(self.request) or not (text or session):
            self._come_unknown()
            self._come_openly()
        else:
            self._show(text, session, in_public=in_public)

    def arrive_at_sign_in(self, *, cookies: bool = False) -> TenantRow:
        """Read host, origin and publishable key of a call that signs somebody in, and say to which tenant.

        The session token is the sign-in's own to read. Raises a Problem: TenantUnnamed when nothing names a tenant,
        CookiesNeedOwnHost for a call by `cookies` to a host that all tenants share.
        """
        self.host = host_of(self.request)
        if cookies and not self.host:
            raise CookiesNeedOwnHost
        self.origin = cors.origin_of(self.request)
        text = str(self.request.META.get("HTTP_PACKMULE_KEY") or "")
        if text and not cors.is_preflight(self.request):
            self._show(text, "", in_public=True)
        else:
            self._come_unknown()
        home = self.found.home if self.found is not None else self.host_row
        if home is None:
            raise TenantUnnamed
        resolver.require_current(home)
        return home

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Find the actor, and stand where it acts; without a credential, stand outside of all walls, as nobody.

        Operations that take no credential are done by anybody, who sees nothing of the tenant. Where the actor acts
        behind the wall of its own key, that wall stays: a change of walls is a round trip.
        """
        if self.found is None or self.presented is None or self.target is None:
            with nullcontext() if self.actor is None else enter(self.actor.tenant, NO_ORGANIZATION):
                yield
            return
        with resolver.key_wall(self.found):
            self.actor = actor = self._identified(self.found, self.target, self.presented)
            if not actor.is_away and resolver.within(actor) == self.found.organization_id:
                yield
                return
        with enter(actor.tenant, resolver.within(actor)):
            yield

    @property
    def tenant(self) -> TenantRef | None:
        """The tenant that is acted on, once it is known that the caller belongs there."""
        found = self.found
        at_home = found is not None and found.is_key and self.target is found.home
        return self.target.ref if self.target and (self.actor or at_home) else None

    def mark(self, response: HttpResponseBase) -> None:
        """Name the tenant and the limits in the answer, and let the website read it where it may."""
        for name, value in self.headers.items():
            response.headers.setdefault(name, value)
        if challenge := response.headers.get("WWW-Authenticate"):
            where = audiences.resource_metadata(self.request)
            response.headers["WWW-Authenticate"] = f'{challenge}, resource_metadata="{where}"'
        if self.tenant is not None:
            response.headers["Packmule-Tenant"] = self.tenant.name
        if self.origin:
            cors.vary(response)
            if self._may_read():
                cors.allow(response, self.origin)

    @property
    def named_origin(self) -> str:
        """The website that calls, where the publishable key names that very origin; '' otherwise."""
        named = self.found is not None and self.origin in self.found.allowed_origins
        return self.origin if named else ""

    @property
    def host_tenant(self) -> UUID | None:
        """The id of the tenant whose host was called, where that is all that is known."""
        return self.host_row.ref.id if self.host_row is not None else None

    def _come_unknown(self) -> None:
        if self.host:
            self.host_row = tenant_of_host(self.host)

    def _come_openly(self) -> None:
        """Let anybody make a call that takes no credential; its address bears the count."""
        if cors.is_preflight(self.request) or not is_open(self.request):
            return
        here = self.host_row or find_console()
        if here is not None:
            call = call_of(self.request, Edge.API)
            self._count_failure(call)
            resolver.require_current(here)
            self.actor = anybody(here.ref, call)

    def _identified(self, found: Found, target: TenantRow, presented: resolver.Presented) -> Actor:
        """Find the actor; a session or token that is none counts as a failure, which is known only now."""
        if found.is_key:
            return self._placed(found, target, presented)
        try:
            actor = self._placed(found, target, presented)
        except Unauthenticated:
            with standing_outside():
                self._count_failure(presented.call)
            raise
        with standing_outside():
            self._count(found, presented.call)
        return actor

    def _placed(self, found: Found, target: TenantRow, presented: resolver.Presented) -> Actor:
        """Find the actor. A person of several organizations need not name one where the operation touches none."""
        try:
            return resolver.identify_here(found, target, presented)
        except OrganizationRequired:
            if not works_anywhere(self.request):
                raise
            return resolver.identify_here(found, target, replace(presented, anywhere=True))

    def _show(self, text: str, session: str, *, in_public: bool) -> None:
        meta = self.request.META
        self.presented = presented = resolver.Presented(
            text=text,
            call=call_of(self.request, Edge.API),
            host=self.host,
            environment=str(meta.get("HTTP_PACKMULE_ENVIRONMENT") or ""),
            organization=str(meta.get("HTTP_PACKMULE_ORGANIZATION") or ""),
            on_behalf_of=str(meta.get("HTTP_PACKMULE_ON_BEHALF_OF") or ""),
            expect_tenant=str(meta.get("HTTP_PACKMULE_EXPECT_TENANT") or ""),
            origin=self.origin,
            in_public=in_public,
            session=session,
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
            # Refused calls count too, or asking for what one may not have would cost nothing. Sessions and tokens
            # count once it is known that there is one (`_identified`).
            if self.found.is_key:
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
            in_public = self.found.in_public or self.found.kind == "pk"
            return in_public and allows_origin(self.found.allowed_origins, self.origin)
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


def _credential(request: HttpRequest) -> tuple[str, str, bool]:
    """The key and the session token that came, '' for none, and whether the key came as Packmule-Key.

    Raises for two credentials (a publishable key beside a session token only names the tenant), and other schemes.
    """
    meta = request.META
    secret, public = meta.get("HTTP_AUTHORIZATION"), meta.get("HTTP_PACKMULE_KEY")
    session = str(meta.get("HTTP_X_SESSION_TOKEN") or "")
    if secret is None:
        if public == "":
            raise PublishableKeyNeeded
        return str(public or ""), session, True
    if public is not None or session:
        raise MalformedRequest(
            "Send one credential: Authorization, or Packmule-Key with or without X-Session-Token."
        )
    scheme, _, text = str(secret).partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Unauthenticated(
            "Authorization takes a key like this: Bearer pmk_…", code="credential_malformed"
        )
    return text.strip(), "", False
