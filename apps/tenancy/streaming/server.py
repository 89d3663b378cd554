"""Running the streaming process: granian's ASGI server inside this process, and an orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket

from django.conf import settings
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from apps.tenancy.streaming.application import Application
from apps.tenancy.streaming.hub import Hub

#: Connections beside the streams: those that are refused, health checks, and whoever has not said anything yet.
_OTHERS = 200
_SAYS_SOMETHING_WITHIN_MS = 5_000
_LAST_WORDS_SECONDS = 0.3


def serve(host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, which end all streams; this process ends with it. Raises OSError at start."""
    require_free(host, port)
    allow_open_files(settings.PACKMULE_STREAMS + 2 * _OTHERS)
    asyncio.run(_serve(host, port, Hub(settings.PACKMULE_STREAMS)))
    # Threads of the server, and one that waits for the database, would be in the way of the interpreter's own end.
    logging.shutdown()
    os._exit(0)


async def _serve(host: str, port: int, hub: Hub) -> None:
    server = make_server(Application(hub), host, port)
    loop = asyncio.get_running_loop()
    ending: list[asyncio.Task[None]] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: ending.append(loop.create_task(_stop(server, hub))))
    await server.serve()


async def _stop(server: Server, hub: Hub) -> None:
    hub.stop()
    await asyncio.sleep(_LAST_WORDS_SECONDS if len(hub) else 0)
    server.stop()  # type: ignore[no-untyped-call]


def make_server(application: Application, host: str, port: int) -> Server:
    """A server for `application`, which takes one request a connection."""
    return Server(
        application,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_SAYS_SOMETHING_WITHIN_MS, keep_alive=False),
        websockets=False,
        backlog=1024,
        # Connections beyond that wait, and are not refused.
        backpressure=settings.PACKMULE_STREAMS + _OTHERS,
        log_level=LogLevels.error,
    )


def require_free(host: str, port: int) -> None:
    """Raise OSError where `port` of `host` cannot be listened on: the server itself says so in a panic."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # `up` holds the port, and shares it with the server in this way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        probe.bind((host, port))


def allow_open_files(number: int) -> None:
    """Let this process have `number` files and connections open, as far as the machine allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wished = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < wished:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wished, hard))
