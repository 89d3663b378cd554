"""Every route with every kind of credential, on everybody's things.

Nobody is ever told, and nothing is ever written, beyond what the credential reaches: a thing of somebody else is
answered exactly like one that does not exist. Routes, bodies and ids come from the URL table and the inputs of the
operations, so that a new route is swept without being named here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from apps.core.routes import Route, routes
from apps.orgs.models import Organization
from apps.tenancy.walls import enter
from tests.sweep import traces
from tests.sweep.callers import Caller
from tests.sweep.cells import Cell
from tests.sweep.filling import Filled, NoExampleError, naming, plain
from tests.sweep.stage import Heard, Stage, raised, undone

ROUTES = routes()


@pytest.fixture(scope="module")
def stage(django_db_setup: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Stage]:
    """One stage for all routes, in a transaction that ends with the module."""
    with raised(django_db_setup, django_db_blocker) as made:
        yield made


@pytest.mark.sweep
@pytest.mark.parametrize("route", ROUTES, ids=[f"{route.method} {route.path}" for route in ROUTES])
def test_nobody_reaches_beyond_their_own(stage: Stage, route: Route) -> None:
    served = [caller.name for caller in stage.callers if _sweep(stage, route, caller)]
    assert served, (
        f"Nobody got through {route.method} {route.path}, so this sweep proves nothing about it. Give it a body in "
        "BODIES, or a thing that it can act on, in tests/sweep/examples.py."
    )


def _sweep(stage: Stage, route: Route, caller: Caller) -> bool:
    """Make every call of `caller` to `route`; True when one about its own things went well."""
    own = stage.cells[caller.own]
    filled = plain(route, own)
    if filled is None:
        filled = plain(route, stage.cells["nowhere"])
        assert filled is not None
    mine = stage.call(route.method, filled, caller)
    _complain_about_scope(route, caller, mine)
    if caller.refused is None:
        nothing = {one.foreign: one for one in naming(route, own, stage.cells["nowhere"])}
        heard = {where: stage.call(route.method, one, caller) for where, one in nothing.items()}
        near = _calls_within_reach(stage, route, caller)
        for target in caller.targets:
            _sweep_target(stage, route, caller, stage.cells[target], heard, mine, near)
    return mine.status < 400


def _complain_about_scope(route: Route, caller: Caller, heard: Heard) -> None:
    """Fail when a credential did what it was not given, or was said to lack what it was given."""
    if caller.refused is not None or route.operation.open:
        return
    lacks = not caller.holds(route.operation.scope)
    where = f"{route.method} {route.path} by {caller.name}, who was given {', '.join(caller.scopes)}"
    assert heard.status == 403 or not lacks, f"{where}, answered {heard.status}: {heard.text}"
    assert lacks or '"code":"scope_missing"' not in heard.text, f"{where}, was refused: {heard.text}"


def _sweep_target(
    stage: Stage,
    route: Route,
    caller: Caller,
    other: Cell,
    nothing: dict[str, Heard],
    mine: Heard,
    near: list[Any],
) -> None:
    """Name the things of `other`, unless that asks the same as a call in `near`, which grows with each."""
    own = stage.cells[caller.own]
    for filled in naming(route, own, other):
        if _asked(filled) in near:
            continue
        near.append(_asked(filled))
        answer = stage.call(route.method, filled, caller)
        expected = nothing[filled.foreign]
        where = f"{route.method} {filled.path} {filled.body or filled.query or ''} by {caller.name}"
        things = {*other.things.values(), *stage.cells["nowhere"].things.values()}
        assert answer.neutral(things) == expected.neutral(things), (
            f"{where}: a thing of {other.name} is answered differently from one that does not exist:\n"
            f"{answer.text}\n--- and for nothing:\n{expected.text}"
        )
        if mine.status < 400 and filled.foreign == "path":
            assert answer.status == 404, f"{where} answered {answer.status} for a thing of {other.name}"


def _calls_within_reach(stage: Stage, route: Route, caller: Caller) -> list[Any]:
    """What is asked when the things are the caller's to reach. The twins' ids are the same, and so are these calls."""
    own = stage.cells[caller.own]
    cells = [own, *(stage.cells[name] for name in caller.reach)] if own.name in caller.reach else []
    return [_asked(filled) for cell in cells for filled in naming(route, own, cell)]


def _asked(filled: Filled) -> tuple[Any, ...]:
    return filled.path, filled.body, filled.query


def test_each_credential_opens_what_it_should_and_nothing_else(stage: Stage) -> None:
    """Or a caller that is refused everything would pass the sweep unnoticed."""
    whoami = Filled("/v1/whoami", None, {}, stage.cells["nowhere"])
    for caller in stage.callers:
        heard = stage.send("GET", whoami, caller)
        assert heard.status == (caller.refused or 200), f"{caller.name} got {heard}"
        if caller.refused is None:
            where = stage.spaces[caller.own.partition("/")[0]].name
            assert heard.headers["Packmule-Tenant"] == where, f"{caller.name} got {heard}"
    assert len({caller.name for caller in stage.callers}) == len(stage.callers)


def test_the_sweep_notices_what_a_call_writes_elsewhere(stage: Stage) -> None:
    """What the sweep relies on: the database tells of writes in any schema, also of those that were undone."""
    birch = stage.spaces["birch"]
    before = stage.attempts = traces.attempts()
    with enter(birch.ref), undone():
        Organization.objects.update(name="changed")
        assert traces.rows_of(birch) != stage.rows["birch"]
    stage.attempts = traces.attempts()
    assert traces.written(before, stage.attempts) == {(birch.ref.schema_name, "orgs_organization")}
    assert traces.rows_of(birch) == stage.rows["birch"]


def test_every_cell_can_be_told_from_every_other(stage: Stage) -> None:
    marks = {cell.mark for cell in stage.cells.values()}
    assert len(marks) == len(stage.cells)
    twins = stage.cells["acorn/north"], stage.cells["birch/north"]
    shared = {
        "org",
        "usr",
        "mem",
        "dlg",
        "rol",
        "tea",
        "inv",
        "agt",
        "svc",
        "aud",
        "evt",
        "evy",
        "event_type",
        "thing",
        "kind",
        "bare_org",
        "col",
        "collection",
        "empty_collection",
        "rec",
        "bkt",
        "bucket",
        "file",
        "number",
        "preset",
        "oac",
        "oag",
        "ses",
        "sip",
        "job",
        "dead_job",
        "name",
        "queue",
        "que",
        "pushed_queue",
        "sch",
        "whe",
        "dlv",
    }
    assert {name for name, thing in twins[0].things.items() if twins[1].things[name] == thing} == shared
    # Keys and hand-offs are rows of the registry, where one id cannot be in two tenants.
    assert twins[0].things.keys() - shared == {"key", "hof"}


def test_a_route_that_cannot_be_filled_says_where_to_add_an_example(stage: Stage) -> None:
    route = next(route for route in ROUTES if route.path == "/v1/agents/{agent_id}")
    empty = Cell("nowhere")
    with pytest.raises(NoExampleError, match=r"cannot fill \{agent_id\}.*tests/sweep/examples\.py"):
        list(naming(route, empty, empty))
