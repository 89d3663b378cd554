"""Usage held against a naive model: whatever happens to files, what is counted is what is stored, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.storage import lifecycle
from apps.storage.models import Usage
from apps.storage.tests.parcels import arrive
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World

QUOTA, KEPT = 60, 2
STEP = st.tuples(
    st.sampled_from(["upload", "version", "back", "delete", "restore", "purge", "empty"]),
    st.integers(0, 5),
    st.integers(0, 25),
)


class Naive:
    """What is stored: for each file the sizes of its versions by number, and which one is current."""

    def __init__(self) -> None:
        self.files: dict[str, dict[int, int]] = {}
        self.current: dict[str, int] = {}
        self.newest: dict[str, int] = {}
        self.deleted: set[str] = set()

    @property
    def bytes(self) -> int:
        return sum(sum(sizes.values()) for sizes in self.files.values())

    def uploaded(self, file: str, number: int, size: int) -> None:
        kept = self.files.setdefault(file, {})
        kept[number], self.current[file] = size, number
        for old in sorted(set(kept) - {number}, reverse=True)[KEPT - 1 :]:
            del kept[old]

    def gone(self, file: str) -> None:
        self.files.pop(file)
        self.deleted.discard(file)


class Play:
    """One sequence of steps, in the API and in the naive model at once."""

    def __init__(self, world: World) -> None:
        self.space, self.naive = world.acorn, Naive()
        self.me, self.root = Api(world.acorn.parties["north"].person_key), Api(world.acorn.root_key)

    def step(self, verb: str, which: int, size: int) -> None:
        known = sorted(self.naive.files)
        if verb in ("upload", "empty"):
            getattr(self, verb)(size)
        elif known:
            getattr(self, verb)(known[which % len(known)], size)

    def upload(self, size: int) -> None:
        body = {"bucket": "tested", "name": "x", "size": size, "content_type": "text/plain"}
        made = self.me.post("/v1/files", body)
        if self.naive.bytes + size > QUOTA:
            assert made.code == "storage_quota_exceeded"
            return
        self._complete(made["id"], 1, size)

    def version(self, file: str, size: int) -> None:
        made = self.me.post(f"/v1/files/{file}/versions", {"size": size, "content_type": "text/plain"})
        if file in self.naive.deleted:
            assert made.code == "not_found"
        elif self.naive.bytes + size > QUOTA:
            assert made.code == "storage_quota_exceeded"
        else:
            self._complete(file, made["upload"]["number"], size)

    def back(self, file: str, _size: int) -> None:
        number = min(self.naive.files[file])
        if self.me.post(f"/v1/files/{file}/versions/{number}/restore").status == 200:
            self.naive.current[file] = number

    def delete(self, file: str, _size: int) -> None:
        if self.me.delete(f"/v1/files/{file}").status == 204:
            self.naive.deleted.add(file)

    def restore(self, file: str, _size: int) -> None:
        assert self.me.post(f"/v1/files/{file}/restore").status == 200
        self.naive.deleted.discard(file)

    def purge(self, file: str, _size: int) -> None:
        assert self.me.post(f"/v1/files/{file}/purge").status == 204
        self.naive.gone(file)

    def empty(self, size: int) -> None:
        if size > 22:
            assert self.root.post("/v1/buckets/tested/empty").status == 200
            self.naive = Naive()

    def check(self) -> None:
        with enter(self.space.ref):
            found = list(Usage.objects.values_list("bytes", "files"))
            assert lifecycle.reconcile() == []
        assert sum(stored for stored, _ in found) == self.naive.bytes
        assert sum(files for _, files in found) == len(self.naive.files)

    def _complete(self, file: str, number: int, size: int) -> None:
        arrive(self.space, file, b"x" * size)
        assert self.me.post(f"/v1/files/{file}/complete").status == 200
        self.naive.uploaded(file, number, size)


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=1, max_size=14))
def test_what_is_counted_is_what_is_stored(world: World, steps: list[tuple[str, int, int]]) -> None:
    with undone():
        play = Play(world)
        rules = {"name": "tested", "quota_bytes": QUOTA, "versions_kept": KEPT}
        assert play.root.post("/v1/buckets", rules).status == 201
        for verb, which, size in steps:
            play.step(verb, which, size)
            play.check()
