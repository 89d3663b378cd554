"""What a token is good for (RFC 8707): the API of one tenant, or only to ask who somebody is.

A tenant's API is reached under several addresses: its hosts, and the installation's own, which belongs to no tenant. A
token's row holds one name for it that has the tenant's id in it, whatever address was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port

from apps.accounts.oauth import scopes
from apps.core.ids import encode
from apps.tenancy.walls import current_kind, current_tenant

API_PATH = "/v1"
_PATHS = ("", "/", API_PATH, f"{API_PATH}/")


def api_of(tenant_id: UUID) -> str:
    """The name of a tenant's API in the rows of its tokens."""
    return f"urn:packmule:api:{encode('ten', tenant_id)}"


def identity_of(tenant_id: UUID) -> str:
    """The name of what only tells who somebody is."""
    return f"urn:packmule:identity:{encode('ten', tenant_id)}"


def of_scopes(texts: Iterable[str]) -> list[str]:
    """What a token of the standing tenant with these scopes is good for."""
    tenant_id = current_tenant().id
    return [api_of(tenant_id) if scopes.ours(texts) else identity_of(tenant_id)]


def issuer(request: HttpRequest) -> str:
    """The address of the tenant that the call reached: the host's, under the scheme and port people use."""
    host, port = split_domain_port(request.get_host())
    public = settings.PACKMULE_PUBLIC_URL
    if not public:
        return f"{request.scheme}://{request.get_host()}"
    known = urlsplit(public)
    scheme, port = known.scheme, str(known.port or "")
    return f"{scheme}://{host}{':' if port else ''}{port}"


def api_url(request: HttpRequest) -> str:
    """The address of the API at the host that the call reached: the protected resource, by its name outside."""
    return issuer(request) + API_PATH


def resource_metadata(request: HttpRequest) -> str:
    """Where the API at the host that was called says who gives tokens for it (RFC 9728)."""
    return f"{issuer(request)}/.well-known/oauth-protected-resource{API_PATH}"


def is_own_api(request: HttpRequest, uri: str) -> bool:
    """True when `uri` is the API of the tenant that the call reached, by any of its names."""
    if uri == api_of(current_tenant().id):
        return True
    try:
        named, own = urlsplit(uri), urlsplit(issuer(request))
        same_port = (named.scheme, named.port) == (own.scheme, own.port)
    except ValueError:
        return False
    plain = not (named.query or named.fragment or named.username or named.password)
    return (
        plain
        and same_port
        and named.path in _PATHS
        and _is_own_host(named.hostname or "", own.hostname or "")
    )


def _is_own_host(named: str, own: str) -> bool:
    """The host that was called; the installation's own hosts are the console's, all of them."""
    if named == own:
        return True
    hosts = {host.strip("[]") for host in settings.PACKMULE_HOSTS}
    return current_kind() == "console" and {named, own} <= hosts
