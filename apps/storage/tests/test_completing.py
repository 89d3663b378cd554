"""Completing reads gigabytes: outside of any transaction, one reader at a time for each upload, few in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from threading import Thread
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection, connections, transaction

from apps.core import clock
from apps.core.ids import decode
from apps.storage import turns
from apps.storage.models import Condemned, File, FileVersion, Usage
from apps.storage.stores import disk
from apps.storage.stores.errors import BlobExists
from apps.storage.stores.local import LocalStore
from apps.storage.tests.clamd import running
from apps.storage.tests.parcels import PNG, announce, arrive, make_bucket, send, sha256
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.scratch import Scratch, at_once, scratch_tenant, wait_until_somebody_waits
from tests.world import World

Reads = list[bool]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """For each time that a content was read, whether that happened in a transaction."""
    found: Reads = []
    read = LocalStore.read

    def counted(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        found.append(connection.in_atomic_block)
        yield from read(*args, **kwargs)

    monkeypatch.setattr(LocalStore, "read", counted)
    return found


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    with scratch_tenant() as made:
        Api(made.key).post("/v1/buckets", {"name": "photos"})
        yield made


@pytest.fixture
def me(world: World, api: Api) -> Api:
    make_bucket(world.acorn)
    return api.using(world.acorn.parties["north"].person_key)


def arrived(space: Any, api: Api) -> str:
    """A file whose bytes are there and that is not complete; returns its path."""
    made = announce(api)
    assert made.status == 201, made
    arrive(space, made["id"], PNG)
    return f"/v1/files/{made['id']}"


def version_of(space: Any, path: str) -> FileVersion:
    with enter(space.ref):
        return FileVersion.objects.get(file_id=decode(path.rpartition("/")[2], "file"))


@pytest.mark.parametrize("key", [{}, {"idempotency_key": "once"}])
def test_the_bytes_are_read_in_no_transaction(scratch: Scratch, reads: Reads, key: dict[str, str]) -> None:
    api = Api(scratch.key)
    path = arrived(scratch, api)
    assert api.post(f"{path}/complete", **key)["sha256"] == sha256(PNG)
    assert reads == [False]


@pytest.mark.parametrize("key", [{}, {"idempotency_key": "once"}])
def test_the_scanner_is_asked_again_in_no_transaction(
    scratch: Scratch, reads: Reads, settings: LazySettings, key: dict[str, str]
) -> None:
    api = Api(scratch.key)
    path = arrived(scratch, api)
    settings.PACKMULE_SCANNER = "clamav://127.0.0.1:1"
    assert api.post(f"{path}/complete")["scan"] == "pending"
    with running() as clamd, clock.frozen(clock.now() + timedelta(minutes=15)):
        settings.PACKMULE_SCANNER = clamd.url
        reads.clear()
        assert api.post("/v1/storage/lifecycle", **key)["scanned"] == 1
    assert (reads, api.get(path)["scan"]) == ([False], "clean")


def test_of_many_at_once_one_reads(scratch: Scratch, reads: Reads) -> None:
    path = arrived(scratch, Api(scratch.key))

    def complete() -> Answer:
        return Api(scratch.key).post(f"{path}/complete")

    assert {(answer.status, answer["sha256"]) for answer in at_once([complete] * 6)} == {(200, sha256(PNG))}
    assert reads == [False]


def test_the_file_is_locked_before_its_versions(scratch: Scratch) -> None:
    """As whoever deletes or purges does, so that neither waits for the other in a circle."""
    path = arrived(scratch, Api(scratch.key))
    answers: list[Answer] = []

    def complete() -> None:
        answers.append(Api(scratch.key).post(f"{path}/complete"))
        connections.close_all()

    completing = Thread(target=complete)
    with enter(scratch.ref), transaction.atomic():
        file = File.objects.select_for_update().get()
        completing.start()
        wait_until_somebody_waits()
        # NOWAIT would raise, had the other one locked it while it waits for the file.
        assert FileVersion.objects.select_for_update(nowait=True).get().file_id == file.pk
        file.delete()
    completing.join(20)
    assert [answer.code for answer in answers] == ["not_found"]


@pytest.mark.parametrize("verb", ["purge", "delete"])
def test_what_goes_while_it_is_read_is_not_completed(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    api = Api(scratch.key)
    path = arrived(scratch, api)
    goes: dict[str, Callable[[], Answer]] = {
        "purge": partial(api.post, f"{path}/purge"),
        "delete": partial(api.delete, path),
    }
    read = LocalStore.read

    def slow(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        assert at_once([goes[verb]])[0].status == 204
        yield from read(*args, **kwargs)

    monkeypatch.setattr(LocalStore, "read", slow)
    assert api.post(f"{path}/complete").code == "not_found"
    with enter(scratch.ref):
        assert list(Usage.objects.values_list("bytes", "files")) == [(0, 0)]


def test_who_comes_while_it_is_read_is_told_to_come_again(
    world: World, me: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_PATIENCE", 0.1)
    path = arrived(world.acorn, me)
    with enter(world.acorn.ref), turns.turn(version_of(world.acorn, path)):
        refused = me.post(f"{path}/complete", idempotency_key="once")
    assert (refused.status, refused.code, refused["retryable"]) == (409, "upload_being_completed", True)
    assert refused.headers["Retry-After"]
    assert me.post(f"{path}/complete", idempotency_key="once")["status"] == "ready"


def test_a_turn_that_was_left_behind_ends_by_itself(world: World, me: Api) -> None:
    path = arrived(world.acorn, me)
    with enter(world.acorn.ref):
        turns._taken(version_of(world.acorn, path))
        with clock.frozen(clock.now() + turns.LASTS + timedelta(seconds=1)):
            assert me.post(f"{path}/complete")["status"] == "ready"
        assert FileVersion.objects.get().read_until is None


def test_a_turn_goes_on_while_there_is_something_to_read(world: World, me: Api) -> None:
    version = version_of(world.acorn, arrived(world.acorn, me))
    with enter(world.acorn.ref), clock.frozen(clock.now()) as moved, turns.turn(version) as mine:
        for _ in range(5):
            moved.move(turns.LASTS * 0.6)
            mine.go_on()
            assert turns._taken(version) is None


def test_one_process_reads_few_at_a_time(world: World, me: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_PATIENCE_FOR_PLACE", 0.01)
    path = arrived(world.acorn, me)
    with enter(world.acorn.ref), ExitStack() as held:
        for _ in range(2):  # as many as one tenant has
            held.enter_context(turns.place())
        refused = me.post(f"{path}/complete")
    assert (refused.status, refused.code, refused["retryable"]) == (503, "completing_busy", True)
    assert me.post(f"{path}/complete")["status"] == "ready"


def test_nobody_waits_for_a_turn_without_a_place(
    world: World, me: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_PATIENCE_FOR_PLACE", 0.01)
    path = arrived(world.acorn, me)
    with enter(world.acorn.ref), turns.turn(version_of(world.acorn, path)), ExitStack() as held:
        for _ in range(2):
            held.enter_context(turns.place())
        assert me.post(f"{path}/complete").code == "completing_busy"


@pytest.mark.parametrize("key", [{}, {"idempotency_key": "once"}])
def test_the_lifecycle_deletes_bytes_in_no_transaction(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, key: dict[str, str]
) -> None:
    within, delete = list[bool](), LocalStore.delete

    def noted(store: LocalStore, keys: Sequence[str]) -> None:
        within.append(connection.in_atomic_block)
        delete(store, keys)

    monkeypatch.setattr(LocalStore, "delete", noted)
    with enter(scratch.ref):
        Condemned.objects.create(blob=f"{scratch.ref.schema_name}/file/1", due_at=clock.now())
    assert Api(scratch.key).post("/v1/storage/lifecycle", **key)["cleared"] == 1
    assert within == [False]


def test_an_answer_that_is_kept_is_given_without_reading_again(world: World, me: Api, reads: Reads) -> None:
    path = arrived(world.acorn, me)
    first, second = (me.post(f"{path}/complete", idempotency_key="once") for _ in range(2))
    assert (first.body, second.headers["Idempotency-Replayed"]) == (second.body, "true")
    assert len(reads) == 1


def test_a_refusal_from_before_the_transaction_is_kept_too(world: World, me: Api) -> None:
    made = announce(me)
    path = f"/v1/files/{made['id']}"
    assert me.post(f"{path}/complete", idempotency_key="once").code == "upload_missing"
    arrive(world.acorn, made["id"], PNG)
    again = me.post(f"{path}/complete", idempotency_key="once")
    assert (again.code, again.headers["Idempotency-Replayed"]) == ("upload_missing", "true")
    assert me.post(f"{path}/complete", idempotency_key="other")["status"] == "ready"


def test_a_content_of_which_a_part_was_read_is_not_completed(
    world: World, me: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = arrived(world.acorn, me), LocalStore.read
    monkeypatch.setattr(LocalStore, "read", lambda *args: iter([next(read(*args))[:10]]))
    broken = me.post(f"{path}/complete")
    assert (broken.status, broken.code, broken["retryable"]) == (503, "store_unreachable", True)
    monkeypatch.setattr(LocalStore, "read", read)
    assert me.post(f"{path}/complete")["sha256"] == sha256(PNG)


def in_parts(me: Api) -> str:
    """A file whose one part has arrived; returns its path."""
    made = announce(me, multipart=True)
    assert send(made["upload"], PNG).status_code < 300
    return f"/v1/files/{made['id']}"


def test_a_turn_that_was_left_behind_by_a_large_upload_ends_as_soon(world: World, me: Api) -> None:
    version = version_of(world.acorn, arrived(world.acorn, me))
    version.size = 50 * 2**30
    with enter(world.acorn.ref):
        taken = turns._taken(version)
    assert taken is not None
    assert taken.until - clock.now() <= turns.LASTS


def test_a_turn_goes_on_while_parts_are_joined_slowly(
    world: World, me: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = in_parts(me)
    monkeypatch.setattr(disk, "CHUNK", 50)
    write_all, others = disk._write_all, list[turns.Turn | None]()
    with clock.frozen(clock.now()) as moved:

        def slow(file: Any, chunk: bytes) -> None:
            moved.move(turns.LASTS * 0.6)
            others.append(turns._taken(version_of(world.acorn, path)))
            write_all(file, chunk)

        monkeypatch.setattr(disk, "_write_all", slow)
        assert me.post(f"{path}/complete")["sha256"] == sha256(PNG)
    assert set(others) == {None}
    assert len(others) > 3


def test_a_turn_lasts_while_a_store_joins_without_a_word_and_no_longer(
    world: World, me: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, finish = in_parts(me), LocalStore.finish_multipart
    monkeypatch.setattr(LocalStore, "joins_within", timedelta(minutes=10))
    ends: list[timedelta] = []

    def noted() -> None:
        until = version_of(world.acorn, path).read_until
        assert until is not None
        ends.append(until - clock.now())

    def slow(store: LocalStore, *args: Any) -> None:
        noted()
        moved.move(timedelta(minutes=9))
        assert turns._taken(version_of(world.acorn, path)) is None
        finish(store, *args)

    def read(store: LocalStore, *args: Any) -> Iterator[bytes]:
        noted()
        yield PNG

    monkeypatch.setattr(LocalStore, "finish_multipart", slow)
    monkeypatch.setattr(LocalStore, "read", read)
    with clock.frozen(clock.now()) as moved:
        assert me.post(f"{path}/complete")["status"] == "ready"
    assert ends == [turns.LASTS + timedelta(minutes=10), turns.LASTS]


@pytest.mark.parametrize("content", [PNG, PNG[:-1]])
def test_what_lies_there_decides_where_a_join_that_was_tried_twice_says_so(
    world: World, me: Api, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """S3's library tries again when it hears nothing in time, and the first try has joined the parts by then."""
    path = in_parts(me)

    def twice(store: LocalStore, *_args: Any) -> None:
        arrive(world.acorn, path.rpartition("/")[2], content)
        raise BlobExists

    monkeypatch.setattr(LocalStore, "finish_multipart", twice)
    answer = me.post(f"{path}/complete", idempotency_key="once")
    assert (answer.status, answer.code) == ((200, "") if content == PNG else (409, "size_mismatch"))


def test_what_is_not_there_yet_after_a_join_is_asked_for_again(
    me: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = in_parts(me)
    with monkeypatch.context() as broken:
        broken.setattr(LocalStore, "finish_multipart", lambda *_: None)
        refused = me.post(f"{path}/complete", idempotency_key="once")
        assert (refused.status, refused.code, refused["retryable"]) == (503, "store_unreachable", True)
    assert me.post(f"{path}/complete", idempotency_key="once")["status"] == "ready"
