"""Ends are written many at a time; one that cannot be written takes no other with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import transaction

from apps.jobs.inside import performing
from apps.jobs.inside.finishing import Finisher
from apps.jobs.inside.keeping import Keeper
from apps.jobs.inside.tests.test_worker import declared, left_clean
from apps.jobs.models import Attempt, Job
from apps.jobs.registry import Dispatch
from apps.jobs.tasks import Run, Task
from apps.tenancy.walls import enter, outside
from tests.world import World

__all__ = ["declared", "left_clean"]


@pytest.mark.parametrize("result", [{1, 2}, "a\x00b", "\ud800"], ids=["no JSON", "NUL", "half a character"])
def test_an_end_that_cannot_be_kept_takes_no_other_with_it(
    left_clean: World, declared: Callable[..., Task], result: object
) -> None:
    def rest(run: Run) -> None:
        """Nothing to do."""

    space, resting = left_clean.acorn, declared(rest)
    with enter(space.ref), transaction.atomic():
        odd, good = (job.pk for job in resting.enqueue_many(None, [({}, None), ({}, None)]))
    held, _ = performing.take(2, "worker")
    outcomes = [outcome for each in held if (outcome := performing.perform(each))]
    spoilt = [replace(each, result=result) if each.job_id == odd else each for each in outcomes]
    Finisher(Keeper())._write_in(space.ref, spoilt)
    with enter(space.ref):
        states = dict(Job.objects.filter(pk__in=[odd, good]).values_list("pk", "state"))
        error = Job.objects.get(pk=odd).error
        attempts = dict(Attempt.objects.filter(job__in=[odd, good]).values_list("job", "state"))
    assert states == {odd: "dead", good: "succeeded"}
    assert attempts == {odd: "failed", good: "succeeded"}
    assert error == {"type": "unkept", "message": "What the attempt came to cannot be written down."}
    with outside():
        assert not Dispatch.objects.filter(pk__in=[odd, good]).exists()
