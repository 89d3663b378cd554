"""Network addresses: where a call comes from, which networks it lies in, and which are this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.conf import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def client_address(meta: Mapping[str, Any]) -> str | None:
    """The client's address out of a WSGI environment, or None when the server does not say (a Unix socket).

    PACKMULE_ADDRESS_HEADER is believed only as far as PACKMULE_TRUSTED_PROXIES (addresses or networks) wrote it: from
    the right, the first hop that is no trusted proxy is the client.
    """
    address = read_address(str(meta.get("REMOTE_ADDR") or ""))
    trusted = read_networks(tuple(settings.PACKMULE_TRUSTED_PROXIES))
    name = "HTTP_" + settings.PACKMULE_ADDRESS_HEADER.upper().replace("-", "_")
    hops = str(meta.get(name) or "").split(",") if trusted else []
    while hops and address is not None and is_in(address, trusted):
        hop = read_address(hops.pop().strip())
        if hop is None:
            break
        address = hop
    return None if address is None else str(address)


def read_address(text: str) -> Address | None:
    """The address in `text`, a port behind it cut off; an IPv4 address in IPv6's clothes is the IPv4 one."""
    host = re.sub(r"^\[(.*)\](?::\d+)?$|^([0-9.]+):\d+$", r"\1\2", text)
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_local_name(host: str) -> bool:
    """True for `localhost` and all names below it, which are this machine whatever a name server says (RFC 6761)."""
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")


def is_this_machine(host: str) -> bool:
    """True for names and addresses that lead back to this machine. `host` comes out of a URL, without brackets."""
    address = read_address(host)
    return is_local_name(host) if address is None else address.is_loopback


def is_in(address: Address, known: Iterable[Network]) -> bool:
    """True when `address` lies in one of the networks `known`."""
    return any(address.version == network.version and address in network for network in known)


@lru_cache(maxsize=1024)
def read_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """The networks that `texts` (addresses, or CIDR) name. Raises ValueError for a text that names none."""
    return tuple(ip_network(text, strict=False) for text in texts)
