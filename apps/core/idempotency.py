"""Repeating a POST safely: the first answer is kept and given again to whoever sends the same key.

The answer is stored in the operation's own transaction, in the credential's home tenant. "In flight" is an advisory
lock that ends with the transaction, so nothing has to be cleaned up after a crash.
Modelled on draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeGuard
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from apps.core import clock
from apps.core.actor import Actor
from apps.core.models import IdempotencyRecord
from apps.core.operations import Operation
from apps.core.problem_handlers import problem_response
from apps.core.problems import Conflict, MalformedRequest, Problem, ValidationFailed

KEPT_FOR = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
#: Answers that depend on the moment, not on the call: repeating the call may well succeed.
_NEVER_STORED = frozenset({202, 401, 403, 429})
_KEPT_HEADERS = ("ETag", "Location", "Content-Type")
#: Stored in place of an answer that holds a secret.
_SECRET_SHOWN = 0

_enter_home: Callable[[Actor], AbstractContextManager[Any]] = lambda _actor: nullcontext()  # noqa: E731


def use_home(enter: Callable[[Actor], AbstractContextManager[Any]]) -> None:
    """Set how to stand in an actor's home tenant, where its records are; tenancy, which is above, knows."""
    global _enter_home
    _enter_home = enter


@dataclass(frozen=True, slots=True)
class Asked:
    """One POST as far as repeating it goes: its key, what it asked for, and of which operation."""

    key: str
    fingerprint: bytes
    operation: Operation[..., Any]
    request: HttpRequest

    @classmethod
    def of(
        cls, request: HttpRequest, key: str, arguments: dict[str, Any], operation: Operation[..., Any]
    ) -> Asked:
        """The call `request`. Raises MalformedRequest for a key that is empty, too long or not printable ASCII."""
        if not _KEY.fullmatch(key):
            raise MalformedRequest(
                "Idempotency-Key takes 1 to 255 printable ASCII characters without blanks."
            )
        said = ("Environment", "Organization", "On-Behalf-Of")
        where = [request.path, *(request.headers.get(f"Packmule-{name}", "") for name in said)]
        meant = orjson.dumps(
            [where, arguments], default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
        )
        return cls(key, hashlib.sha256(meant).digest(), operation, request)


def answer_once(actor: Actor, asked: Asked, perform: Callable[[], HttpResponse]) -> HttpResponse:
    """The stored answer to `asked`, or that of `perform`, stored.

    Raises Conflict while the same key is in flight or when the answer showed a secret, ValidationFailed when the key
    came with another call before. What `perform` raises as a Problem is stored too, unless repeating could help.
    """
    with transaction.atomic():
        _lock(actor, asked)
        record = _record(actor, asked)
        if _is_kept(record):
            return _replay(record, asked)
        answer = _attempt(asked, perform)
        if _is_storable(answer):
            with _enter_home(actor):
                _store(actor, asked, answer, record)
        return answer


def is_answered(actor: Actor, asked: Asked) -> bool:
    """True when `answer_once` would answer without carrying anything out, as far as one can say beforehand."""
    return _is_kept(_record(actor, asked))


def _record(actor: Actor, asked: Asked) -> IdempotencyRecord | None:
    with _enter_home(actor):
        return IdempotencyRecord.objects.filter(credential_id=_credential(actor), key=asked.key).first()


def _is_kept(record: IdempotencyRecord | None) -> TypeGuard[IdempotencyRecord]:
    return record is not None and record.created_at > clock.now() - KEPT_FOR


def forget_old() -> int:
    """Delete the records of the tenant that stands which nobody may ask for any more; returns how many."""
    return old().delete()[0]


def old() -> QuerySet[IdempotencyRecord]:
    """The records which nobody may ask for any more."""
    return IdempotencyRecord.objects.filter(created_at__lt=clock.now() - KEPT_FOR)


def _credential(actor: Actor) -> UUID:
    """What the record is found by: the key, or the person where a session has no id of its own."""
    found = actor.credential.id or actor.principal.id
    if found is None:
        raise MalformedRequest("Idempotency-Key needs a credential that answers can be kept for.")
    return found


def _lock(actor: Actor, asked: Asked) -> None:
    named = hashlib.sha256(f"{_credential(actor)} {asked.key}".encode()).digest()
    number = int.from_bytes(named[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s)", [number])
        if not cursor.fetchone()[0]:
            raise Conflict(
                "A call with this Idempotency-Key is being carried out at this moment. Repeat it in a second.",
                code="idempotency_in_flight",
                retryable=True,
                retry_after=1,
            )


def _attempt(asked: Asked, perform: Callable[[], HttpResponse]) -> HttpResponse:
    try:
        with transaction.atomic():
            return perform()
    except Problem as problem:
        if problem.retryable or problem.status >= 500:
            raise
        return problem_response(problem, asked.request)


def _is_storable(answer: HttpResponse) -> bool:
    return answer.status_code < 500 and answer.status_code not in _NEVER_STORED


def _store(actor: Actor, asked: Asked, answer: HttpResponse, old: IdempotencyRecord | None) -> None:
    hidden = asked.operation.shows_secret and answer.status_code < 300
    fields: dict[str, Any] = {
        "fingerprint": asked.fingerprint,
        "status": _SECRET_SHOWN if hidden else answer.status_code,
        "headers": {name: answer[name] for name in _KEPT_HEADERS if name in answer},
        "body": _named_in(answer.content).encode() if hidden else answer.content,
        "created_at": clock.now(),
    }
    if old is not None:
        IdempotencyRecord.objects.filter(pk=old.pk).update(**fields)
        return
    organization = None if actor.is_away or actor.organization is None else actor.organization.id
    IdempotencyRecord.objects.create(
        credential_id=_credential(actor), key=asked.key, organization_id=organization, **fields
    )


def _named_in(content: bytes) -> str:
    """The id of what an answer with a secret was about: all of it that may be kept."""
    return str(orjson.loads(content).get("id", ""))


def _replay(record: IdempotencyRecord, asked: Asked) -> HttpResponse:
    if bytes(record.fingerprint) != asked.fingerprint:
        raise ValidationFailed(
            "This Idempotency-Key came with another call before. Take a new key for a new call.",
            code="idempotency_key_reused",
        )
    if record.status == _SECRET_SHOWN:
        raise _secret_already_shown(bytes(record.body).decode(), asked.operation)
    answer = HttpResponse(bytes(record.body), status=record.status, headers=record.headers)
    answer["Idempotency-Replayed"] = "true"
    return answer


def _secret_already_shown(named: str, operation: Operation[..., Any]) -> Problem:
    return Conflict(
        f"This call was carried out before and its answer, which held {_secret_of(named)}, is not kept. "
        "Rotate it, or where nothing can be rotated, call again with another Idempotency-Key.",
        code="secret_already_shown",
        remedy=operation.renewal(named) if operation.renewal else None,
    )


def _secret_of(named: str) -> str:
    return f"the secret of {named}" if named else "a secret"
