"""`manage.py serve`: the web server alone."""

import importlib
import multiprocessing
import os
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.common import AbstractServer

from apps.core import processes, serving

_APPLICATION = "config.wsgi:application"
_WORKERS = 2
# A thread that ends leaves its connection to Postgres behind. Threads therefore idle longer than Postgres lets a
# connection idle (config/env.py), so that there is none left by then, and bursts cannot use them all up.
_THREAD_IDLE_SECONDS = 600
# A thread holds a connection to Postgres: with two workers this stays well under its 60.
_THREADS = 8


class Command(BaseCommand):
    """Serve the API and the admin with granian. It is what `up` starts; use it alone beside a real
    Postgres.
    """

    help = "Serve the API and the admin. Example: manage.py serve --port 8420 --workers 2"
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen, and with how many processes and threads."""
        parser.add_argument(
            "--host", default=os.environ.get("PACKMULE_HOST", "127.0.0.1"), help="an IP address"
        )
        parser.add_argument("--port", type=int, default=int(os.environ.get("PACKMULE_PORT", "8420")))
        parser.add_argument("--workers", type=int, default=_WORKERS, help="processes")
        parser.add_argument(
            "--threads", type=int, default=_THREADS, help="threads that run requests, per process"
        )

    def handle(self, *, host: str, port: int, workers: int, threads: int, **options: Any) -> None:
        """Serve until SIGTERM or SIGINT; requests under way get three seconds. Refuses while something is missing."""
        for reason in serving.objections():
            raise CommandError(reason)
        server = make_server(_APPLICATION, host=host, port=port, workers=workers, threads=threads)
        server.serve(target_loader=load_application)


def make_server(
    target: str, *, port: int, host: str = "127.0.0.1", workers: int = _WORKERS, threads: int = _THREADS
) -> AbstractServer[Any]:
    """The server for the WSGI application `target` ("module:name")."""
    return Granian(
        target,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        blocking_threads_idle_timeout=_THREAD_IDLE_SECONDS,
        websockets=False,
        log_level=LogLevels.error,
        respawn_failed_workers=True,
        workers_kill_timeout=3,
    )


def load_application(target: str) -> Any:
    """Inside a worker: tie its life to the server's, and return the WSGI application that `target` names."""
    server = multiprocessing.parent_process()
    if server is not None and server.pid is not None:
        processes.follow(server.pid, signal.SIGKILL)
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
