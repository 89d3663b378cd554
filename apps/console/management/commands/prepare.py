"""`manage.py prepare`: make an installation ready for the code that is here."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.core.management.base import CommandError

from apps.console.bootstrap import first_credentials
from apps.core.commands import PackmuleCommand
from apps.core.sealing import SealError
from apps.tenancy.installation import install


class Command(PackmuleCommand):
    """Roles, registry, blueprints, console, tenants that are behind, and the first credentials."""

    help = (
        "Create or bring up to date: roles, registry, blueprints, the console and every tenant that is behind. "
        "Makes the first organization, person and agent where there is none. Can be repeated."
    )
    examples: ClassVar = ["prepare", "prepare --json --credentials credentials.json"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where the first credentials are kept."""
        kept = settings.PACKMULE_DATA_DIR / "credentials.json"
        parser.add_argument(
            "--credentials", type=Path, default=kept, help="file for the first credentials (mode 0600)"
        )

    def perform(self, *args: Any, credentials: Path, **options: Any) -> Any:
        """Install, found, and show what opens the installation."""
        started = time.monotonic()

        def say(line: str) -> None:
            self.stderr.write(f"{time.monotonic() - started:5.1f}s  {line}", self.style.NOTICE)
            self.stderr.flush()

        try:
            console = install(say)
        except SealError as refusal:
            # On stderr also with --json: whoever started `up` reads it there.
            raise CommandError(str(refusal)) from None
        found = first_credentials(console.ref, credentials)
        say("ready")
        return asdict(found)
