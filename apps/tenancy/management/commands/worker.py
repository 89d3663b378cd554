"""`manage.py worker`: the slot that keeps the installation tidy."""

import signal
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import serving
from apps.tenancy.maintenance import work_until


class Command(BaseCommand):
    """Keep spare tenants ready and forget what is over, until SIGTERM or SIGINT."""

    help = "Keep spare tenants ready and forget what is over, until it is told to stop. `manage.py up` starts it."

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until a signal asks to stop; the handler only sets a flag."""
        for reason in serving.objections():
            raise CommandError(reason)
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        work_until(stop)
