"""Usage held against a naive model: whatever happens to files, what is counted is what is stored and open, exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch
from uuid import UUID

import pytest
from django.db import transaction
from django.test import override_settings
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.core import clock
from apps.core.clock import FrozenClock
from apps.core.ids import decode
from apps.core.strictjson import timestamp
from apps.storage import accounting, lifecycle, scanning, stores
from apps.storage.models import Bucket, Condemned, FileVersion, Scan, Usage, VersionStatus
from apps.storage.stores.local import MARK, LocalStore
from apps.storage.stores.signing import Grant
from apps.storage.tests.kept import CLEAN, INFECTED, SILENT, Figures, Kept, Rules, content, figures
from apps.storage.tests.parcels import sha256
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.world import World

#: MOST uploads of a file are open at a time.
QUOTA, KEPT, MOST, FILES = 120, 1, 3, 2
#: Longer ago than this the keys of the world have expired.
LONGEST = timedelta(days=350)
VERDICTS = {CLEAN: Scan.CLEAN, INFECTED: Scan.INFECTED, SILENT: Scan.PENDING}
WRONG = sha256(b"what nobody sent")
_BY_WHOM = ("north", "south", "")
#: How often each is done, so that files come to have several versions before they go.
_VERBS = {
    "announce": 2,
    "replace": 12,
    "version": 2,
    "complete": 3,
    "fail": 2,
    "back": 3,
    "give_up": 1,
    "delete": 1,
    "restore": 3,
    "purge": 1,
}
_FOR_ALL = {"age": 1, "expire": 1, "rescan": 3, "rule": 1, "empty": 1}
STEP = st.tuples(
    st.sampled_from([verb for verb, times in (_VERBS | _FOR_ALL).items() for _ in range(times)]),
    st.sampled_from([0, 0, 1, 2]),
    st.integers(0, 9),
    st.integers(0, 25),
    st.sampled_from([CLEAN, CLEAN, INFECTED, SILENT, SILENT]),
)
Step = tuple[str, int, int, int, bytes]


class Owner:
    """Whoever makes files: an organization, or the tenant itself; in the API and in the naive model at once."""

    def __init__(self, world: World, slug: str, rules: Rules) -> None:
        self.space, self.rules = world.acorn, rules
        self.me = Api(world.acorn.parties[slug].person_key if slug else world.acorn.root_key)
        self.organization: UUID | None = world.acorn.parties[slug].uuid if slug else None
        self.files: dict[str, Kept] = {}

    @property
    def figures(self) -> Figures:
        return figures(self.files.values())

    def fits(self, made: Answer, size: int) -> bool:
        """True when there was room, as the answer says too."""
        used = self.figures
        if used[0] + used[2] + size <= self.rules.quota:
            return True
        assert (made.status, made.code) == (429, "storage_quota_exceeded")
        return False

    def do(self, verb: str, which: int, size: int, verdict: bytes) -> None:
        known = sorted(self.files)
        if not known or (verb == "announce" and len(known) < FILES):
            self.announce(size)
            return
        verb = "replace" if verb == "announce" else verb
        if verb in ("complete", "fail", "give_up"):
            known = [name for name in known if self.files[name].opened] or known
        name = known[which % len(known)]
        getattr(self, verb)(name, self.files[name], size, verdict)

    def announce(self, size: int) -> None:
        upload = {"size": size, "content_type": "text/plain", "multipart": size % 2 == 1}
        made = self.me.post("/v1/files", {"bucket": "tested", "name": "x", **upload})
        if self.fits(made, size):
            self.files[made["id"]] = Kept(self.rules, opened={1: size})

    def version(self, name: str, file: Kept, size: int, _verdict: bytes) -> None:
        upload = {"size": size, "content_type": "text/plain", "multipart": size % 2 == 1}
        made = self.me.post(f"/v1/files/{name}/versions", upload)
        if file.deleted:
            assert made.code == "not_found"
        elif self.fits(made, size):
            if len(file.opened) == MOST:
                assert (made.status, made.code) == (429, "too_many_open_uploads")
            else:
                file.open(made["upload"]["number"], size)

    def replace(self, name: str, file: Kept, size: int, verdict: bytes) -> None:
        self.version(name, file, size, verdict)
        self.complete(name, file, size, verdict)

    def complete(self, name: str, file: Kept, _size: int, verdict: bytes) -> None:
        if not file.opened:
            return
        number = max(file.opened)
        if file.deleted:
            assert self.me.post(f"/v1/files/{name}/complete").code == "not_found"
            return
        self.send(name, file, number, verdict * file.opened[number])
        refusal = file.refusal(number, self.rules.quota - self.figures[0])
        done = self.me.post(f"/v1/files/{name}/complete", {"version": number})
        assert done.code == refusal
        if not refusal:
            file.complete(number)
            assert (done.status, done["current_version"]) == (200, file.current)

    def fail(self, name: str, file: Kept, size: int, verdict: bytes) -> None:
        """Nothing has come, or too much, or something else than is said when it is completed."""
        if not file.opened or file.deleted:
            return
        number = max(file.opened)
        sent = content(size, file.opened[number], verdict)
        if sent is not None:
            self.send(name, file, number, sent)
        refusal = file.refusal(number, 0)
        early = refusal in ("upload_missing", "size_mismatch")
        refused = self.me.post(f"/v1/files/{name}/complete", {"version": number, "sha256": WRONG})
        assert refused.code == (refusal if early else "checksum_mismatch")

    def send(self, name: str, file: Kept, number: int, sent: bytes) -> None:
        """Put the bytes of an open version into the store, unless some are there already."""
        if number in file.sent:
            return
        file.sent[number] = sent
        with enter(self.space.ref):
            version = FileVersion.objects.get(file_id=decode(name, "file"), number=number)
        store = stores.store()
        assert isinstance(store, LocalStore)
        if version.upload_id:
            store.receive(Grant("PUT", version.blob, 0, len(sent), version.upload_id, 1), [sent])
        else:
            store.put(version.blob, BytesIO(sent))

    def back(self, name: str, file: Kept, _size: int, _verdict: bytes) -> None:
        if not file.stored:
            return
        number = min(file.stored)
        opens = file.stored[number][1] == CLEAN and not file.deleted
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
        self.space, self.moved, self.until = world.acorn, moved, moved.at + LONGEST
        self.root, self.rules = Api(world.acorn.root_key), Rules(QUOTA, KEPT)
        self.owners = [Owner(world, slug, self.rules) for slug in _BY_WHOM]
        made = {"name": "tested", "quota_bytes": QUOTA, "versions_kept": KEPT}
        assert self.root.post("/v1/buckets", made).status == 201

    def step(self, verb: str, who: int, which: int, size: int, verdict: bytes) -> None:
        self.moved.move(timedelta(seconds=1))
        if verb in _FOR_ALL:
            getattr(self, verb)(size, verdict)
        else:
            self.owners[who].do(verb, which, size, verdict)

    def age(self, size: int, _verdict: bytes) -> None:
        """A day goes by, and so do uploads that nobody completes; after a month, deleted files do too."""
        is_long = size > 15 and self.moved.at < self.until
        self.moved.move(timedelta(days=31 if is_long else 1, hours=1))
        assert self.root.post("/v1/storage/lifecycle").status == 200
        for owner in self.owners:
            gone = [
                name for name, file in owner.files.items() if file.give_up() or (is_long and file.deleted)
            ]
            for name in gone:
                del owner.files[name]

    def expire(self, size: int, _verdict: bytes) -> None:
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

    def rescan(self, _size: int, verdict: bytes) -> None:
        """The scanner is asked about all again of which it said nothing; those that it still does not know wait on."""
        self.moved.move(lifecycle.SCANNED_AGAIN + timedelta(minutes=1))

        def late(chunks: Iterator[bytes]) -> Scan:
            assert b"".join(chunks)[:1] == SILENT
            self.moved.move(timedelta(seconds=1))  # so that each is due at another time
            return VERDICTS[verdict]

        with patch.object(scanning, "is_configured", lambda: True), patch.object(scanning, "ask", late):
            judged = self.root.post("/v1/storage/lifecycle")["scanned"]
        assert judged == sum(file.judge(verdict) for owner in self.owners for file in owner.files.values())
        self.lapse()

    def rule(self, size: int, _verdict: bytes) -> None:
        """The bucket has other rules, which count from now on."""
        self.rules.quota, self.rules.kept = 60 + 4 * size, 1 + size % 3
        changes = {"quota_bytes": self.rules.quota, "versions_kept": self.rules.kept}
        assert self.root.patch("/v1/buckets/tested", changes).status == 200

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

    def empty(self, size: int, _verdict: bytes) -> None:
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
            assert not any(map(lifecycle.miscounted, Bucket.objects.all()))
        for owner in self.owners:
            counted = found.get(owner.organization, (0, 0, 0, 0))
            assert counted == folded(owner.organization, rows) == owner.figures

    def check_store(self, folder: Path) -> None:
        """Once nothing can arrive any more, the bytes that are counted lie in the store, and no others."""
        self.age(0, CLEAN)
        self.check()
        self.moved.move(timedelta(days=2))
        assert self.root.post("/v1/storage/lifecycle").status == 200
        with enter(self.space.ref):
            rows = dict(FileVersion.objects.values_list("blob", "size"))
            assert not Condemned.objects.exists()
        lying = (path for path in folder.rglob("*") if path.is_file() and path.name != MARK)
        there = {str(path.relative_to(folder)): path for path in lying}
        assert {name: path.stat().st_size for name, path in there.items()} == rows
        assert sum(rows.values()) == sum(owner.figures[0] for owner in self.owners)


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
def undone() -> Iterator[Path]:
    """Rows and bytes of the block are gone afterwards; the folder in which the bytes lie."""
    with (
        TemporaryDirectory() as folder,
        override_settings(PACKMULE_STORAGE_DIR=Path(folder)),
        transaction.atomic(),
    ):
        LocalStore(Path(folder)).begin()
        yield Path(folder)
        transaction.set_rollback(True)


#: What waited is found infected late, and is one more than are kept.
INFECTED_LATE: list[Step] = [
    ("announce", 0, 0, 5, CLEAN),
    ("complete", 0, 0, 5, CLEAN),
    ("replace", 0, 0, 7, SILENT),
    ("rescan", 0, 0, 0, INFECTED),
]


@pytest.mark.slow
@example(steps=INFECTED_LATE)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=30, max_size=50))
def test_what_is_counted_is_what_is_stored_and_open(world: World, steps: list[Step]) -> None:
    with (
        undone() as folder,
        clock.frozen(clock.now()) as moved,
        patch.object(scanning, "scan", scan),
        patch.object(accounting, "MOST_OPEN_OF_FILE", MOST),
        patch.object(lifecycle, "_ASKED_FOR", 600.0),
    ):
        play = Play(world, moved)
        for step in steps:
            play.step(*step)
            play.check()
        play.check_store(folder)
