"""Addresses of the network: what a name stands for, and which of it lies on the public internet."""

from __future__ import annotations

import queue
import socket
import threading
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from apps.core.addresses import is_local_name

IPAddress = IPv4Address | IPv6Address

_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
#: Where IPv6 addresses of the public internet are given out; all others stand for something else.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
#: What `is_global` does not tell in every version of Python: what carries IPv4, documentation, benchmarks, relays.
_NEVER = tuple(
    ip_network(text)
    for text in (
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
        "0.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip


class NameUnknown(OSError):  # noqa: N818 - said as a sentence
    """A name that stands for no address, or whose name server did not answer in time."""


def is_loopback(address: IPAddress) -> bool:
    """True for this machine itself, also where IPv4 is written as IPv6."""
    return _unmapped(address).is_loopback


def is_public(address: IPAddress) -> bool:
    """True for an address of the public internet.

    What leads anywhere else is not: private, link-local (so the metadata services of clouds), shared (100.64/10),
    reserved, multicast, documentation, and IPv6 that carries an IPv4 address (mapped, NAT64, 6to4, Teredo).
    """
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not any(address in network for network in _NEVER)


def resolve(host: str, port: int, *, seconds: float) -> list[IPAddress]:
    """The addresses that `host` stands for, asked once. Raises NameUnknown.

    `localhost` and all names below it are this machine (RFC 6761), whatever a name server would say.
    """
    name = host.strip("[]").rstrip(".").lower()
    if is_local_name(name):
        return list(_LOOPBACK)
    try:
        return [ip_address(name)]
    except ValueError:
        return _asked(name, port, seconds)


def _unmapped(address: IPAddress) -> IPAddress:
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _asked(name: str, port: int, seconds: float) -> list[IPAddress]:
    """What the system's resolver says. It cannot be interrupted, so it is left alone when it takes too long."""
    answers: queue.Queue[list[IPAddress] | OSError] = queue.Queue(1)

    def ask() -> None:
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(ip_address(entry[4][0]) for entry in found)))
        except (OSError, UnicodeError, ValueError):
            answers.put(NameUnknown(f"{name} stands for no address."))

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=max(seconds, 0.01))
    except queue.Empty:
        raise NameUnknown(f"Nobody said in time which address {name} stands for.") from None
    if isinstance(answer, OSError):
        raise answer
    return answer
