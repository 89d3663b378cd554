"""Holding the port that the web server is going to listen on, and the addresses that follow from it."""

import errno
import http.client
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from apps.tenancy.startup.errors import BAD_USAGE, CONFLICT, CannotStart


@dataclass(frozen=True)
class Address:
    """Where the web server listens: an IP address and a port."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL of the API for a client on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def answers(self, path: str) -> bool:
        """Whether a GET of `path` is answered with 200 now."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@contextmanager
def held(host: str, port: int, *, patience: float, option: str = "--port") -> Iterator[Address]:
    """Hold `port` (0: a free one) of `host` while the block runs, so that nobody else gets it; the web
    server may.

    A port in use is tried again for `patience` seconds. Raises CannotStart, which names the `option` by which another
    one is chosen.
    """
    family, address = _resolve(host, port)
    limit = time.monotonic() + patience
    while True:
        holder = socket.socket(family, socket.SOCK_STREAM)
        try:
            _bind(holder, address)
            break
        except OSError as problem:
            holder.close()
            if problem.errno != errno.EADDRINUSE or time.monotonic() > limit:
                raise _refusal(problem, host, port, option) from None
            time.sleep(0.1)
    try:
        yield Address(address[0], holder.getsockname()[1])
    finally:
        holder.close()


def _bind(holder: socket.socket, address: tuple[str, int]) -> None:
    """Bind without listening: alone at first, then shared with the web server's sockets, which ask for it.

    A bound socket that does not listen gets no connections.
    """
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(address)
    if sys.platform == "linux":
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    try:
        family, _, _, _, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, OverflowError):
        raise CannotStart(f"--host {host} is no address of this machine.", BAD_USAGE) from None
    return family, (str(found[0]), port)


def _refusal(problem: OSError, host: str, port: int, option: str) -> CannotStart:
    if problem.errno == errno.EADDRINUSE:
        make = "; make up PORT=8421" if option == "--port" else ""
        return CannotStart(
            f"Port {port} on {host} is in use by another program. "
            f"Choose another with {option} (0 takes any free one{make}).",
            CONFLICT,
        )
    if problem.errno == errno.EACCES:
        return CannotStart(
            f"This account may not listen on port {port}: choose one above 1023 with {option}."
        )
    reason = os.strerror(problem.errno or errno.EIO)
    return CannotStart(f"Cannot listen on {host}, port {port}: {reason}.", BAD_USAGE)
