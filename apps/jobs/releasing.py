"""Going on with jobs that waited for others, where there are too many for the transaction of what they waited for.

Each task does some and puts the next one in the same transaction: nothing is lost with a process that dies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from apps.jobs import ending
from apps.jobs.backoff import PATIENT
from apps.jobs.tasks import Run, task

QUEUE: Final = "packmule.waiting"


@task("jobs.release", queue=QUEUE, max_attempts=1000, retry=PATIENT)
def go_on_releasing(run: Run) -> dict[str, Any]:
    """Let some more jobs go on that wait for those of the payload, which are over."""
    over = {UUID(job): state for job, state in run.payload["over"].items()}
    with transaction.atomic():
        return {"released": ending.release(None, over)}


def put(over: Mapping[UUID, str]) -> None:
    """Have a task go on with what waits for jobs that are over, by id and state."""
    go_on_releasing.enqueue(None, {"over": {str(job): state for job, state in over.items()}})
