"""`manage.py jobs VERB`: the room's operations, as the principal of PACKMULE_KEY, and one job until it is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from apps.core.command_options import add_places, headers_of
from apps.core.commands import DONE, FAILED, Outcome, examples_text
from apps.core.local_api import LocalCall
from apps.core.room_commands import OperationsCommand, ask
from apps.jobs import watching
from apps.jobs.states import JobState


class Command(OperationsCommand):
    """Made out of the operations `jobs.*`, with `watch`, which goes on until the job is over."""

    help = "Operations on jobs: each verb is a call of the API; watch follows one until it is over."
    room = "jobs"

    def add_verbs(self, verbs: Any) -> None:
        """`watch`."""
        watch = verbs.add_parser(
            "watch",
            help="Say on stderr where a job stands until it is over; exit code 0 when it succeeded, else 1.",
            epilog=examples_text(["jobs watch JOB_ID --json"]),
        )
        watch.add_argument("job_id", metavar="JOB_ID")
        add_places(watch)

    def carry_out(self, options: Mapping[str, Any]) -> Any:
        """Say what is new each second; the document is the job as it ended."""
        path = f"/v1/jobs/{quote(options['job_id'], safe='')}"
        call = LocalCall("GET", path, headers=headers_of(options))
        job = watching.watch(lambda: ask(call), self._say)
        return Outcome(job, DONE if job["state"] == JobState.SUCCEEDED else FAILED)

    def _say(self, line: str) -> None:
        self.stderr.write(line, self.style.NOTICE)
        self.stderr.flush()
