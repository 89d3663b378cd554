"""Repeating a POST: carried out once, answered as before, however often and from however many threads it comes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_django import DjangoDbBlocker

from apps.core import clock
from apps.core.idempotency import KEPT_FOR
from apps.core.models import IdempotencyRecord
from apps.core.routes import Route, routes
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.refusals import check_refusal
from tests.sweep import traces
from tests.sweep.filling import Filled
from tests.sweep.stage import Stage, raised, undone
from tests.world import World

pytestmark = pytest.mark.sweep

POSTS = [route for route in routes() if route.method == "POST"]
NEW = {"name": "New", "slug": "new"}


@pytest.fixture(scope="module")
def stage(django_db_setup: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Stage]:
    """One stage for all routes, in a transaction that ends with the module."""
    with raised(django_db_setup, django_db_blocker) as made:
        yield made


@pytest.mark.parametrize("route", POSTS, ids=[f"{route.method} {route.path}" for route in POSTS])
def test_every_post_is_carried_out_once(stage: Stage, route: Route) -> None:
    """The second answer is the first one, and nothing more was written than the first time."""
    caller, filled = stage.serving(route)
    with undone():
        first = stage.send("POST", filled, caller, idempotency_key="once")
        assert first.status < 300
        assert "Idempotency-Replayed" not in first.headers
        rows = [stage.rows_now(title) for title in stage.spaces]
        second = stage.send("POST", filled, caller, idempotency_key="once")
        assert [stage.rows_now(title) for title in stage.spaces] == rows
        changed = {**(filled.body or {}), "reason": "another"}
        other = Filled(filled.path, changed, {}, filled.cell, media_type=filled.media_type)
        third = stage.send("POST", other, caller, idempotency_key="once")
    if route.operation.shows_secret:
        shown = str(first.body.get("id", ""))
        _check_renewal(route, shown, check_refusal(second, 409, "secret_already_shown"))
    else:
        assert (second.status, second.response.content) == (first.status, first.response.content)
        assert second.headers["Idempotency-Replayed"] == "true"
        assert second.headers.get("ETag") == first.headers.get("ETag")
    assert third.status == 422


def _check_renewal(route: Route, shown: str, problem: dict[str, Any]) -> None:
    """The refusal leads to a call that gives another secret for the same thing, where there is one."""
    if route.operation.renewal is None:
        assert "another Idempotency-Key" in problem["detail"]
        return
    path = problem["remedy"]["api"]["path"]
    (renewal,) = [one for one in POSTS if re.sub(r"{\w+}", shown, one.path) == path]
    assert renewal.operation.shows_secret
    assert renewal.operation.room.replace("_", "-") in path


def _secret_in(route: Route, answer: Answer) -> str:
    """The secret that an answer shows, wherever it stands."""
    if route.operation.name == "environments.open":
        return str(parse_qs(urlsplit(answer["url"]).query)["code"][0])
    if route.path.endswith("/stream"):
        return str(answer["url"]).rpartition("/")[2]
    return str(answer["secret"])


@pytest.mark.parametrize("route", [r for r in POSTS if r.operation.shows_secret], ids=lambda r: r.path)
def test_a_secret_is_kept_nowhere(stage: Stage, route: Route) -> None:
    caller, filled = stage.serving(route)
    with undone():
        secret = _secret_in(route, stage.send("POST", filled, caller, idempotency_key="once"))
        kept = "".join(traces.texts_of(space) for space in stage.spaces.values())
        kept += traces.texts_of_registry()
    assert len(secret) >= 32
    for part in (secret, secret.rpartition("_")[2]):
        assert part not in kept
        assert part.encode().hex() not in kept
    # One that only has to be recognised is kept as its digest; one that has to sign is sealed.
    assert filled.cell.mark in kept, "the search sees nothing"
    assert sha256(secret.encode()).hexdigest() in kept or "pms1." in kept, "the search sees nothing"


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


def test_another_call_under_the_same_key_is_refused(world: World, root: Api) -> None:
    assert root.post("/v1/organizations", NEW, idempotency_key="k").status == 201
    for path, body in (("/v1/organizations", {**NEW, "name": "Newer"}), ("/v1/agents", {"name": "New"})):
        check_refusal(root.post(path, body, idempotency_key="k"), 422, "idempotency_key_reused")
    inside = root.sending(packmule_organization=world.acorn.parties["north"].id)
    assert inside.post("/v1/agents", {"name": "New"}, idempotency_key="k").code == "idempotency_key_reused"
    assert root.post("/v1/organizations", {"slug": "new", "name": "New"}, idempotency_key="k").status == 201


def test_what_was_refused_is_refused_again_in_the_same_words(root: Api) -> None:
    taken = {"name": "North", "slug": "north"}
    first = root.post("/v1/organizations", taken, idempotency_key="k")
    check_refusal(first, 409, "slug_taken")
    second = root.post("/v1/organizations", taken, idempotency_key="k")
    assert second.response.content == first.response.content
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.headers["Content-Type"] == "application/problem+json"


def test_a_key_belongs_to_its_credential(world: World, api: Api) -> None:
    """The twin's, the tenant's and two organizations' credentials: each has keys of its own."""
    acorn, birch = world.acorn, world.birch
    keys = (
        acorn.root_key,
        birch.root_key,
        acorn.parties["north"].agent_key,
        acorn.parties["south"].agent_key,
    )
    made = [api.using(key).post("/v1/agents", {"name": "A"}, idempotency_key="k") for key in keys]
    assert [answer.status for answer in made] == [201] * 4
    assert len({answer["id"] for answer in made}) == 4
    assert not any("Idempotency-Replayed" in answer.headers for answer in made)


