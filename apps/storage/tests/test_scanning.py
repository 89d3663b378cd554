"""Files that a scanner looks at before anybody gets them: clamd's protocol against a clamd of our own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import LazySettings

from apps.core import clock
from apps.storage.tests.clamd import Clamd, running
from apps.storage.tests.parcels import (
    PNG,
    announce,
    another_version,
    arrive,
    content_of,
    make_bucket,
    stored,
    uploaded,
)
from tests.client import Api
from tests.world import World

BAD = PNG + b"EICAR"


@pytest.fixture
def clamd(settings: LazySettings) -> Iterator[Clamd]:
    with running() as made:
        settings.PACKMULE_SCANNER = made.url
        yield made


@pytest.fixture
def me(world: World, api: Api) -> Api:
    make_bucket(world.acorn)
    return api.using(world.acorn.parties["north"].person_key)


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


def test_a_clean_file_is_handed_out(world: World, me: Api, clamd: Clamd) -> None:
    path = uploaded(world.acorn, me)
    assert (me.get(path)["scan"], clamd.scanned) == ("clean", [PNG])
    assert content_of(me, path) == PNG


def test_an_infected_file_is_handed_out_to_nobody(world: World, me: Api, clamd: Clamd) -> None:
    path = uploaded(world.acorn, me, BAD)
    found = me.get(path)
    assert (found["status"], found["scan"]) == ("quarantined", "infected")
    for way in ("content", "link", "content?version=1"):
        refused = me.get(f"{path}/{way}")
        assert (refused.status, refused.code) == (409, "file_quarantined")
    assert me.post(f"{path}/versions/1/restore").code == "file_quarantined"
    assert stored(me) == {"photos": (len(BAD), 1)}
    me.delete(path)
    assert me.post(f"{path}/restore")["status"] == "quarantined"


def test_an_infected_version_does_not_replace_a_clean_one(world: World, me: Api, clamd: Clamd) -> None:
    path = uploaded(world.acorn, me)
    after = another_version(world.acorn, me, path, BAD)
    assert (after["status"], after["current_version"], after["scan"]) == ("ready", 1, "clean")
    assert [row["status"] for row in me.get(f"{path}/versions")["data"]] == ["quarantined", "ready"]
    assert content_of(me, path) == PNG


def test_nobody_gets_what_could_not_be_scanned_until_it_was(
    world: World, me: Api, root: Api, settings: LazySettings, clamd: Clamd
) -> None:
    away, settings.PACKMULE_SCANNER = settings.PACKMULE_SCANNER, "clamav://127.0.0.1:1"
    good, bad = uploaded(world.acorn, me), uploaded(world.acorn, me, BAD)
    assert (me.get(good)["status"], me.get(good)["scan"]) == ("ready", "pending")
    refused = me.get(f"{good}/content")
    assert (refused.status, refused.code, refused["retryable"]) == (409, "scan_pending", True)
    assert refused.headers["Retry-After"]
    assert root.post("/v1/storage/lifecycle")["scanned"] == 0
    settings.PACKMULE_SCANNER = away
    with clock.frozen(clock.now() + timedelta(minutes=15)):
        assert root.post("/v1/storage/lifecycle")["scanned"] == 2
    assert content_of(me, good) == PNG
    assert (me.get(bad)["status"], me.get(bad)["scan"]) == ("quarantined", "infected")
    assert root.post("/v1/storage/lifecycle")["scanned"] == 0


@pytest.mark.parametrize("said", [b"stream: Something ERROR", b"", b"what?"])
def test_an_answer_that_is_no_verdict_is_none(world: World, me: Api, clamd: Clamd, said: bytes) -> None:
    clamd.says = said
    assert me.get(uploaded(world.acorn, me))["scan"] == "pending"


def test_what_the_scanner_finds_too_long_is_kept_whole_and_waits(world: World, me: Api, clamd: Clamd) -> None:
    content = PNG + bytes(3_000_000)
    made = announce(me, content)
    arrive(world.acorn, made["id"], content)
    done = me.post(f"/v1/files/{made['id']}/complete")
    assert (done["scan"], done["size"]) == ("pending", len(content))
