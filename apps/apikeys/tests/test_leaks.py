"""Keys that were found in the open are ended by whoever finds them, and by nobody who only knows their ids."""

from __future__ import annotations

import re
from binascii import crc32

import pytest
from django.core import mail

from apps.apikeys.keyformat import _base62
from apps.apikeys.tests.making import change_index
from apps.core import clock
from apps.core.ids import decode
from tests.client import Answer, Api
from tests.world import Party, World

EVERYTHING = {"name": "made", "scopes": ["*"]}
URL = "https://code.example/acorn/menu/blob/1f/settings.py"


def report(*keys: str, **more: str) -> Answer:
    """A report by a stranger without any credential."""
    found = [{"key": key, "url": URL, "source": "commit", **more} for key in keys]
    answer = Api().post("/v1/leaked-keys", {"keys": found})
    assert answer.status == 200, answer
    return answer


def became(*keys: str) -> list[str]:
    """What became of these keys by a report."""
    return [one["status"] for one in report(*keys)["keys"]]


def says(secret: str) -> str:
    """The code that /v1/whoami answers to a key, or 'in'."""
    return Api(secret).get("/v1/whoami").code or "in"


@pytest.fixture
def north(world: World) -> Party:
    return world.acorn.parties["north"]


def test_a_leaked_key_ends_with_all_that_it_minted(world: World, north: Party) -> None:
    made = Api(north.agent_key).post(f"/v1/service-accounts/{north.service}/keys", EVERYTHING)["secret"]
    answer = report(north.agent_key)
    assert answer.body == {
        "keys": [{"key": north.agent_key_id, "status": "revoked"}],
        "revoked": 1,
    }
    assert (says(north.agent_key), says(made)) == ("key_revoked", "key_revoked")
    assert says(north.service_key) == "in"
    assert says(world.birch.parties["north"].agent_key) == "in"
    assert became(north.agent_key) == ["not_alive"]


def test_the_tenants_trail_says_where_it_was_found(world: World, north: Party) -> None:
    answer = report(north.agent_key)
    [event] = Api(north.person_key).get("/v1/audit?operation=leaked_keys.report")["data"]
    assert event["actor"] == {"kind": "system", "id": None, "name": "system"}
    assert event["resource"]["id"] == north.agent_key_id
    assert event["organization"]["id"] == north.id
    assert event["reason"] == f"found in the open: {URL} (commit)"
    assert event["request_id"] == answer.headers["Request-Id"]
    assert event["changes"][0]["fields"] == {"status": ["active", "revoked"]}
    south = world.acorn.parties["south"].person_key
    assert Api(south).get("/v1/audit?operation=leaked_keys.report")["data"] == []


def test_several_of_several_tenants_at_once(world: World, north: Party) -> None:
    keys = [north.agent_key, world.builders.agent_key, world.birch.root_key]
    assert became(*keys) == ["revoked"] * 3
    assert [says(key) for key in keys] == ["key_revoked"] * 3


def test_whoever_answers_for_it_gets_a_mail(
    world: World, north: Party, django_capture_on_commit_callbacks: object
) -> None:
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        report(north.agent_key, north.service_key)
    assert [one.to for one in mail.outbox] == [[north.email], [north.email]]
    assert URL in mail.outbox[0].body
    assert north.agent_key not in mail.outbox[0].body


@pytest.mark.parametrize("part", ["id", "kind", "secret", "end", "nothing", "ours"])
def test_who_does_not_hold_the_whole_key_neither_ends_nor_learns_of_it(
    world: World, north: Party, part: str
) -> None:
    head, _, tail = north.agent_key.rpartition("_")
    body = {
        "id": f"{head}_{'0' * (len(tail) - 6)}",
        "kind": north.agent_key.replace("_ag_", "_sk_")[:-6],
        "secret": f"{world.acorn.parties['south'].agent_key.rpartition('_')[0]}_{tail[:-6]}",
        "end": north.agent_key[:-6],
        "nothing": "pmk_live_ag_",
        "ours": "hello",
    }[part]
    forged = body if part in ("end", "nothing", "ours") else body + _base62(crc32(body.encode()), 6)
    assert became(forged) == ["unknown"]
    assert says(north.agent_key) == "in"


def test_the_secret_that_a_rotation_replaces_counts_while_it_works(world: World, north: Party) -> None:
    old = Api(north.agent_key).post("/v1/keys", EVERYTHING)
    new = Api(old["secret"]).post(f"/v1/keys/{old['id']}/rotate", {"overlap_seconds": 600})["secret"]
    assert became(old["secret"]) == ["revoked"]
    assert says(new) == "key_revoked"


def test_a_secret_that_a_rotation_ended_ends_nothing(world: World, north: Party) -> None:
    old = Api(north.agent_key).post("/v1/keys", EVERYTHING)
    new = Api(old["secret"]).post(f"/v1/keys/{old['id']}/rotate", {"overlap_seconds": 600})["secret"]
    change_index(decode(old["id"], "key"), previous_until=clock.now())
    assert became(old["secret"]) == ["not_alive"]
    assert says(new) == "in"


def test_a_publishable_key_may_be_read_by_everybody(world: World) -> None:
    assert became(world.acorn.publishable_key) == ["publishable"]
    assert says(world.acorn.publishable_key) == "in"


def test_who_has_a_key_may_report_too(world: World, north: Party) -> None:
    narrow = Api(north.agent_key).post("/v1/keys", {"name": "narrow", "scopes": ["users:read"]})["secret"]
    answer = Api(narrow).post("/v1/leaked-keys", {"keys": [{"key": north.service_key}]})
    assert (answer.status, answer["revoked"]) == (200, 1)


@pytest.mark.parametrize(
    "keys", [[], ["pmk"], [{"url": URL}], [{"key": "x", "owner": "me"}], [{"key": "x"}] * 101]
)
def test_a_report_is_checked(world: World, keys: object) -> None:
    assert Api().post("/v1/leaked-keys", {"keys": keys}).code == "validation_failed"


def test_an_address_may_report_so_many(world: World, settings: object) -> None:
    settings.PACKMULE_FAILURE_LIMIT = "5/36000"  # type: ignore[attr-defined]
    answers = [Api().post("/v1/leaked-keys", {"keys": [{"key": "no"}]}) for _ in range(6)]
    assert [answer.status for answer in answers] == [200] * 5 + [429]


def test_the_pattern_finds_keys_and_the_checksum_tells_them(world: World, north: Party) -> None:
    pattern = Api().get("/v1/leaked-keys/pattern")
    assert pattern.status == 200
    text = f'token = "{north.agent_key}", id={north.agent_key_id}, pmk_live_ag_nonsense'
    assert re.findall(pattern["regular_expression"], text) == [north.agent_key]
    assert len(north.agent_key) == pattern["length"]
    assert {kind["code"]: kind["secret"] for kind in pattern["kinds"]} == {
        "sk": True, "pk": False, "ag": True, "us": True,
    }  # fmt: skip


def test_nothing_else_is_open(world: World) -> None:
    for path in ("/v1/whoami", "/v1/keys", "/v1/users", "/v1/audit"):
        assert Api().get(path).code == "credential_missing"
    assert Api(world.acorn.root_key[:-1]).post("/v1/leaked-keys", {"keys": [{"key": "x"}]}).status == 401
