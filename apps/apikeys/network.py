"""Where a call comes from: the client's address, and the website whose script sent it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.conf import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_ORIGIN = re.compile(
    r"(?:https?|[a-z][a-z0-9+.-]{1,30})://(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
ANY_ORIGIN = "*"


def client_address(meta: Mapping[str, Any]) -> str | None:
    """The client's address out of a WSGI environment, or None when the server does not say (a Unix socket).

    X-Forwarded-For is believed only as far as PACKMULE_TRUSTED_PROXIES (addresses or networks) wrote it: from the
    right, the first hop that is no trusted proxy is the client.
    """
    address = _address(str(meta.get("REMOTE_ADDR") or ""))
    trusted = _networks(tuple(settings.PACKMULE_TRUSTED_PROXIES))
    hops = str(meta.get("HTTP_X_FORWARDED_FOR") or "").split(",") if trusted else []
    while hops and address is not None and _is_in(address, trusted):
        hop = _address(hops.pop().strip())
        if hop is None:
            break
        address = hop
    return None if address is None else str(address)


def is_allowed(address: str | None, networks: Sequence[str]) -> bool:
    """True when `address` lies in one of `networks` (CIDR texts), or when there are none. No address fits none."""
    if not networks:
        return True
    found = _address(address or "")
    return found is not None and _is_in(found, _networks(tuple(networks)))


def lies_within(network: str, networks: Sequence[str]) -> bool:
    """True when all of `network` lies in one of `networks` (CIDR texts)."""
    (inner,) = _networks((network,))
    ends = (inner.network_address, inner.broadcast_address)
    return any(all(_is_in(end, [outer]) for end in ends) for outer in _networks(tuple(networks)))


def read_network(text: str) -> str:
    """`text` as the network it names, `10.0.0.7` as `10.0.0.7/32`. Raises ValueError, also when host bits are set."""
    return str(ip_network(text.strip(), strict=True))


def read_origin(text: str) -> str:
    """`text` as browsers send that origin: `scheme://host[:port]` in lower case, without the scheme's own port.

    Raises ValueError for anything else: a path, a user, a wildcard inside.
    """
    found = _ORIGIN.fullmatch(text.strip().lower())
    if found is None or int(found[1] or "1") not in range(1, 65536):
        raise ValueError("not an origin")
    scheme = found[0].partition(":")[0]
    port = _DEFAULT_PORTS.get(scheme)
    return found[0].removesuffix(f":{port}") if found[1] else found[0]


def allows_origin(allowed: Iterable[str], origin: str) -> bool:
    """True when a key with these allowed origins may be used by a page of `origin`."""
    return any(one in (origin, ANY_ORIGIN) for one in allowed)


def _address(text: str) -> Address | None:
    """The address in `text`, a port behind it cut off; an IPv4 address in IPv6's clothes is the IPv4 one."""
    host = re.sub(r"^\[(.*)\](?::\d+)?$|^([0-9.]+):\d+$", r"\1\2", text)
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


@lru_cache(maxsize=1024)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(text, strict=False) for text in texts)
