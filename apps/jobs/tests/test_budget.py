"""What a job costs in statements, from being enqueued to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.jobs.tests.workers import claim, make, take
from tests.client import Api
from tests.world import World


def statements(work: Callable[[], Any]) -> list[str]:
    """What `work` sends, without savepoints, and without changes of role and path, which ride along."""
    with CaptureQueriesContext(connection) as seen:
        work()
    return [query["sql"] for query in seen.captured_queries if "SAVEPOINT" not in query["sql"]]


def touching(found: list[str], *tables: str) -> list[str]:
    return [sql for sql in found if any(table in sql for table in tables)]


@pytest.fixture
def me(world: World, api: Api) -> Api:
    """The tenant, whose key has been used just now."""
    used = api.using(world.acorn.root_key)
    make(used, "warm.up")
    take(used).complete()
    return used


def test_enqueuing_is_two_inserts(me: Api) -> None:
    found = statements(lambda: make(me))
    assert len([sql for sql in found if sql.lstrip().lower().startswith('insert into "jobs_job"')]) == 1
    assert len(touching(found, "jobs_dispatch")) == 1
    # The queue's rules, the two inserts, and the event, whose statement asks whether somebody waits for it, too.
    assert len(touching(found, "jobs_")) == 4, found


def test_claiming_is_one_statement_and_a_beginning(me: Api) -> None:
    make(me)
    found = statements(lambda: take(me))
    # The claim, and a look whether the lease is good when the attempt begins.
    assert len(touching(found, "jobs_dispatch")) == 2, found
    # Besides the queue's rules, the beginning, and the jobs as they are.
    assert len(touching(found, "jobs_")) == 5, found


def test_claiming_many_costs_the_same(me: Api) -> None:
    for _ in range(20):
        make(me)
    assert len(touching(statements(lambda: claim(me, limit=10)), "jobs_")) == 5


def test_a_heartbeat_is_one_write(me: Api) -> None:
    make(me)
    held = take(me)
    found = touching(statements(held.beat), "jobs_")
    writes = [sql for sql in found if not sql.lstrip().lower().startswith("select")]
    assert (len(writes), writes) == (1, touching(found, "jobs_dispatch"))
    assert len(found) <= 4, found


def test_completing_deletes_one_row_and_writes_two(me: Api) -> None:
    make(me)
    held = take(me)
    found = touching(statements(held.complete), "jobs_")
    assert len(touching(found, "jobs_dispatch")) == 1, found
    # The job is looked up; the row goes, its end is written, it is told of, whoever waits for that is looked up, and
    # it is answered.
    assert len(found) <= 6, found
