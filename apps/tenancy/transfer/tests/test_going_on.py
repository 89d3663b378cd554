"""An export that breaks off leaves nothing that looks whole, and the same command goes on where it broke off."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from apps.core.ids import encode
from apps.storage.models import FileVersion
from apps.storage.moving import StoredBlobs
from apps.storage.stores.errors import StoreUnreachable
from apps.storage.tests.parcels import PNG, uploaded
from apps.tenancy.transfer import checking
from apps.tenancy.transfer.tests import oak
from apps.tenancy.transfer.tests.oak import Oak, command, manifest_of, refusal
from apps.tenancy.walls import enter
from tests.client import Api
from tests.installed import environment
from tests.world import World

#: Oak has a file already; the last one is as one before it.
CONTENTS = [PNG + bytes([number]) * 3000 for number in (1, 2, 3, 3)]
DIFFERENT = 4


@pytest.fixture
def grown(growing: World) -> Oak:
    """Oak with several files."""
    made = oak.grown(growing)
    for number, content in enumerate(CONTENTS):
        uploaded(made.space, Api(made.space.root_key), content, name=f"{number}.png")
    return made


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of what exports read from the store."""
    keys, read = list[str](), StoredBlobs.read

    def noted(blobs: StoredBlobs, key: str) -> Iterator[bytes] | None:
        keys.append(key)
        return read(blobs, key)

    monkeypatch.setattr(StoredBlobs, "read", noted)
    return keys


def keys_of(made: Oak) -> list[str]:
    """The keys of its contents, in the order in which they are fetched."""
    with enter(made.space.ref):
        return sorted(FileVersion.objects.stored().values_list("blob", flat=True))


def partial_of(target: Path, made: Oak) -> Path:
    return target.with_name(f"{target.name}.{encode('ten', made.space.ref.id)}.partial")


def contents_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if len(path.name) == 64)


