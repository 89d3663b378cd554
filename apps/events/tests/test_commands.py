"""The log from a terminal."""

from __future__ import annotations

import json
import time
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from apps.events import following
from tests.client import Api
from tests.world import World


def run(*words: str) -> list[Any]:
    """What a command prints, line by line."""
    out = StringIO()
    call_command(*words, "--json", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def root(world: World, api: Api, settings: Any) -> Api:
    settings.PACKMULE_KEY = world.acorn.root_key
    return api.using(world.acorn.root_key)


def test_a_type_is_declared_and_an_event_published_and_read(root: Api) -> None:
    (before,) = run("events", "list", "--after", "latest")
    run("event_types", "create", "--name", "order.paid", "--schema", '{"type": "object"}')
    (told,) = run(
        "events", "publish", "--type", "order.paid", "--data", '{"total": 1}', "--subject", "order 1"
    )
    (page,) = run("events", "list", "--after", before["next_cursor"], "--types", "order.*,event_type.*")
    assert [one["type"] for one in page["data"]] == ["event_type.created", "order.paid"]
    assert page["data"][1] == told == run("events", "get", told["id"])[0]
    assert run("event_settings", "get") == [{"kept_days": 30}]


def test_following_prints_a_line_each_and_from_where_to_go_on(root: Api) -> None:
    start = root.get("/v1/events?after=latest")["next_cursor"]
    for name in ("one", "two", "three"):
        root.post("/v1/agents", {"name": name, "role": "viewer"})
    *events, end = run("events", "follow", "--after", start, "--types", "agent.*", "--count", "2")
    assert [one["type"] for one in events] == ["agent.created"] * 2
    assert end["events"] == 2
    *events, end = run(
        "events", "follow", "--after", end["next_cursor"], "--types", "agent.*", "--seconds", "0.1"
    )
    assert len(events) == end["events"] == 1


def test_following_ends_well_when_somebody_interrupts() -> None:
    said: list[str] = []
    pages = iter([{"data": [{"n": 1}], "next_cursor": "there"}])

    def read(_query: Any) -> dict[str, Any]:
        try:
            return next(pages)
        except StopIteration:
            raise KeyboardInterrupt from None

    assert following.follow(read, said.append, "latest") == {"next_cursor": "there", "events": 1}
    assert said == ['{"n":1}']


def test_following_rests_where_the_server_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    empty = [{"data": [], "next_cursor": "here"}] * 3
    asked: list[Any] = []

    def read(query: Any) -> dict[str, Any]:
        asked.append(query)
        if len(asked) > len(empty):
            raise KeyboardInterrupt
        return empty[0]

    following.follow(read, print, "latest")
    assert len(naps) == 3
    assert all(0.5 < nap <= 1 for nap in naps)
    assert asked[1] == {"after": "here", "limit": "200", "wait_seconds": "20"}
