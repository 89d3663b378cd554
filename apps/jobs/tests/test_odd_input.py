"""Bad input about jobs and queues: refused in words, and nothing is kept."""

from __future__ import annotations

from typing import Any

import pytest

from apps.jobs.tests.workers import claim, describe, make, take
from tests.client import Api
from tests.refusals import check_refusal
from tests.world import World

BIG = "x" * (256 * 1024)


def nested(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"payload": {"x": BIG}}, "payload_too_big"),
        ({"run_at": "9999-12-31T23:59:59Z"}, ""),
        ({"run_at": "0001-01-01T00:00:00"}, ""),
        ({"expires_at": "1970-01-01T00:00:00Z"}, ""),
        ({"deadline_at": "1970-01-01T00:00:00Z"}, ""),
        ({"deadline_at": "9999-12-31T23:59:59Z"}, ""),
        ({"delay_seconds": -1}, ""),
        ({"delay_seconds": 1e15}, ""),
        ({"delay_seconds": 5, "run_at": "2026-12-24T00:00:00Z"}, ""),
        ({"max_attempts": 0}, ""),
        ({"max_attempts": -1}, ""),
        ({"max_attempts": 10**18}, ""),
        ({"max_attempts": "3"}, ""),
        ({"priority": 101}, ""),
        ({"timeout_seconds": 0}, ""),
        ({"kind": ""}, ""),
        ({"kind": "x" * 300}, ""),
        ({"kind": "a b"}, ""),
        ({"kind": "é"}, ""),
        ({"queue": "x" * 300}, ""),
        ({"queue": "UPPER"}, ""),
        ({"queue": "../x"}, ""),
        ({"queue": ""}, ""),
        ({"key": "x" * 300}, ""),
        ({"concurrency_key": "x" * 300}, ""),
        ({"after": ["nonsense"]}, ""),
        ({"after": "nonsense"}, ""),
        ({"retry": {"factor": 0}}, ""),
        ({"retry": {"jitter": 2}}, ""),
        ({"retry": {"initial_seconds": -1}}, ""),
        ({"retry": {"more": 1}}, ""),
        ({"state": "succeeded"}, ""),
        ({"system": True}, ""),
        ({"attempt": 5}, ""),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(
    world: World, api: Api, said: dict[str, Any], code: str
) -> None:
    me = api.using(world.acorn.root_key)
    check_refusal(me.post("/v1/jobs", {"kind": "x", **said}), 422, code)
    assert me.get("/v1/jobs")["data"] == []


@pytest.mark.parametrize("name", ["kind", "key", "concurrency_key", "queue", "payload"])
def test_a_nul_is_refused_everywhere(world: World, api: Api, name: str) -> None:
    me = api.using(world.acorn.root_key)
    value: Any = {"a": "b\0c"} if name == "payload" else "b\0c"
    check_refusal(me.post("/v1/jobs", {"kind": "x", name: value}), 400)
    make(me)
    held = take(me)
    for answer in (
        held.complete("a\0b"),
        held.beat(message="a\0b"),
        held.fail("a\0b"),
        held.step("x", "a\0b"),
    ):
        check_refusal(answer, 400)
    assert held.complete("fine").status == 200


@pytest.mark.parametrize("depth", [1000, 100_000])
def test_deep_json_is_refused(world: World, api: Api, depth: int) -> None:
    raw = b'{"kind": "x", "payload": ' + b"[" * depth + b"]" * depth + b"}"
    answer = api.using(world.acorn.root_key).call("POST", "/v1/jobs", raw=raw)
    assert answer.status in (400, 422), answer.body


def test_payloads_and_results_of_the_limit_are_kept(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    make(me, payload="x" * (256 * 1024 - 2))
    held = take(me)
    check_refusal(held.complete(BIG), 422, "payload_too_big")
    check_refusal(held.step("x", BIG), 422, "payload_too_big")
    too_long = held.call("fail", error={"type": "x", "details": "x" * 40_000})
    check_refusal(too_long, 422, "payload_too_big")
    assert held.complete(nested(20)).status == 200


def test_odd_numbers_of_a_payload_come_back(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    payload = {"big": 2**53 - 1, "small": -1.5e-7, "": "", "ключ": [[], {}, None, True]}
    job = make(me, payload=payload)
    assert me.get(f"/v1/jobs/{job}")["payload"] == payload


@pytest.mark.parametrize(
    "rules",
    [
        {"name": "x" * 300},
        {"name": "a/b"},
        {"name": "ok", "max_in_flight": 0},
        {"name": "ok", "max_in_flight_per_key": 0},
        {"name": "ok", "weight": 0},
        {"name": "ok", "rate": {"count": 0, "seconds": 1}},
        {"name": "ok", "rate": {"count": 1, "seconds": 0}},
        {"name": "ok", "rate": {"count": 1}},
        {"name": "ok", "rate": 5},
        {"name": "ok", "rate_per_key": {"count": 0, "seconds": 1}},
        {"name": "ok", "rate_per_key": {"count": 1, "seconds": 0}},
        {"name": "ok", "rate_per_key": {"count": 1}},
        {"name": "ok", "rate_per_key": [2, 60]},
        {"name": "ok", "lease_seconds": 0},
        {"name": "ok", "lease_seconds": 10**9},
        {"name": "ok", "max_attempts": -1},
        {"name": "ok", "kinds": ["a b"]},
        {"name": "ok", "kinds": ["x"] * 101},
        {"name": "ok", "description": "x" * 501},
        {"name": "ok", "paused": True},
    ],
)
def test_a_queue_that_makes_no_sense_is_refused(world: World, api: Api, rules: dict[str, Any]) -> None:
    me = api.using(world.acorn.root_key)
    check_refusal(me.post("/v1/queues", rules), 422)
    assert me.get("/v1/queues")["data"] == []


@pytest.mark.parametrize(
    "said",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": -1},
        {"lease_seconds": 0},
        {"lease_seconds": 86_401},
        {"wait_seconds": -1},
        {"wait_seconds": 61},
        {"worker": "x" * 101},
        {"queue": "other"},
    ],
)
def test_a_claim_that_makes_no_sense_takes_nothing(world: World, api: Api, said: dict[str, Any]) -> None:
    me = api.using(world.acorn.root_key)
    make(me)
    check_refusal(me.post("/v1/queues/menus/claims", said), 422)
    assert len(claim(me)) == 1


def test_a_queue_that_takes_some_kinds_takes_no_others(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, kinds=["menu.read", "menu.write"])
    make(me, "menu.write")
    refused = me.post("/v1/jobs", {"queue": "menus", "kind": "menu.burn"})
    check_refusal(refused, 422, "kind_refused")
    assert refused["errors"][0]["field"] == "kind"


@pytest.mark.parametrize(
    "path", ["jobs/job_x", "jobs/1/cancel", "queues/UPPER", "queues/a%20b/claims", "queues/-a"]
)
def test_a_path_that_names_nothing_is_not_found(world: World, api: Api, path: str) -> None:
    method = "POST" if path.endswith(("cancel", "claims")) else "GET"
    assert (
        api.using(world.acorn.root_key).call(method, f"/v1/{path}", {} if method == "POST" else None).status
        == 404
    )
