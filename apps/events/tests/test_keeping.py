"""How long events are kept, and how they move."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from psycopg import sql

from apps.core import clock
from apps.core.happenings import Happening, tell
from apps.core.ids import decode
from apps.events import retention
from apps.events.models import Event
from apps.tenancy.owner import owner_transaction
from apps.tenancy.transfer import contents, copying
from apps.tenancy.walls import enter
from tests.client import Api
from tests.duties import in_every_tenant
from tests.refusals import check_refusal
from tests.scratch import Scratch, scratch_tenant
from tests.world import World

TOLD_BEFORE = timedelta(days=40)


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    with scratch_tenant() as made:
        yield made


def write(scratch: Scratch, many: int, *, ago: timedelta = timedelta()) -> None:
    """Tell of so many things, that long ago: the ids of what is old begin with an old time."""
    with enter(scratch.ref), transaction.atomic():
        tell(None, *(Happening("test.happened", None, None, {"n": number}) for number in range(many)))
    if ago:
        with owner_transaction(scratch.ref.schema_name) as cursor:
            shift = int(ago.total_seconds() * 1000) << 80
            cursor.execute(
                "select id from events_event where data ? 'n' and at > now() - interval '1 minute'"
            )
            for (identity,) in cursor.fetchall():
                older = type(identity)(int=identity.int - shift)
                moved = "update events_event set id = %s, at = at - %s where id = %s"
                cursor.execute(moved, [older, ago, identity])


def forget() -> int:
    """As the worker does, in one tenant after the other."""
    return in_every_tenant(retention.forget_in_tenant)


def kept(scratch: Scratch) -> int:
    with enter(scratch.ref):
        return Event.objects.filter(type="test.happened").count()


def test_what_is_older_than_the_tenant_says_is_deleted_in_batches(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 4)
    write(scratch, 10, ago=TOLD_BEFORE)
    write(scratch, 3)
    assert forget() == 10
    assert kept(scratch) == 3
    assert forget() == 0


def test_the_tenant_says_how_long(scratch: Scratch) -> None:
    api = Api(scratch.key)
    assert api.get("/v1/event-settings").body == {"kept_days": 30}
    assert api.patch("/v1/event-settings", {"kept_days": 60}).body == {"kept_days": 60}
    assert api.patch("/v1/event-settings", {}).body == {"kept_days": 60}
    write(scratch, 2, ago=TOLD_BEFORE)
    assert forget() == 0
    assert api.get("/v1/events?types=test.*")["data"] != []
    api.patch("/v1/event-settings", {"kept_days": 39})
    assert forget() == 2
    for wrong in (0, -1, 3651, "30", None):
        assert api.patch("/v1/event-settings", {"kept_days": wrong}).status == 422
    told = api.get("/v1/events?types=event_settings.*")["data"]
    assert [one["type"] for one in told] == ["event_settings.updated"] * 3


def test_only_who_decides_for_the_tenant_says_so(world: World, api: Api) -> None:
    north = api.using(world.acorn.parties["north"].service_key)
    assert north.get("/v1/event-settings").status == 200
    check_refusal(north.patch("/v1/event-settings", {"kept_days": 1}), 403, "configuration_of_tenant")
    api.using(world.birch.root_key).patch("/v1/event-settings", {"kept_days": 7})
    assert north.get("/v1/event-settings").body == {"kept_days": 30}


def test_one_tenant_that_fails_keeps_no_other_from_its_turn(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(scratch, 2, ago=TOLD_BEFORE)

    def failing(schema: str) -> object:
        if schema != scratch.ref.schema_name:
            raise DatabaseError
        return owner_transaction(schema)

    monkeypatch.setattr(retention, "owner_transaction", failing)
    assert forget() == 2


@pytest.mark.parametrize("statement", ["delete from events_event", "update events_event set type = 'x.y'"])
def test_nobody_else_deletes_or_changes_one(world: World, statement: str) -> None:
    refused = pytest.raises(DatabaseError, match="permission denied")
    for organization in (None, world.acorn.parties["north"].uuid):
        with (
            enter(world.acorn.ref, organization),
            refused,
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def test_the_first_id_of_a_moment() -> None:
    now = clock.now()
    fresh = Event().id
    assert (
        retention.first_id_of(now - timedelta(seconds=1))
        < fresh
        < retention.first_id_of(now + timedelta(seconds=1))
    )


def test_a_tenant_that_moves_takes_its_events_along_in_their_order(scratch: Scratch) -> None:
    """The numbers of the old installation's transactions mean nothing in the new one, and would hide events there."""
    write(scratch, 5)
    write(scratch, 5)
    schema, table = scratch.ref.schema_name, contents.tables("environment")["events_event"]
    api = Api(scratch.key)
    before = api.get("/v1/events?types=test.*")["data"]
    assert "xid" not in table.columns
    with copying.snapshot(schema) as cursor:
        lines = list(copying.rows_of(cursor, table, schema))
    with owner_transaction(schema) as cursor:
        cursor.execute("select max(xid::text::bigint) from events_event")
        ((highest,),) = cursor.fetchall()
        cursor.execute("delete from events_event")
        copying.fix_form(cursor)
        copying.take_rows(cursor, table, sql.Identifier(schema, table.name), lines)
    assert api.get("/v1/events?types=test.*")["data"] == before
    with enter(scratch.ref):
        (moved,) = set(Event.objects.values_list("xid", flat=True))
        assert moved > highest
        assert Event.objects.filter(pk=decode(before[0]["id"], "evt"), data={"n": 0}).exists()
