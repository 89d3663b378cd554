"""`manage.py up`: the whole installation, in the foreground."""

import json
import logging
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.core import machine
from apps.tenancy.startup.errors import BAD_USAGE

_SCREEN = """
Packmule is ready.

  API     {api_url}
  Admin   {admin_url}
          {admin_email}   {admin_password}
  Key     {console_key}
  Data    {data_dir}

Try it:

  curl -H "Authorization: Bearer {console_key}" {api_url}/v1/whoami

Ctrl-C stops everything; the data stays.
"""


class Command(BaseCommand):
    """Start Postgres, web, worker and streams, watch them, and stop them on SIGTERM or Ctrl-C."""

    help = (
        "Start the whole installation and serve until SIGTERM or Ctrl-C. "
        "Examples: manage.py up; manage.py up --json --data-dir ./data --port 0"
    )
    # Nothing here talks to a database, and a start should not wait for checks: `make check` runs them.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to keep the data and where to listen."""
        parser.add_argument("--json", action="store_true", help="print one line of JSON when ready")
        parser.add_argument(
            "--data-dir", type=Path, default=settings.PACKMULE_DATA_DIR, help="default: %(default)s"
        )
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on; default: %(default)s")
        parser.add_argument(
            "--port", type=_port, default=8420, help="0 takes a free one; default: %(default)s"
        )
        parser.add_argument(
            "--stream-port", type=_port, default=0, help="of the streams; 0 takes a free one, as without it"
        )
        parser.add_argument("--workers", type=_count, default=2, help="web processes; default: %(default)s")

    def run_from_argv(self, argv: list[str]) -> None:
        """As Django does, except that bad usage ends with 64 as the contract says."""
        try:
            super().run_from_argv(argv)
        except SystemExit as end:
            # argparse's own code, which this command uses for nothing else.
            sys.exit(BAD_USAGE if end.code == 2 else end.code)

    def handle(self, **options: Any) -> None:
        """Bring everything up and serve. Ends with 0 when asked to stop, 1, 5 or 64 when it cannot start."""
        if machine.objection():
            raise CommandError(machine.objection())
        # Only here, because parts of it do not exist on a machine that was objected to.
        from apps.tenancy.startup import installation

        _show_progress()
        wishes = installation.Wishes(
            data_dir=options["data_dir"],
            host=options["host"],
            port=options["port"],
            workers=options["workers"],
            prefix=settings.PACKMULE_ROLE_PREFIX,
            manage=settings.BASE_DIR / "manage.py",
            stream_port=options["stream_port"],
        )
        code, sentence = installation.outcome(
            wishes, self._print_json if options["json"] else self._print_screen
        )
        if code:
            raise CommandError(sentence, returncode=code)

    def _print_json(self, facts: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(facts))
        self.stdout.flush()

    def _print_screen(self, facts: dict[str, Any]) -> None:
        kept = {"admin_password": "(changed since the first start)", "console_key": "(revoked or rotated)"}
        shown = {name: value or kept.get(name, "") for name, value in facts.items()}
        self.stdout.write(_SCREEN.format(**shown))
        self.stdout.flush()


def _show_progress() -> None:
    logger = logging.getLogger("packmule.startup")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)


def _port(text: str) -> int:
    """A port for argparse. Raises ValueError."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError
    return number


def _count(text: str) -> int:
    """A positive number for argparse. Raises ValueError."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_port.__name__ = "port number"
_count.__name__ = "positive number"
