"""An S3 server that goes away in the middle of things, and comes back: a refusal that may be repeated, nothing lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from apps.core import clock
from apps.storage import blobs, stores
from apps.storage.images.tests.pictures import corners, encoded
from apps.storage.stores import s3 as s3_module
from apps.storage.tests.parcels import PNG, announce, sha256, stored
from apps.storage.uploads import PART_SIZE
from tests.client import Api
from tests.refusals import check_refusal
from tests.s3.wire import another, content_of, send, sent, version_of
from tests.scratch import Scratch
from tests.standins import s3
from tests.standins.s3 import Machine

pytestmark = pytest.mark.slow


@pytest.fixture
def machine(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """The machine of the store, for one story alone."""
    s3.require_server()
    # Give up at the first refusal, where otherwise a second try waits first.
    once = {"total_max_attempts": 1, "mode": "standard"}
    monkeypatch.setitem(s3_module._PATIENCE, "retries", once)
    with s3.machine() as made:
        for name, value in made.server.settings().items():
            setattr(settings, name, value)
        yield made


@pytest.fixture
def me(scratch: Scratch, machine: Machine) -> Api:
    api = Api(scratch.key)
    presets = {"thumb": {"width": 60}}
    assert api.post("/v1/buckets", {"name": "photos", "presets": presets}).status == 201
    return api


def check_away(answer: Any) -> None:
    """That it says what is wrong, and that the same call may be sent again."""
    problem = check_refusal(answer, 503, "store_unreachable")
    assert problem["retryable"] is True
    assert int(answer.headers["Retry-After"]) > 0


def test_it_goes_away_before_an_upload_is_complete_and_comes_back(me: Api, machine: Machine) -> None:
    picture = sent(me, encoded(corners()))
    made, content = announce(me), os.urandom(2 * PART_SIZE)
    large = (
        f"/v1/files/{announce(me, content, multipart=True, content_type='application/octet-stream')['id']}"
    )
    path = f"/v1/files/{made['id']}"
    assert send(made["upload"], PNG).status_code == 200
    assert send(me.get(f"{large}/parts/2").body, content[PART_SIZE:]).status_code == 200
    before = me.get("/v1/storage/usage")["data"]
    machine.stop()
    for _ in range(2):
        check_away(me.post(f"{path}/complete", idempotency_key="once"))
    check_away(me.post(f"{large}/complete"))
    check_away(me.get(f"{large}/parts"))
    check_away(me.get(f"{picture}/derivatives/thumb"))
    check_away(announce(me, multipart=True))
    with pytest.raises(httpx.TransportError):
        send(me.get(f"{large}/parts/1").body, content[:PART_SIZE])
    assert me.get("/v1/storage/usage")["data"] == before
    machine.start()
    assert me.post(f"{path}/complete", idempotency_key="once")["sha256"] == sha256(PNG)
    assert me.get(f"{large}/parts")["missing"] == [1]
    assert send(me.get(f"{large}/parts/1").body, content[:PART_SIZE]).status_code == 200
    assert me.post(f"{large}/complete")["sha256"] == sha256(content)
    assert send(me.get(f"{picture}/derivatives/thumb").body).status_code == 200
    assert (content_of(me, path), content_of(me, large)) == (PNG, content)
    assert len(me.get("/v1/files")["data"]) == 3, "what was refused left no file"


def test_what_is_purged_meanwhile_is_deleted_when_it_is_back(
    me: Api, machine: Machine, scratch: Scratch
) -> None:
    path, kept = sent(me, PNG), sent(me, PNG + b"kept")
    another(me, path, PNG + b"2")
    blobs_of_it = [version_of(scratch, path, number).blob for number in (1, 2)]
    machine.stop()
    assert me.post(f"{path}/purge").status == 204
    assert me.get(path).code == "not_found"
    assert stored(me) == {"photos": (len(PNG) + 4, 1)}
    assert me.post("/v1/storage/lifecycle")["cleared"] == 0
    machine.start()
    assert all(stores.store().stat(blob) for blob in blobs_of_it), "it has what it had"
    with clock.frozen(clock.now() + blobs.AGAIN + timedelta(seconds=1)):
        assert me.post("/v1/storage/lifecycle")["cleared"] == 2
    assert [stores.store().stat(blob) for blob in blobs_of_it] == [None, None]
    assert content_of(me, kept) == PNG + b"kept"
