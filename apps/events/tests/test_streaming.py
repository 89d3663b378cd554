"""Streams of the event log: new events are another mark, for whoever may read them and for nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.events.models import Event
from apps.events.streaming import Events
from apps.tenancy.models import Tenant
from apps.tenancy.provisioning import soft_delete
from apps.tenancy.streaming import tickets
from apps.tenancy.streaming.sources import Subject
from apps.tenancy.walls import enter, outside, registry
from tests.client import Api
from tests.scratch import Scratch, scratch_tenant
from tests.world import World


@pytest.fixture
def scratch(committing: Any) -> Any:
    with scratch_tenant() as made:
        yield made


def marks(*subjects: Subject) -> list[Any]:
    """What a look finds for each; None for what is over."""
    with outside():
        found = Events().look(subjects)
    return [found.get(subject) for subject in subjects]


def test_what_an_organization_hears_of_is_its_own(scratch: Scratch) -> None:
    me = Api(scratch.key)
    second = me.post("/v1/organizations", {"name": "Second", "slug": "second"})
    (first,) = [one for one in me.get("/v1/organizations")["data"] if one["slug"] == "first"]
    tenant = Subject(scratch.ref, None, "")
    mine = Subject(scratch.ref, scratch.organization.id, "")
    before = marks(tenant, mine)
    inside = {
        name: me.sending(packmule_organization=one["id"])
        for name, one in (("first", first), ("second", second))
    }
    assert inside["second"].post("/v1/agents", {"name": "Theirs", "role": "viewer"}).status == 201
    theirs = marks(tenant, mine)
    assert (theirs[0] != before[0], theirs[1] != before[1]) == (True, False)
    assert inside["first"].post("/v1/agents", {"name": "Ours", "role": "viewer"}).status == 201
    ours = marks(tenant, mine)
    assert (ours[0] != theirs[0], ours[1] != theirs[1]) == (True, True)
    assert marks(tenant, mine) == ours


def test_a_tenant_that_is_deleted_has_no_log_any_more(scratch: Scratch, world: World) -> None:
    here, other = Subject(scratch.ref, None, ""), Subject(world.acorn.ref, None, "")
    assert None not in marks(here, other)
    with registry():
        soft_delete(Tenant.objects.get(pk=scratch.ref.id))
    found = marks(here, other)
    assert (found[0], found[1] is None) == (None, False)


def test_whose_wall_it_is_is_left_again(world: World) -> None:
    with outside():
        Events().look([Subject(world.acorn.ref, None, ""), Subject(world.birch.ref, None, "")])
        with connection.cursor() as cursor:
            cursor.execute("select current_user = session_user, current_setting('search_path')")
            assert cursor.fetchone() == (True, "")


def test_a_look_at_a_log_is_one_row_of_an_index(world: World) -> None:
    north = world.acorn.parties["north"].uuid
    with enter(world.acorn.ref):
        Event.objects.bulk_create(
            [
                Event(at="2026-01-01T00:00:00Z", type="a.b", organization_id=north, actor={})
                for _ in range(2000)
            ]
        )
    with outside(), CaptureQueriesContext(connection) as queries:
        Events().look([Subject(world.acorn.ref, north, "")])
    assert len([query for query in queries if "events_event" in query["sql"]]) == 1
    sql = next(query["sql"] for query in queries if "events_event" in query["sql"])
    with enter(world.acorn.ref, north), connection.cursor() as cursor:
        cursor.execute("set local enable_seqscan = off")
        cursor.execute(f"explain {sql}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index" in plan
    assert "Sort" not in plan, plan


def test_a_ticket_says_within_which_wall_it_is_good(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    for key, organization in ((world.acorn.root_key, None), (north.agent_key, north.uuid)):
        answer = api.using(key).post("/v1/events/stream")
        assert answer.status == 201
        ticket = tickets.read(answer["url"].rpartition("/")[2])
        assert (ticket.topic, ticket.tenant_id, ticket.organization_id) == (
            "events",
            world.acorn.ref.id,
            organization,
        )
