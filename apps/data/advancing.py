"""Carrying on what a definition began: building and dropping indexes, checking and moving records.

Small collections are done in the call that began it; for large ones the worker goes on, or whoever calls
`collections.advance`.
"""

from __future__ import annotations

import logging
from time import monotonic

from django.db import transaction

from apps.data.building import build_on, kept_from_others
from apps.data.changing import change_on
from apps.data.indexes import have_work, indexes_of, search_of
from apps.data.models import Collection, Record
from apps.tenancy.models import Tenant
from apps.tenancy.patrol import Rows, ask_for, rows_of
from apps.tenancy.walls import whole_tenant

logger = logging.getLogger("packmule.worker")

#: What the worker does, by its name.
DUTY = "collections"
#: How many batches the call that changes a definition does itself, and of how many records at most: nobody writes
#: to the collection meanwhile.
AT_ONCE = 12
SMALL = 2_000
#: How long one call of the worker carries on the collections of a tenant: less than it gets to end.
SECONDS = 3.0


def carry_on(collection: Collection, *, batches: int | None = None, seconds: float | None = None) -> None:
    """Do batches until nothing is left, so many are done, or so much time has passed.

    Each batch is a transaction of its own that begins with the row as it is then; `collection` shows afterwards what it
    holds in the end.
    """
    began, done = monotonic(), 0
    with whole_tenant():
        while not _enough(began, done, batches, seconds) and (build_on(collection) or change_on(collection)):
            done += 1
        _note_what_is_left(collection)
        if batches is not None and collection.busy:
            ask_for(DUTY)


def _note_what_is_left(collection: Collection) -> None:
    """Write down whether something is left to do. The row is locked: somebody may just have begun something more."""
    with transaction.atomic():
        fresh = kept_from_others(collection)
        if fresh is None:
            return
        if fresh.busy != is_busy(fresh):
            fresh.busy = is_busy(fresh)
            fresh.save(update_fields=["busy"])
        collection.refresh_from_db()


def batches_at_once(collection: Collection) -> int:
    """How much of what it began the call does that changes the definition: all for a small collection, else nothing."""
    with whole_tenant():
        many = Record.objects.of(collection).values("id")[: SMALL + 1].count()
    return AT_ONCE if many <= SMALL else 0


def _enough(began: float, done: int, batches: int | None, seconds: float | None) -> bool:
    return (batches is not None and done >= batches) or (
        seconds is not None and monotonic() - began >= seconds
    )


def is_busy(collection: Collection) -> bool:
    """True when something is left that can be carried on."""
    changing = collection.change is not None and collection.change["state"] != "blocked"
    return changing or have_work(indexes_of(collection), search_of(collection))


def carry_on_everywhere() -> int:
    """Carry on the collections of the tenant that stands, for some seconds; returns how many could be carried on.

    They share the time and come in any order: none that takes long, or fails, has another one wait for ever. One that
    fails is logged and left for the next turn.
    """
    found = list(Collection.objects.filter(busy=True).order_by("?"))
    until, done = monotonic() + SECONDS, 0
    for turn, collection in enumerate(found):
        left = until - monotonic()
        if left <= 0:
            break
        done += _carried_on(collection, left / (len(found) - turn))
    return done


def _carried_on(collection: Collection, seconds: float) -> bool:
    try:
        carry_on(collection, seconds=seconds)
    except Exception:
        logger.exception("%s cannot be carried on; trying again later", collection.name)
        return False
    return True


def waiting(tenant: Tenant) -> list[Rows]:  # noqa: ARG001 - what duties get
    """What there is to carry on in the tenant that stands."""
    return rows_of(Collection.objects.filter(busy=True))