def test_it_is_kept_at_home_for_who_acts_away(world: World, api: Api) -> None:
    builder = api.using(world.builders.agent_key)
    away = builder.sending(packmule_environment="acorn/production")
    first = away.post("/v1/organizations", NEW, idempotency_key="k")
    assert first.status == 201
    assert away.post("/v1/organizations", NEW, idempotency_key="k")["id"] == first["id"]
    with enter(world.acorn.ref):
        assert not IdempotencyRecord.objects.exists()
    with enter(world.console.ref):
        assert IdempotencyRecord.objects.get().key == "k"
    here = builder.post("/v1/organizations", NEW, idempotency_key="k")
    assert here.status in (403, 422), here


def test_a_refusal_that_may_pass_is_not_kept(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    viewer = api.using(north.viewer_key)
    assert viewer.post("/v1/agents", {"name": "A"}, idempotency_key="k").status == 403
    assert api.using("pmk_nonsense").post("/v1/agents", {"name": "A"}, idempotency_key="k").status == 401
    with enter(world.acorn.ref):
        assert not IdempotencyRecord.objects.exists()


def test_it_is_kept_for_a_day(root: Api) -> None:
    with clock.frozen(clock.now()) as now:
        first = root.post("/v1/agents", {"name": "A"}, idempotency_key="k")
        now.move(KEPT_FOR - timedelta(seconds=1))
        assert root.post("/v1/agents", {"name": "A"}, idempotency_key="k")["id"] == first["id"]
        now.move(timedelta(seconds=2))
        later = root.post("/v1/agents", {"name": "A"}, idempotency_key="k")
        assert (later.status, later["id"] == first["id"]) == (201, False)
        assert root.post("/v1/agents", {"name": "A"}, idempotency_key="k")["id"] == later["id"]


def test_a_person_may_repeat_what_gave_them_a_second_organization(world: World, api: Api) -> None:
    person = api.using(world.acorn.parties["north"].person_key)
    first = person.post("/v1/organizations", NEW, idempotency_key="k")
    assert first.status == 201
    assert person.post("/v1/organizations", NEW, idempotency_key="k").status == 201
