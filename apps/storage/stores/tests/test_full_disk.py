"""A disk that is really full: a small one in the memory of the kernel, which the server alone sees."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.storage.tests.parcels import PNG
from tests.s3 import edge
from tests.scratch import Scratch, scratch_tenant
from tests.world import World

pytestmark = pytest.mark.slow

MB = 2**20
CONTENT = PNG + bytes(3 * MB)
#: Mounts a disk of 8 MB at $0, for what it then becomes and its children alone.
_SMALL = 'mount -t tmpfs -o size=8m,mode=700 small "$0" && touch "$0/.packmule" && exec "$@"'


@dataclass
class Small:
    """A server with a small disk, seen from outside."""

    url: str
    key: str
    disk: Path

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.request(method, self.url + path, json=body, headers=headers, timeout=60)

    def announce(self) -> httpx.Response:
        said = {"bucket": "photos", "name": "cat.png", "content_type": "image/png", "size": len(CONTENT)}
        return self.call("POST", "/v1/files", said)

    def fill(self) -> None:
        """Take what room there is."""
        with (self.disk / ".filler").open("ab", buffering=0) as file, suppress(OSError):
            while file.write(bytes(MB)):
                continue
        assert shutil.disk_usage(self.disk).free == 0

    def make_room(self) -> None:
        (self.disk / ".filler").unlink()

    def lying(self) -> set[str]:
        return {path.name for path in self.disk.rglob("*") if path.is_file()}


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    with scratch_tenant() as made:
        yield made


@pytest.fixture
def small(postgres: dict[str, str], scratch: Scratch, tmp_path: Path) -> Iterator[Small]:
    """The server, with a bucket `photos`."""
    # Root needs no user of its own, as which it would not reach the socket of the tests' Postgres.
    alone = "-m" if os.geteuid() == 0 else "-rm"
    within = ["unshare", alone, "sh", "-c", _SMALL, str(tmp_path)]
    try:
        subprocess.run([*within, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as refusal:
        pytest.skip(f"This machine mounts no disk for a user: {getattr(refusal, 'stderr', refusal)!r}")
    reserve = {"PACKMULE_STORAGE_RESERVE": str(MB)}
    with edge.started(postgres, tmp_path, within=within, **reserve) as (url, pid):
        found = Small(url, scratch.key, Path(f"/proc/{pid}/root{tmp_path}"))
        assert found.call("POST", "/v1/buckets", {"name": "photos"}).status_code == 201
        yield found


def test_a_disk_that_is_full_refuses_keeps_nothing_and_goes_on_when_there_is_room(small: Small) -> None:
    file = small.announce().json()
    upload = file["upload"]
    small.fill()
    refused = small.announce()
    assert (refused.status_code, refused.json()["code"]) == (503, "store_nearly_full")
    refused = httpx.put(upload["url"], content=CONTENT, headers=upload["headers"], timeout=60)
    assert (refused.status_code, refused.json()["code"], refused.json()["retryable"]) == (
        507,
        "store_full",
        True,
    )
    small.make_room()

    def filled_meanwhile() -> Iterator[bytes]:
        yield CONTENT[:MB]
        while not small.lying() - {".packmule"}:
            continue
        small.fill()
        yield CONTENT[MB:]

    headers = upload["headers"] | {"Content-Length": str(len(CONTENT))}
    refused = httpx.put(upload["url"], content=filled_meanwhile(), headers=headers, timeout=60)
    assert (refused.status_code, refused.json()["code"]) == (507, "store_full")
    assert small.lying() == {".packmule", ".filler"}
    small.make_room()
    assert httpx.put(upload["url"], content=CONTENT, headers=upload["headers"], timeout=60).status_code == 200
    assert small.call("POST", f"/v1/files/{file['id']}/complete", {}).json()["status"] == "ready"
    link = small.call("GET", f"/v1/files/{file['id']}/link").json()
    assert httpx.get(link["url"], headers=link["headers"]).content == CONTENT
