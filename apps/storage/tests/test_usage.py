"""Usage held against a naive model: whatever happens to files, what is counted is what is stored and open, exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from unittest.mock import patch
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core import clock
from apps.core.clock import FrozenClock
from apps.core.ids import decode
from apps.core.strictjson import timestamp
from apps.storage import accounting, lifecycle, scanning, stores
from apps.storage.models import FileVersion, Scan, Usage, VersionStatus
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.world import World

QUOTA, KEPT, MOST = 60, 2, 3
VERDICTS = {b"c": Scan.CLEAN, b"i": Scan.INFECTED, b"p": Scan.PENDING}
_BY_WHOM = ("north", "south", "")
_VERBS = (
    "announce",
    "version",
    "complete",
    "complete",
    "complete",
    "back",
    "give_up",
    "delete",
    "restore",
    "purge",
)
_FOR_ALL = ("age", "expire", "empty")
STEP = st.tuples(
    st.sampled_from([*_VERBS, *_FOR_ALL]),
    st.integers(0, 2),
    st.integers(0, 9),
    st.integers(0, 25),
    st.sampled_from([b"c", b"c", b"i", b"p"]),
)
Step = tuple[str, int, int, int, bytes]
Figures = tuple[int, int, int, int]


@dataclass
class Kept:
    """A file: its stored versions with size and verdict, its open ones with their size, and the current one."""

    stored: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    opened: dict[int, int] = field(default_factory=dict)
    current: int = 0
    deleted: bool = False

    def complete(self, number: int, verdict: bytes) -> None:
        self.stored[number] = (self.opened.pop(number), verdict)
        if verdict == b"c" or not self.current:
            self.current = number
        self.tidy()

    def tidy(self) -> None:
        others = sorted(set(self.stored) - {self.current}, reverse=True)
        waiting = [n for n in others if n > self.current and self.stored[n][1] == b"p"][:1]
        for number in set(others[KEPT - 1 :]) - set(waiting):
            del self.stored[number]

    def give_up(self) -> bool:
        """Give all uploads up; True when nothing is left of it."""
        self.opened.clear()
        return not self.stored


class Owner:
    """Whoever makes files: an organization, or the tenant itself; in the API and in the naive model at once."""

    def __init__(self, world: World, slug: str) -> None:
        self.space = world.acorn
        self.me = Api(world.acorn.parties[slug].person_key if slug else world.acorn.root_key)
        self.organization: UUID | None = world.acorn.parties[slug].uuid if slug else None
        self.files: dict[str, Kept] = {}

    @property
    def figures(self) -> Figures:
        kept = self.files.values()
        stored = [size for file in kept for size, _ in file.stored.values()]
        opened = [size for file in kept for size in file.opened.values()]
        return sum(stored), sum(bool(file.stored) for file in kept), sum(opened), len(opened)

    def fits(self, made: Answer, size: int) -> bool:
        """True when there was room, as the answer says too."""
        used = self.figures
        if used[0] + used[2] + size <= QUOTA:
            return True
        assert (made.status, made.code) == (429, "storage_quota_exceeded")
        return False

    def do(self, verb: str, which: int, size: int, verdict: bytes) -> None:
        known = sorted(self.files)
        if verb == "announce" or not known:
            self.announce(size)
            return
        name = known[which % len(known)]
        getattr(self, verb)(name, self.files[name], size, verdict)

    def announce(self, size: int) -> None:
        body = {"bucket": "tested", "name": "x", "size": size, "content_type": "text/plain"}
        made = self.me.post("/v1/files", body)
        if self.fits(made, size):
            self.files[made["id"]] = Kept(opened={1: size})

    def version(self, name: str, file: Kept, size: int, _verdict: bytes) -> None:
        made = self.me.post(f"/v1/files/{name}/versions", {"size": size, "content_type": "text/plain"})
        if file.deleted:
            assert made.code == "not_found"
        elif self.fits(made, size):
            if len(file.opened) == MOST:
                assert (made.status, made.code) == (429, "too_many_open_uploads")
            else:
                file.opened[made["upload"]["number"]] = size

    def complete(self, name: str, file: Kept, _size: int, verdict: bytes) -> None:
        if not file.opened:
            return
        number = max(file.opened)
        if file.deleted:
            assert self.me.post(f"/v1/files/{name}/complete").code == "not_found"
            return
        with enter(self.space.ref):
            version = FileVersion.objects.get(file_id=decode(name, "file"), number=number)
        stores.store().put(version.blob, BytesIO(verdict * version.size))
        done = self.me.post(f"/v1/files/{name}/complete", {"version": number})
        file.complete(number, verdict if version.size else b"c")
        assert (done.status, done["current_version"]) == (200, file.current)

    def back(self, name: str, file: Kept, _size: int, _verdict: bytes) -> None:
        if not file.stored:
            return
        number = min(file.stored)
        opens = file.stored[number][1] == b"c" and not file.deleted
        answer = self.me.post(f"/v1/files/{name}/versions/{number}/restore")
        assert (answer.status == 200) == opens
        if opens:
            file.current = number
            file.tidy()

    def give_up(self, name: str, file: Kept, _size: int, _verdict: bytes) -> None:
        answer = self.me.delete(f"/v1/files/{name}/upload")
        assert answer.status == (404 if file.deleted else 204 if file.opened else 409)
        if answer.status == 204:
            del file.opened[max(file.opened)]
            if not file.opened and not file.stored:
                del self.files[name]

    def delete(self, name: str, file: Kept, _size: int, _verdict: bytes) -> None:
        assert self.me.delete(f"/v1/files/{name}").status == (404 if file.deleted else 204)
        file.deleted = True

    def restore(self, name: str, file: Kept, _size: int, _verdict: bytes) -> None:
        assert self.me.post(f"/v1/files/{name}/restore").status == 200
        file.deleted = False

    def purge(self, name: str, _file: Kept, _size: int, _verdict: bytes) -> None:
        assert self.me.post(f"/v1/files/{name}/purge").status == 204
        del self.files[name]


class Play:
    """One sequence of steps by all owners."""

    def __init__(self, world: World, moved: FrozenClock) -> None:
        self.space, self.moved = world.acorn, moved
        self.root = Api(world.acorn.root_key)
        self.owners = [Owner(world, slug) for slug in _BY_WHOM]

    def step(self, verb: str, who: int, which: int, size: int, verdict: bytes) -> None:
        if verb in _FOR_ALL:
            getattr(self, verb)(size)
        else:
            self.owners[who].do(verb, which, size, verdict)

    def age(self, size: int) -> None:
        """A day goes by, and so do uploads that nobody completes; after a month, deleted files do too."""
        self.moved.move(timedelta(days=31 if size > 15 else 1, hours=1))
        assert self.root.post("/v1/storage/lifecycle").status == 200
        for owner in self.owners:
            gone = [
                name for name, file in owner.files.items() if file.give_up() or (size > 15 and file.deleted)
            ]
            for name in gone:
                del owner.files[name]

    def expire(self, size: int) -> None:
        """One file of each owner has an end, and it comes."""
        soon = timestamp(self.moved.at + timedelta(hours=1))
        alive = [
            (owner.me, name, file)
            for owner in self.owners
            for name, file in sorted(owner.files.items())[size % 3 :][:1]
            if not file.deleted
        ]
        for me, name, _ in alive:
            assert me.patch(f"/v1/files/{name}", {"expires_at": soon}).status == 200
        self.moved.move(timedelta(hours=2))
        assert self.root.post("/v1/storage/lifecycle")["expired"] == len(alive)
        for _, _, file in alive:
            file.deleted = True
        self.lapse()

    def lapse(self) -> None:
        """Whatever is a day old by now was given up too."""
        with enter(self.space.ref):
            opened = set(
                FileVersion.objects.filter(status=VersionStatus.PENDING).values_list("file_id", "number")
            )
        for owner in self.owners:
            for name, file in list(owner.files.items()):
                there = {n: size for n, size in file.opened.items() if (decode(name, "file"), n) in opened}
                if file.opened != there:
                    file.opened = there
                    if not there and not file.stored:
                        del owner.files[name]

    def empty(self, size: int) -> None:
        """Everything goes, now and then."""
        if size > 22:
            assert self.root.post("/v1/buckets/tested/empty").status == 200
            for owner in self.owners:
                owner.files.clear()

    def check(self) -> None:
        """What is counted is what the rows add up to, and what the naive model says."""
        with enter(self.space.ref):
            found = {row.organization_id: figures_of(row) for row in Usage.objects.all()}
            rows = list(FileVersion.objects.values_list("organization_id", "file_id", "size", "status"))
            assert lifecycle.reconcile() == []
        for owner in self.owners:
            counted = found.get(owner.organization, (0, 0, 0, 0))
            assert counted == folded(owner.organization, rows) == owner.figures


def figures_of(row: Usage) -> Figures:
    return row.bytes, row.files, row.reserved_bytes, row.open_uploads


def folded(organization: UUID | None, rows: Sequence[tuple[UUID | None, UUID, int, str]]) -> Figures:
    """The rows of one owner, one by one."""
    sizes: Counter[str] = Counter()
    files, opened = set(), 0
    for whose, file, size, status in rows:
        if whose != organization:
            continue
        if status == VersionStatus.PENDING:
            sizes["open"] += size
            opened += 1
        else:
            sizes["stored"] += size
            files.add(file)
    return sizes["stored"], len(files), sizes["open"], opened


def scan(chunks: Iterator[bytes]) -> Scan:
    """What a scanner would say that goes by the first byte."""
    return VERDICTS.get(next(chunks, b"")[:1], Scan.CLEAN)


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=6, max_size=24))
def test_what_is_counted_is_what_is_stored_and_open(world: World, steps: list[Step]) -> None:
    with (
        undone(),
        clock.frozen(clock.now()) as moved,
        patch.object(scanning, "scan", scan),
        patch.object(accounting, "MOST_OPEN_OF_FILE", MOST),
    ):
        play = Play(world, moved)
        rules = {"name": "tested", "quota_bytes": QUOTA, "versions_kept": KEPT}
        assert play.root.post("/v1/buckets", rules).status == 201
        for step in steps:
            play.step(*step)
            play.check()
