"""`manage.py worker`: does the platform's own jobs, starts those of schedules, and keeps the installation tidy."""

import signal
from argparse import ArgumentParser
from threading import Event, Thread
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.core import serving
from apps.jobs.inside.worker import Worker
from apps.tenancy.maintenance import work_until


class Command(BaseCommand):
    """Do the platform's jobs and its chores, until SIGTERM or SIGINT."""

    help = "Do the platform's own jobs and its chores, until it is told to stop. `manage.py up` starts it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How many jobs at a time."""
        parser.add_argument(
            "--threads",
            type=int,
            default=settings.PACKMULE_WORKER_THREADS,
            help="jobs at a time; default: %(default)s",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until a signal asks to stop; the handler only sets a flag."""
        for reason in serving.objections():
            raise CommandError(reason)
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        worker = Worker(options["threads"])
        worker.start()
        ending = Thread(target=_end_at, args=(stop, worker), name="ending")
        ending.start()
        try:
            work_until(stop)
        finally:
            stop.set()
            ending.join()


def _end_at(stop: Event, worker: Worker) -> None:
    """End the worker's jobs as soon as `stop` is set, whichever chore is being done then."""
    stop.wait()
    worker.stop()
