"""How long events are kept: as many days as the tenant says. Nobody but the schema's owner can delete one."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from apps.core import clock
from apps.tenancy.models import Tenant
from apps.tenancy.owner import owner_transaction
from apps.tenancy.patrol import Rows
from apps.tenancy.walls import current_schema, outside

#: How many are deleted in one transaction, and how many of those a tenant gets before the next one has its turn.
BATCH = 5000
_ROUNDS = 20
_DELETE = (
    "delete from events_event where id = any(array("
    "select id from events_event where id < %s order by id limit %s for update skip locked))"
)


def forget_in_tenant() -> int:
    """Delete the events of the tenant that stands which are older than it keeps them; returns how many.

    More than some batches wait for the next call.
    """
    schema_name, gone = current_schema(), 0
    with outside():
        oldest = _oldest(Tenant.objects.get(schema_name=schema_name).events_kept_days)
    for _ in range(_ROUNDS):
        with owner_transaction(schema_name) as cursor:
            cursor.execute(_DELETE, [oldest, BATCH])
            gone += cursor.rowcount
            if cursor.rowcount < BATCH:
                break
    return gone


def due(tenant: Tenant) -> list[Rows]:
    """What there is to delete in `tenant`, which stands."""
    return [("select from events_event where id < %s", [_oldest(tenant.events_kept_days)])]


def _oldest(days: int) -> UUID:
    return first_id_of(clock.now() - timedelta(days=days))


def first_id_of(moment: datetime) -> UUID:
    """The lowest id that an event of that moment can have: ids begin with their time, and are an index already."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