def eventually(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


@contextmanager
def blocked(key: str) -> Iterator[None]:
    """Whoever reads the content under `key` waits until it is killed."""
    path = Path(settings.PACKMULE_STORAGE_DIR) / key
    kept = path.rename(path.with_name("kept"))
    os.mkfifo(path)
    try:
        yield
    finally:
        kept.replace(path)


@contextmanager
def exporting(postgres: dict[str, str], target: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py tenants export` in a process of its own, which is killed in the end."""
    child = subprocess.Popen(
        [sys.executable, "manage.py", "tenants", "export", oak.NAME, "--to", str(target)],
        cwd=settings.BASE_DIR,
        env=environment(postgres, Path(settings.PACKMULE_STORAGE_DIR)),
    )
    try:
        yield child
    finally:
        child.kill()
        assert child.wait(10) == -signal.SIGKILL


def killed(postgres: dict[str, str], made: Oak, target: Path, then: Callable[[], object] = int) -> Path:
    """Kill an export that has all contents but the last two, after `then` was called; what it leaves."""
    partial = partial_of(target, made)
    with blocked(keys_of(made)[DIFFERENT - 1]), exporting(postgres, target):
        eventually(lambda: len(contents_in(partial)) == DIFFERENT - 1)
        then()
    return partial


def require_same(target: Path, other: Path) -> None:
    """Hold that both archives hold the same, to the byte."""
    first, second = manifest_of(target), manifest_of(other)
    for part in ("tenant", "tables", "registry", "blobs", "left_out"):
        assert first[part] == second[part]
    assert _files(target) == _files(other)


def _files(archive: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(archive)): path for path in archive.rglob("*") if path.is_file()}
    assert {path.stat().st_mode & 0o777 for path in found.values()} == {0o600}
    return {name: path.read_bytes() for name, path in found.items() if name != "manifest.json"}


def test_an_export_that_was_killed_goes_on(
    postgres: dict[str, str], grown: Oak, tmp_path: Path, fetched: list[str]
) -> None:
    partial = killed(postgres, grown, tmp_path / "oak")
    assert [path.name for path in tmp_path.iterdir()] == [partial.name], "nothing has its name"
    assert refusal("import", partial)["code"] == "archive_invalid"

    done = command("export", oak.NAME, "--to", tmp_path / "oak")

    assert (done["files"], done["written"], done["present"]) == (5, 1, 4)
    assert fetched == keys_of(grown)[DIFFERENT - 1 : DIFFERENT]
    assert [path.name for path in tmp_path.iterdir()] == ["oak"]
    checking.checked(tmp_path / "oak", done["sha256"])
    command("export", oak.NAME, "--to", tmp_path / "at once")
    require_same(tmp_path / "oak", tmp_path / "at once")


def test_bytes_that_were_altered_in_between_are_written_again(
    postgres: dict[str, str], grown: Oak, tmp_path: Path
) -> None:
    altered, cut, link = contents_in(killed(postgres, grown, tmp_path / "oak"))
    altered.write_bytes(bytes(altered.stat().st_size))
    cut.write_bytes(cut.read_bytes()[:-1])
    link.rename(tmp_path / "elsewhere")
    link.symlink_to(tmp_path / "elsewhere")

    done = command("export", oak.NAME, "--to", tmp_path / "oak")

    assert (done["written"], done["present"]) == (DIFFERENT, 1)
    checking.checked(tmp_path / "oak", done["sha256"])
    for path in contents_in(tmp_path / "oak"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def test_what_was_purged_in_between_is_not_in_it(
    postgres: dict[str, str], grown: Oak, tmp_path: Path
) -> None:
    killed(postgres, grown, tmp_path / "oak")
    assert Api(grown.space.root_key).post(f"{grown.file}/purge").status == 204

    done = command("export", oak.NAME, "--to", tmp_path / "oak")

    assert (done["files"], done["written"], done["present"]) == (4, 1, 3)
    assert hashlib.sha256(PNG).hexdigest() not in {path.name for path in (tmp_path / "oak").rglob("*")}
    checking.checked(tmp_path / "oak", done["sha256"])


def test_of_two_at_once_one_is_refused(postgres: dict[str, str], grown: Oak, tmp_path: Path) -> None:
    refused: list[dict[str, Any]] = []

    def second() -> None:
        refused.append(refusal("export", oak.NAME, "--to", tmp_path / "oak"))

    partial = killed(postgres, grown, tmp_path / "oak", second)

    assert [problem["code"] for problem in refused] == ["export_running"]
    assert len(contents_in(partial)) == DIFFERENT - 1, "nothing of the first was touched"


def test_another_tenants_export_is_not_mixed_in(postgres: dict[str, str], grown: Oak, tmp_path: Path) -> None:
    partial = killed(postgres, grown, tmp_path / "oak")

    refused = refusal("export", "acorn/production", "--to", tmp_path / "oak")

    assert refused["code"] == "archive_in_the_way"
    assert partial.name in refused["detail"]
    assert len(contents_in(partial)) == DIFFERENT - 1
    assert command("export", "acorn/production", "--to", tmp_path / "oa")["tenant"] == "acorn/production"


def test_a_store_that_goes_away_again_and_again_costs_nothing_twice(
    grown: Oak, tmp_path: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, left = StoredBlobs.read, list[int]()

    def away(blobs: StoredBlobs, key: str) -> Iterator[bytes] | None:
        if not left:
            raise StoreUnreachable
        left.pop()
        return read(blobs, key)

    monkeypatch.setattr(StoredBlobs, "read", away)
    for _ in range(DIFFERENT - 1):
        left.append(1)
        assert refusal("export", oak.NAME, "--to", tmp_path / "oak")["code"] == "store_unreachable"
        assert [path.name for path in partial_of(tmp_path / "oak", grown).iterdir()] == ["earlier"]
    left.append(1)

    done = command("export", oak.NAME, "--to", tmp_path / "oak")

    assert (done["written"], done["present"]) == (1, 4)
    assert sorted(fetched) == keys_of(grown)[:DIFFERENT]


def test_a_folder_that_others_can_read_is_not_gone_on_with(grown: Oak, tmp_path: Path) -> None:
    partial = partial_of(tmp_path / "oak", grown)
    partial.mkdir()
    partial.chmod(0o755)
    assert refusal("export", oak.NAME, "--to", tmp_path / "oak")["code"] == "archive_in_the_way"
    partial.rmdir()
    (tmp_path / "elsewhere").mkdir(0o700)
    partial.symlink_to(tmp_path / "elsewhere")
    assert refusal("export", oak.NAME, "--to", tmp_path / "oak")["code"] == "archive_not_written"
    assert list((tmp_path / "elsewhere").iterdir()) == []
