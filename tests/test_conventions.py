"""What holds for every call alike: headers, lists, versions, and the tenant that the caller expects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from apps.accounts.models import Agent
from apps.audit.models import Event
from apps.core import clock
from apps.core.etags import etag
from apps.core.ids import encode
from apps.core.operations import Risk, all_operations
from apps.core.routes import Route, routes
from apps.core.tests.test_reference import BY_PAGES
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.refusals import check_refusal
from tests.sweep.filling import Filled
from tests.sweep.stage import Stage, raised, undone
from tests.world import World

pytestmark = pytest.mark.sweep

ROUTES = routes()
LISTS = [route for route in ROUTES if route.operation.lists]
VERSIONED = [route for route in ROUTES if route.operation.versioned]
CHANGING = [route for route in ROUTES if route.operation.risk is not Risk.READ]


def _named(found: list[Route] | tuple[Route, ...]) -> list[str]:
    return [f"{route.method} {route.path}" for route in found]


@pytest.fixture(scope="module")
def stage(django_db_setup: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Stage]:
    """One stage for all routes, in a transaction that ends with the module."""
    with raised(django_db_setup, django_db_blocker) as made:
        yield made


def served(stage: Stage, route: Route, **headers: str) -> Answer:
    """The answer to a call that goes well, which is then undone."""
    caller, filled = stage.serving(route)
    with undone():
        return stage.send(route.method, filled, caller, None, **headers)


def test_every_operation_that_has_a_scope_of_the_api_is_reached_by_a_route() -> None:
    """One without a route is for commands and the admin alone, or for the pages of signing in; those are named here."""
    routed = {route.operation.name for route in ROUTES} | BY_PAGES
    unrouted = {found.name for found in all_operations() if found.name not in routed}
    assert {name.partition(".")[0] for name in unrouted} <= {"tenants", "installation"}, unrouted


@pytest.mark.parametrize("route", ROUTES, ids=_named(ROUTES))
def test_every_answer_says_where_it_acted_and_what_is_left(stage: Stage, route: Route) -> None:
    caller, filled = stage.serving(route)
    for sent in (filled, Filled(filled.path + "?nonsense=1", filled.body, {}, filled.cell)):
        with undone():
            answer = stage.send(route.method, sent, caller)
        assert answer.headers["Request-Id"].startswith("req_")
        assert answer.headers["Packmule-Tenant"] in {space.name for space in stage.spaces.values()}
        assert answer.headers["RateLimit-Policy"].startswith('"credential";q=')
        assert answer.headers["RateLimit"].startswith('"credential";r=')
    assert answer.status == 400
    with undone():
        first, second = (stage.send(route.method, filled, caller).headers["Request-Id"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize("route", ROUTES, ids=_named(ROUTES))
def test_the_status_is_the_one_that_is_promised(stage: Stage, route: Route) -> None:
    answer = served(stage, route)
    assert answer.status == route.answers
    verb = route.operation.name.partition(".")[2]
    if route.method == "POST" and verb.partition("-")[0] in ("create", "add"):
        assert answer.status == 201
    assert (not answer.response.content) == (answer.status == 204)


@pytest.mark.parametrize("route", ROUTES, ids=_named(ROUTES))
def test_the_caller_may_insist_on_a_tenant(stage: Stage, route: Route) -> None:
    caller, filled = stage.serving(route)
    named = served(stage, route).headers["Packmule-Tenant"]
    assert served(stage, route, packmule_expect_tenant=named).status == route.answers
    for other in ({"console", "birch/production", "acorn/production"} - {named}) | {"nobody", named.upper()}:
        with undone():
            answer = stage.send(route.method, filled, caller, packmule_expect_tenant=other)
            check_refusal(answer, 409, "tenant_mismatch")
            assert stage.is_as_it_was()


@pytest.mark.parametrize(
    "route", [r for r in ROUTES if r.method == "GET"], ids=_named([r for r in ROUTES if r.method == "GET"])
)
def test_head_answers_like_get_without_the_body(stage: Stage, route: Route) -> None:
    caller, filled = stage.serving(route)
    whole, head = stage.send("GET", filled, caller), stage.send("HEAD", filled, caller)
    assert (head.status, head.response.content) == (whole.status, b"")
    assert set(head.headers) == set(whole.headers)


@pytest.mark.parametrize("route", LISTS, ids=_named(LISTS))
def test_a_list_is_a_page(stage: Stage, route: Route) -> None:
    caller, filled = stage.serving(route)
    answer = served(stage, route)
    assert answer.body.keys() == {"data", "next_cursor"}
    assert isinstance(answer["data"], list)
    seen: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = stage.send("GET", Filled(filled.path, None, query, filled.cell), caller)
        assert (page.status, len(page["data"]) <= 1) == (200, True)
        seen, cursor = seen + page["data"], page["next_cursor"]
    assert seen == answer["data"]


# Versions.


@pytest.mark.parametrize("route", VERSIONED, ids=_named(VERSIONED))
def test_a_stale_version_is_refused_and_the_current_one_taken(stage: Stage, route: Route) -> None:
    caller, filled = stage.serving(route)
    for stale in (etag(2), etag(99), '"of-another-kind"'):
        with undone():
            answer = stage.send(route.method, filled, caller, if_match=stale)
            check_refusal(answer, 412, "version_mismatch")
            assert stage.is_as_it_was()
    for current in (etag(1), "*"):
        assert served(stage, route, if_match=current).status == route.answers


@pytest.mark.parametrize("route", ROUTES, ids=_named(ROUTES))
def test_the_version_in_an_answer_is_its_etag(stage: Stage, route: Route) -> None:
    answer = served(stage, route)
    version = answer.body.get("version") if isinstance(answer.body, dict) else None
    assert answer.headers.get("ETag") == (etag(version) if version else None)


def _changes_of_tagged() -> list[Route]:
    """Changes of a thing whose GET answers an ETag, and verbs on it that change the thing itself."""
    tagged = {
        route.path: route.operation.room
        for route in ROUTES
        if route.method == "GET"
        and not route.operation.lists
        and "version" in getattr(route.operation.output, "_declared_fields", {})
    }
    verbs = {f"{path}/{verb}" for path in tagged for verb in ("rotate", "suspend", "activate")}
    return [route for route in CHANGING if route.path in tagged.keys() | verbs]


@pytest.mark.parametrize("route", _changes_of_tagged(), ids=_named(_changes_of_tagged()))
def test_whatever_answers_an_etag_honours_if_match(stage: Stage, route: Route) -> None:
    assert served(stage, route, if_match=etag(99)).status == 412


def test_a_change_makes_the_next_version_and_no_change_none(world: World, api: Api) -> None:
    root, path = api.using(world.acorn.root_key), f"/v1/organizations/{world.acorn.parties['north'].id}"
    before = root.get(path)
    assert root.patch(path, {"name": before["name"]}).headers["ETag"] == before.headers["ETag"]
    changed = root.patch(path, {"name": "Other"}, if_match=before.headers["ETag"])
    assert changed.headers["ETag"] == etag(before["version"] + 1)
    check_refusal(
        root.patch(path, {"name": "Third"}, if_match=before.headers["ETag"]), 412, "version_mismatch"
    )
    assert root.get(path)["name"] == "Other"


# Pages over what happened at the same moment.


def test_rows_of_the_same_moment_come_once_each(world: World, api: Api) -> None:
    moment, north = clock.now(), world.acorn.parties["north"]
    with enter(world.acorn.ref):
        agents = [
            Agent.objects.create(
                name="same", organization_id=north.uuid, owner_kind="user", owner_name="", created_at=moment
            )
            for _ in range(9)
        ]
        for _ in range(9):
            Event.objects.create(
                at=moment, operation="x.y", risk="write", actor_kind="user", actor_name="", credential_kind="user",
                tenant="", home="", organization_id=north.uuid, request_id="req_same", edge="api",
            )  # fmt: skip
    client = api.using(north.agent_key)
    found = _walk(client, "/v1/agents", 2)
    assert sorted(found) == sorted([north.agent, *(encode("agt", agent.id) for agent in agents)])
    assert len(set(_walk(client, "/v1/audit?request=req_same", 2))) == 9


def _walk(client: Api, path: str, limit: int) -> list[str]:
    """The ids of a whole list, page by page."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        sign = "&" if "?" in path else "?"
        page = client.get(f"{path}{sign}limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        found, cursor = found + [row["id"] for row in page["data"]], page["next_cursor"]
    return found
