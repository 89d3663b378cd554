"""Operations on queues: how their jobs are run, and holding them still."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count

from apps.accounts.configuring import require_configurer
from apps.core import clock
from apps.core.actor import Actor
from apps.core.etags import check_version
from apps.core.operations import Risk, operation
from apps.core.posting import require_receiver
from apps.core.problems import missing
from apps.jobs import lanes, pushing
from apps.jobs import serializers as forms
from apps.jobs.enqueuing import RESERVED
from apps.jobs.errors import QueueNameTaken, QueueNotPushed, QueueReserved
from apps.jobs.models import Job, Queue
from apps.jobs.querysets import QueueQuerySet
from apps.tenancy import walls


@contextmanager
def _checked(actor: Actor, *, push_url: str = "", **_: Any) -> Iterator[None]:  # noqa: ARG001
    """Look where the URL leads before the transaction: name servers take their time."""
    if push_url:
        require_receiver("push_url", push_url)
    yield


@operation("queues.list", scope="queues:read", risk=Risk.READ, output=forms.QueueOutput, lists=True)
def list_queues(actor: Actor) -> QueueQuerySet:
    """List the queues that somebody described, with how many jobs are in which state."""
    return Queue.objects.counted_for(actor)


@operation("queues.get", scope="queues:read", risk=Risk.READ, output=forms.QueueOutput)
def get_queue(actor: Actor, *, queue: str) -> Queue:
    """Read one queue. One that nobody described has the usual rules, and is there as long as it has jobs."""
    found = Queue.objects.filter(name=queue).first() or Queue(name=queue)
    found.jobs = jobs_by_state(actor, queue)
    if found._state.adding and not found.jobs:
        raise missing("queue", queue)
    return found


@operation(
    "queues.create",
    scope="queues:write",
    risk=Risk.WRITE,
    input=forms.QueueInput,
    output=forms.QueueWithSecretOutput,
    shows_secret=True,
    prepare=_checked,
)
def create_queue(
    actor: Actor,
    /,
    *,
    name: str,
    prepared: None = None,  # noqa: ARG001 - the URL was looked at
    **rules: Any,
) -> Queue:
    """Describe a queue: how often its jobs are tried, how many run at a time, how fast.

    It takes a credential that decides for the whole tenant. What is in the queue already is run by the new rules. With
    a `push_url` its jobs are sent there, signed with the `secret` that this answer alone shows.
    """
    require_configurer(actor)
    if name.startswith(RESERVED):
        raise QueueReserved(f"{name} belongs to the platform. {QueueReserved.advice}")
    made = Queue(name=name, **rules)
    _set_secret(made)
    try:
        with transaction.atomic(), walls.whole_tenant():
            made.save(force_insert=True)
    except IntegrityError:
        raise QueueNameTaken(f"{name} is described. {QueueNameTaken.advice}") from None
    return _in_force(actor, made)


@operation(
    "queues.update",
    scope="queues:write",
    risk=Risk.WRITE,
    input=forms.QueuePatch,
    output=forms.QueueWithSecretOutput,
    versioned=True,
    shows_secret=True,
    prepare=_checked,
)
def update_queue(
    actor: Actor,
    /,
    *,
    queue: str,
    expected_version: int | None = None,
    prepared: None = None,  # noqa: ARG001
    **changes: Any,
) -> Queue:
    """Change how the jobs of a queue are run. It counts from the next claim on.

    A queue that gets its first `push_url` gets a `secret` with it, which this answer alone shows.
    """
    require_configurer(actor)
    with walls.whole_tenant():
        row = _locked(queue, expected_version)
        planned = Queue(
            pk=row.pk, push_url=changes.get("push_url", row.push_url), push_secret=row.push_secret
        )
        _set_secret(planned)
        row.apply(changes | {"push_secret": planned.push_secret})
        row.secret = planned.secret
        return _in_force(actor, row)


@operation(
    "queues.rotate",
    scope="queues:write",
    risk=Risk.SECRET,
    input=forms.QueueRotateInput,
    output=forms.QueueWithSecretOutput,
    shows_secret=True,
    versioned=True,
)
def rotate_queue(
    actor: Actor, *, queue: str, overlap_seconds: int = 86_400, expected_version: int | None = None
) -> Queue:
    """Make another secret for what is sent, shown this once. For `overlap_seconds` the previous one signs too."""
    require_configurer(actor)
    with walls.whole_tenant():
        row = _locked(queue, expected_version)
        if not row.push_url:
            raise QueueNotPushed(f"{queue} has no push_url. {QueueNotPushed.advice}")
        before = Queue(pk=row.pk, push_secret=row.push_secret)
        row.secret = pushing.issue(before, overlap_seconds)
        return _in_force(actor, row.apply({"push_secret": before.push_secret}))


@operation("queues.pause", scope="queues:write", risk=Risk.WRITE, output=forms.QueueOutput)
def pause_queue(actor: Actor, *, queue: str) -> Queue:
    """Hold a queue still: nobody gets a job out of it. What runs goes on, and what is enqueued waits.

    One that nobody described is described by that, with the usual rules, if it has jobs.
    """
    require_configurer(actor)
    with walls.whole_tenant():
        if Job.objects.unfinished().filter(queue=queue, system=False).exists():
            Queue.objects.get_or_create(name=queue)
        row = _locked(queue, None)
        return _in_force(actor, row.apply({"paused_at": row.paused_at or clock.now()}))


@operation("queues.resume", scope="queues:write", risk=Risk.WRITE, output=forms.QueueOutput)
def resume_queue(actor: Actor, *, queue: str) -> Queue:
    """Let a paused queue go on."""
    require_configurer(actor)
    with walls.whole_tenant():
        return _in_force(actor, _locked(queue, None).apply({"paused_at": None}))


@operation("queues.delete", scope="queues:write", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_queue(actor: Actor, *, queue: str, expected_version: int | None = None) -> Queue:
    """Forget what was said about a queue. Its jobs stay, and are run by the usual rules."""
    require_configurer(actor)
    with walls.whole_tenant():
        row = _locked(queue, expected_version)
        Queue.objects.filter(pk=row.pk).delete()
        lanes.set_rules(actor.tenant, Queue(name=row.name))
    return row


def jobs_by_state(actor: Actor, queue: str) -> Mapping[str, int]:
    """How many unfinished jobs of a queue are in which state."""
    rows = Job.objects.visible_to(actor).unfinished().filter(queue=queue)
    return dict(rows.values_list("state").annotate(found=Count("pk")).order_by("state"))


def _set_secret(row: Queue) -> None:
    """A secret for a queue that sends its jobs and has none; none for one that does not."""
    if not row.push_url:
        row.push_secret = ""
    elif not row.push_secret:
        row.secret = pushing.issue(row)


def _in_force(actor: Actor, row: Queue) -> Queue:
    lanes.set_rules(actor.tenant, row)
    row.jobs = jobs_by_state(actor, row.name)
    return row


def _locked(named: str, expected_version: int | None) -> Queue:
    row = Queue.objects.select_for_update().filter(name=named).first()
    if row is None:
        raise missing("queue", named)
    check_version(expected_version, row.version)
    return row
