"""Files that a scanner looks at before anybody gets them: clamd's protocol against a clamd of our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.conf import LazySettings

from apps.core import clock
from apps.storage import scanning, turns
from apps.storage.errors import ScannerUnreachable
from apps.storage.models import FileVersion, Scan
from apps.storage.stores.local import LocalStore
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
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World

BAD = PNG + b"EICAR"
NOWHERE = "clamav://127.0.0.1:1"
LATER = timedelta(minutes=15)


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
    away, settings.PACKMULE_SCANNER = settings.PACKMULE_SCANNER, NOWHERE
    good, bad = uploaded(world.acorn, me), uploaded(world.acorn, me, BAD)
    assert (me.get(good)["status"], me.get(good)["scan"]) == ("ready", "pending")
    refused = me.get(f"{good}/content")
    assert (refused.status, refused.code, refused["retryable"]) == (409, "scan_pending", True)
    assert refused.headers["Retry-After"]
    assert root.post("/v1/storage/lifecycle")["scanned"] == 0
    settings.PACKMULE_SCANNER = away
    with clock.frozen(clock.now() + LATER):
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


@pytest.fixture
def waiting(world: World, me: Api, clamd: Clamd, settings: LazySettings) -> str:
    """The path of a file with a clean content and another one that came while the scanner was away."""
    path = uploaded(world.acorn, me)
    settings.PACKMULE_SCANNER = NOWHERE
    after = another_version(world.acorn, me, path, PNG + b"2")
    assert (after.status, after["current_version"], after["waiting_version"]) == (200, 1, 2)
    settings.PACKMULE_SCANNER = clamd.url
    return path


def scan_later(root: Api) -> int:
    with clock.frozen(clock.now() + LATER):
        return int(root.post("/v1/storage/lifecycle")["scanned"])


def test_what_nobody_looked_at_replaces_no_clean_content(me: Api, root: Api, waiting: str) -> None:
    assert content_of(me, waiting) == PNG
    found = [(row["number"], row["status"], row["scan"]) for row in me.get(f"{waiting}/versions")["data"]]
    assert found == [(2, "ready", "pending"), (1, "ready", "clean")]
    assert me.get(f"{waiting}/content?version=2").code == "scan_pending"
    assert me.post(f"{waiting}/complete")["waiting_version"] == 2
    assert scan_later(root) == 1
    after = me.get(waiting)
    assert (after["current_version"], after["waiting_version"], after["scan"]) == (2, 0, "clean")
    assert content_of(me, waiting) == PNG + b"2"


def test_what_is_found_infected_later_replaces_nothing(
    me: Api, root: Api, waiting: str, clamd: Clamd
) -> None:
    clamd.says = b"stream: Eicar-Signature FOUND"
    assert scan_later(root) == 1
    after = me.get(waiting)
    assert (after["current_version"], after["waiting_version"], after["status"]) == (1, 0, "ready")
    assert [row["status"] for row in me.get(f"{waiting}/versions")["data"]] == ["quarantined", "ready"]
    assert content_of(me, waiting) == PNG


def test_an_older_one_that_is_found_clean_later_stays_a_version(
    world: World, me: Api, root: Api, waiting: str
) -> None:
    after = another_version(world.acorn, me, waiting, PNG + b"3")
    assert (after["current_version"], after["waiting_version"]) == (3, 0)
    assert scan_later(root) == 1
    assert me.get(waiting)["current_version"] == 3
    assert {row["scan"] for row in me.get(f"{waiting}/versions")["data"]} == {"clean"}


def test_what_was_superseded_does_not_replace_what_was_restored(
    world: World, me: Api, root: Api, waiting: str
) -> None:
    another_version(world.acorn, me, waiting, PNG + b"3")
    back = me.post(f"{waiting}/versions/1/restore")
    assert (back["current_version"], back["waiting_version"]) == (1, 0)
    assert scan_later(root) == 1
    assert me.get(waiting)["current_version"] == 1


def test_what_is_newer_than_all_replaces_what_was_restored(
    world: World, me: Api, root: Api, clamd: Clamd, settings: LazySettings
) -> None:
    path = uploaded(world.acorn, me)
    another_version(world.acorn, me, path, PNG + b"2")
    settings.PACKMULE_SCANNER = NOWHERE
    another_version(world.acorn, me, path, PNG + b"3")
    settings.PACKMULE_SCANNER = clamd.url
    assert me.post(f"{path}/versions/1/restore")["waiting_version"] == 3
    assert scan_later(root) == 1
    assert me.get(path)["current_version"] == 3


def test_who_scans_has_a_place(
    world: World, root: Api, waiting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_PATIENCE_FOR_PLACE", 0.01)
    with enter(world.acorn.ref), ExitStack() as held:
        for _ in range(2):  # as many as one tenant has
            held.enter_context(turns.place())
        assert scan_later(root) == 0
    assert scan_later(root) == 1


def test_neither_the_current_one_goes_nor_the_one_that_waits(
    world: World, me: Api, root: Api, settings: LazySettings, clamd: Clamd
) -> None:
    root.patch("/v1/buckets/photos", {"versions_kept": 1})
    path = uploaded(world.acorn, me)
    settings.PACKMULE_SCANNER = NOWHERE
    for more in (b"2", b"3"):
        another_version(world.acorn, me, path, PNG + more)
    assert [row["number"] for row in me.get(f"{path}/versions")["data"]] == [3, 1]
    assert content_of(me, path) == PNG
    settings.PACKMULE_SCANNER = clamd.url
    assert scan_later(root) == 1
    assert [row["number"] for row in me.get(f"{path}/versions")["data"]] == [3]
    assert content_of(me, path) == PNG + b"3"
    assert stored(me) == {"photos": (len(PNG) + 1, 1)}


def test_a_deleted_file_stays_deleted_whatever_the_scanner_says(me: Api, root: Api, waiting: str) -> None:
    me.delete(waiting)
    assert scan_later(root) == 1
    assert me.get(waiting).code == "not_found"
    back = me.post(f"{waiting}/restore")
    assert (back["status"], back["scan"], back["current_version"]) == ("ready", "clean", 2)


def test_the_trail_says_what_the_scanner_found(me: Api, root: Api, waiting: str) -> None:
    with clock.frozen(clock.now() + LATER):
        assert root.post("/v1/storage/lifecycle")["scanned"] == 1
        told = root.get(f"/v1/audit?resource={waiting.rpartition('/')[2]}")["data"]
    (entry,) = (entry for entry in told if entry["operation"] == "storage.run-lifecycle")
    changed = {field for change in entry["changes"] for field in change["fields"]}
    assert {"scan", "current", "waiting"} <= changed


def test_a_scanner_that_is_away_is_asked_once(
    world: World, me: Api, root: Api, clamd: Clamd, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PACKMULE_SCANNER = NOWHERE
    for _ in range(3):
        uploaded(world.acorn, me)
    settings.PACKMULE_SCANNER = clamd.url
    asked: list[bool] = []

    def away(_chunks: Iterator[bytes]) -> Scan:
        asked.append(True)
        raise ScannerUnreachable

    with clock.frozen(clock.now() + LATER) as moved:
        with monkeypatch.context() as broken:
            broken.setattr(scanning, "ask", away)
            assert [root.post("/v1/storage/lifecycle")["scanned"] for _ in range(2)] == [0, 0]
        with enter(world.acorn.ref):
            first, _, last = FileVersion.objects.order_by("due_at").values_list("due_at", flat=True)
        assert (len(asked), first > moved.at, last > first) == (1, True, True)
        moved.move(LATER)
        assert root.post("/v1/storage/lifecycle")["scanned"] == 3


def test_a_part_of_a_content_that_is_clean_says_nothing_of_the_whole(
    world: World, root: Api, waiting: str, clamd: Clamd, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = LocalStore.read
    with monkeypatch.context() as broken:
        broken.setattr(LocalStore, "read", lambda *args: iter([next(read(*args))[:10]]))
        assert scan_later(root) == 0
    assert clamd.scanned[-1] == PNG[:10]
    with clock.frozen(clock.now() + 2 * LATER):
        assert root.post("/v1/storage/lifecycle")["scanned"] == 1


def test_a_word_in_between_takes_nothing_from_the_silence_after_it(world: World, me: Api) -> None:
    announce(me)
    longest = timedelta(seconds=30)
    with enter(world.acorn.ref), clock.frozen(clock.now()) as moved:
        version = FileVersion.objects.get()
        mine = turns._taken(version)
        assert mine is not None
        with mine.silent(longest):
            moved.move(longest + turns.LASTS * 0.6)
            mine.go_on()
            moved.move(longest)
            assert turns._taken(version) is None
        moved.move(turns.LASTS)
        assert turns._taken(version) is not None


def test_a_turn_lasts_while_the_scanner_thinks(
    world: World, me: Api, clamd: Clamd, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = scanning.ask

    def slow(chunks: Iterator[bytes]) -> Scan:
        moved.move(scanning.longest_silence() - timedelta(seconds=1))
        with enter(world.acorn.ref):
            assert turns._taken(FileVersion.objects.latest("created_at")) is None
        return ask(chunks)

    monkeypatch.setattr(scanning, "ask", slow)
    with clock.frozen(clock.now()) as moved:
        assert me.get(uploaded(world.acorn, me))["scan"] == "clean"
