"""`manage.py stream`: the streaming process alone."""

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """Say by server-sent events that something changed, to whoever has a ticket."""

    help = (
        "Serve the streams whose URLs the API hands out, until SIGTERM or SIGINT. `manage.py up` starts it. "
        "Example: manage.py stream --port 8421"
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen."""
        parser.add_argument(
            "--host", default=os.environ.get("PACKMULE_HOST", "127.0.0.1"), help="an IP address"
        )
        parser.add_argument(
            "--port", type=int, default=settings.PACKMULE_STREAM_PORT, help="default: %(default)s"
        )

    def handle(self, *, host: str, port: int, **options: Any) -> None:
        """Serve, and end the process. Refuses an address that cannot be listened on."""
        # Only here: what it imports is of no use to other commands, and takes a while.
        from apps.tenancy.streaming import server

        try:
            server.serve(host, port)
        except OSError as problem:
            raise CommandError(f"Cannot listen on {host}, port {port}: {problem}.") from None
