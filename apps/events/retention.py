"""How long events are kept: as many days as the tenant says. Nobody but the schema's owner can delete one."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DatabaseError

from apps.core import clock
from apps.tenancy.models import Tenant
from apps.tenancy.owner import owner_transaction
from apps.tenancy.walls import outside

logger = logging.getLogger("packmule.worker")
#: Seconds between two looks.
EVERY = 600.0
#: How many are deleted in one transaction, and how many of those a tenant gets before the next one has its turn.
BATCH = 5000
_ROUNDS = 20
_DELETE = (
    "delete from events_event where id = any(array("
    "select id from events_event where id < %s order by id limit %s for update skip locked))"
)


def forget() -> int:
    """Delete the events of every active tenant that are older than it keeps them; returns how many."""
    with outside():
        tenants = list(Tenant.objects.active().values_list("name", "schema_name", "events_kept_days"))
    return sum(_forget_in(name, schema, days) for name, schema, days in tenants)


def _forget_in(name: str, schema: str, days: int) -> int:
    gone, oldest = 0, first_id_of(clock.now() - timedelta(days=days))
    try:
        for _ in range(_ROUNDS):
            with owner_transaction(schema) as cursor:
                cursor.execute(_DELETE, [oldest, BATCH])
                gone += cursor.rowcount
                if cursor.rowcount < BATCH:
                    break
    except DatabaseError as failure:
        # The others have their turn all the same.
        logger.warning("Events of %s were not deleted: %s", name, type(failure).__name__)
    return gone


def first_id_of(moment: datetime) -> UUID:
    """The lowest id that an event of that moment can have: ids begin with their time, and are an index already."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
