"""Where a call comes from: the client's address, and the website whose script sent it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from apps.core.addresses import client_address, is_in, read_address, read_networks

__all__ = [
    "ANY_ORIGIN",
    "allows_origin",
    "client_address",
    "is_allowed",
    "lies_within",
    "read_network",
    "read_origin",
]

_ORIGIN = re.compile(
    r"(?:https?|[a-z][a-z0-9+.-]{1,30})://(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
ANY_ORIGIN = "*"


def is_allowed(address: str | None, networks: Sequence[str]) -> bool:
    """True when `address` lies in one of `networks` (CIDR texts), or when there are none. No address fits none."""
    if not networks:
        return True
    found = read_address(address or "")
    return found is not None and is_in(found, read_networks(tuple(networks)))


def lies_within(network: str, networks: Sequence[str]) -> bool:
    """True when all of `network` lies in one of `networks` (CIDR texts)."""
    (inner,) = read_networks((network,))
    ends = (inner.network_address, inner.broadcast_address)
    return any(all(is_in(end, [outer]) for end in ends) for outer in read_networks(tuple(networks)))


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
