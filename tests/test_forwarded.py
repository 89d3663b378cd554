"""What a proxy says about where a call comes from, over a real socket and the real server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings

from tests.standins.smtp import free_port

pytestmark = pytest.mark.slow

PROXYS, CLIENTS = "203.0.113.9", "10.0.0.1"


@contextmanager
def served(header: str) -> Iterator[int]:
    """The port of a server that is told the client's address in `header`, by a proxy on this machine."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port)]
    server = subprocess.Popen(
        [*command, "tests.standins.told:application"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"PACKMULE_ADDRESS_HEADER": header, "PYTHONPATH": str(settings.BASE_DIR)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not come up")


def told(port: int, *headers: tuple[str, str]) -> str:
    """The address that the server takes a call with these headers to come from."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(f"GET / HTTP/1.1\r\nHost: here\r\n{lines}Connection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
    return answer.decode().partition("\r\n\r\n")[2]


def test_a_name_without_a_dash_has_no_double() -> None:
    """What the proxy says counts, wherever the client put names that look like it, and the same name once more."""
    spellings = ["Client_address", "Client-Address", "X_Forwarded_For", "X-Forwarded-For", "_Clientaddress"]
    with served("Clientaddress") as port:
        assert told(port, ("Clientaddress", PROXYS)) == PROXYS
        for name in spellings:
            assert told(port, (name, CLIENTS), ("Clientaddress", PROXYS)) == PROXYS
            assert told(port, ("Clientaddress", PROXYS), (name, CLIENTS)) == PROXYS
            assert told(port, (name, CLIENTS)) == "127.0.0.1"
        assert told(port, ("clientAddress", CLIENTS), ("Clientaddress", PROXYS)) == PROXYS


def test_a_name_with_dashes_has_one_that_the_proxy_must_drop() -> None:
    """Why the manual says so: the server shows both under one name, and nothing tells them apart."""
    with served("X-Forwarded-For") as port:
        assert told(port, ("X-Forwarded-For", f"{CLIENTS}, {PROXYS}")) == PROXYS
        assert told(port, ("X-Forwarded-For", PROXYS), ("X_Forwarded_For", CLIENTS)) == CLIENTS
