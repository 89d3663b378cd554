"""The budgets of the design, measured: the length of functions and files, tables, and the queries of a list."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from apps.core.routes import Route, routes
from apps.tenancy.schema import tables_of
from tests.sweep.callers import Caller
from tests.sweep.filling import Filled, plain
from tests.sweep.stage import Stage, raised, undone

LISTS = [route for route in routes() if route.operation.lists]
#: What a list of five rows may cost: at home, and where a key of the console acts in an environment.
AT_HOME, AWAY = 4, 8
#: Lists that are known to need one more than that, and for what.
_ONE_MORE = {
    "keys.list": "whether a key is alive is said in the registry, which no tenant's role reads",
    "hand_offs.list": "whether the sessions that they came from go on is said by those",
    "keys.activity": "which keys were made with it is said in the registry",
    "environments.list": "the application has to be there",
    "members.list": "the organization has to be there, for who does not act in it",
    "invitations.list": "the organization has to be there, for who does not act in it",
    "teams.list": "the organization has to be there, for who does not act in it",
    "teams.members": "the team has to be there",
    "records.list": "the collection says what its records are like, and who reads them",
    "collections.versions": "the collection has to be there",
    "files.versions": "the file has to be there",
    "files.derivatives": "the file has to be there",
    "webhook_endpoints.deliveries": "the endpoint has to be there",
    "jobs.attempts": "the job has to be there",
    "jobs.steps": "the job has to be there",
    "timeline.get": "a thing of which nothing is told is answered with 404",
}
#: Callers who cost one more, and for what.
_DEARER = {
    "the tenant inside north": "finding the organization that it named and is not bound to",
    "an agent on behalf of north's person": "finding the delegation",
    "a machine's token": "whether somebody behind its client is stopped is said in the registry",
    "a machine's narrowed token": "whether somebody behind its client is stopped is said in the registry",
}


def sources() -> list[Path]:
    """Every file of the platform's own code, without migrations and tests."""
    found = [path for room in ("apps", "config") for path in (settings.BASE_DIR / room).rglob("*.py")]
    return sorted(path for path in found if not {"migrations", "tests"} & set(path.parts))


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield (
                f"{path.relative_to(settings.BASE_DIR)}:{node.lineno} {node.name}",
                node.end_lineno - node.lineno + 1,
            )


def test_functions_are_short() -> None:
    lengths = dict(found for path in sources() for found in _functions(path))
    long = {name: length for name, length in lengths.items() if length > 35}
    assert median(lengths.values()) <= 8
    assert len(long) <= 0.05 * len(lengths), (
        f"{len(long)} of {len(lengths)} functions are over 35 lines: {long}"
    )


def test_files_are_short() -> None:
    lengths = {
        str(path.relative_to(settings.BASE_DIR)): len(path.read_text().splitlines()) for path in sources()
    }
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_an_environment_stays_small() -> None:
    assert len(tables_of("environment")) <= 60, tables_of("environment")


@pytest.fixture(scope="module")
def stage(django_db_setup: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Stage]:
    """One stage for all lists, in a transaction that ends with the module."""
    with raised(django_db_setup, django_db_blocker) as made:
        for caller in made.callers:
            # The first use of a session within a minute is written down, and those of the next are not.
            made.send("GET", Filled("/v1/whoami", None, {}, made.cells[caller.own]), caller)
        yield made


@pytest.mark.sweep
@pytest.mark.parametrize("route", LISTS, ids=[route.path for route in LISTS])
def test_a_list_of_five_costs_few_queries(stage: Stage, route: Route) -> None:
    """With every kind of credential for which it works. Switches of path and role ride along and are not counted."""
    costs = {}
    for caller in stage.callers:
        filled = plain(route, stage.cells[caller.own]) if caller.refused is None else None
        if filled is not None:
            cost = _cost(stage, filled, caller)
            if cost is not None:
                costs[caller.name] = cost
    assert costs, f"nobody may read {route.path}"
    for name, cost in costs.items():
        allowed = AT_HOME + (route.operation.name in _ONE_MORE) + (name in _DEARER)
        allowed = AWAY if " in their " in name else allowed
        assert cost <= allowed, (
            f"{route.path} costs {name} {cost} queries, and {allowed} are allowed: {costs}"
        )


def _cost(stage: Stage, filled: Filled, caller: Caller) -> int | None:
    """How many statements a call of five rows takes; None when the caller may not make it."""
    costs = set()
    for limit in ("1", "5"):
        asked = Filled(filled.path, None, {"limit": limit}, filled.cell)
        # Django keeps 9,000 of them, and finds nothing new in a list that is full.
        connection.queries_log.clear()
        with undone(), CaptureQueriesContext(connection) as seen:
            if stage.send("GET", asked, caller).status != 200:
                return None
        cost = sum("SAVEPOINT" not in query["sql"] for query in seen.captured_queries)
        assert cost, f"{filled.path}: nothing was asked"
        costs.add(cost)
    assert len(costs) == 1, f"{filled.path} costs {caller.name} more with more rows: {costs}"
    return costs.pop()
