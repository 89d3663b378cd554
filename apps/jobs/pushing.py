"""Queues whose jobs are sent to the product's URL: what is sent, how it is signed, and what the answer means.

The receiver is a worker like any other. It may answer at once, with what the job came to, or say 202 and go on with the
token of the lease: heartbeat, complete and fail are the same calls as those of a worker that claims.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final

from apps.core.ids import encode
from apps.core.posting import Reply, post
from apps.core.sealing import SealError
from apps.core.strictjson import dumps
from apps.core.webhook_signing import SigningSecrets, signed_headers
from apps.jobs import leases
from apps.jobs import serializers as forms
from apps.jobs.enqueuing import MOST_BYTES
from apps.jobs.errors import LeaseLost
from apps.jobs.models import Attempt, Job, Queue
from apps.jobs.running import Outcome
from apps.jobs.settling import failure
from apps.jobs.states import AttemptState, JobState
from apps.jobs.turns import Lease
from apps.jobs.working import Claimed, renew
from apps.tenancy.sealing import open_sealed, seal
from apps.tenancy.walls import whole_tenant

#: What a receiver gets at most to answer, whatever the job's own timeout says. Longer work is answered with 202.
SECONDS: Final = 30.0
#: Beside the result, for whatever else stands in the answer.
_SPARE_BYTES = 4096
#: Answers that mean that it is full or down, and says when to come again.
_BUSY = frozenset({429, 503})


def push(job: Job, lease: Lease) -> Outcome | None:
    """Send a job to the URL of its queue; returns how the attempt ended, None when the receiver goes on by itself."""
    with whole_tenant():
        queue = Queue.objects.filter(name=job.queue).first()
        if queue is None or not queue.push_url:
            return _failed(job, lease, "not_pushed", f"{job.queue} sends its jobs nowhere any more.")
        return _meaning(job, lease, queue, _sent(job, lease, queue))


def _sent(job: Job, lease: Lease, queue: Queue) -> Reply:
    body = dumps(forms.ClaimOutput.render(Claimed(job, lease)))
    # Its number comes again after a wait, and where the job is run anew: a receiver that knows it would do nothing.
    attempt = Attempt.objects.only("id").get(job=job, token=lease.token)
    try:
        headers = signed_headers(signing(queue), attempt.public_id, body)
    except SealError as refused:
        return Reply(0, 0, code="secret_unreadable", said=str(refused))
    seconds = min(SECONDS, job.attempt_seconds or SECONDS)
    return post(queue.push_url, body, headers, seconds=seconds, max_bytes=MOST_BYTES + _SPARE_BYTES)


def _meaning(job: Job, lease: Lease, queue: Queue, reply: Reply) -> Outcome | None:
    if reply.status == 202:
        # The time that the receiver took to say so is not taken from its lease.
        with suppress(LeaseLost):
            renew(job, lease.token, queue.lease_seconds)
            leases.sent(job.pk, lease.token)
        return None
    if reply.is_good:
        return _succeeded(job, lease, reply)
    code, said = reply.error()
    after = reply.retry_after if reply.status in _BUSY else 0.0
    return _failed(job, lease, code, said, final=reply.status == 410, after=after, reply=reply)


def _succeeded(job: Job, lease: Lease, reply: Reply) -> Outcome:
    try:
        result = reply.document()
    except ValueError:
        return _failed(job, lease, "answer_no_json", "The answer is no JSON.", reply=reply)
    if len(reply.content) > MOST_BYTES:
        return _failed(job, lease, "payload_too_big", f"The result is over {MOST_BYTES} bytes.", final=True)
    return Outcome(job.pk, lease.token, JobState.SUCCEEDED, AttemptState.SUCCEEDED, result=result)


def _failed(
    job: Job,
    lease: Lease,
    code: str,
    said: str,
    *,
    final: bool = False,
    after: float = 0.0,
    reply: Reply | None = None,
) -> Outcome:
    error: dict[str, Any] = {"type": code, "message": said}
    if reply is not None and reply.status:
        error["details"] = {"status": reply.status, "body": reply.kept_body()}
    return failure(job, lease.token, error, not final, after)


def issue(queue: Queue, overlap_seconds: int = 0) -> str:
    """Give `queue`, which the caller saves, a secret that signs what is sent, and return it.

    The one before signs too for `overlap_seconds`.
    """
    held = SigningSecrets.successor(partial(signing, queue), timedelta(seconds=overlap_seconds))
    queue.push_secret = seal(_sealed_as(queue), held.text())
    return held.current


def signing(queue: Queue) -> SigningSecrets:
    """What signs jobs of `queue`. Raises SealError."""
    return SigningSecrets.read(open_sealed(_sealed_as(queue), queue.push_secret))


def _sealed_as(queue: Queue) -> str:
    return f"push secrets of {encode(Queue.id_prefix, queue.pk)}"
