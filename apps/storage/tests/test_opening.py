"""What the store is asked before an upload is announced: in no transaction, and for nothing where that is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.storage import accounting
from apps.storage.errors import QuotaExceeded
from apps.storage.stores.errors import StoreUnreachable
from apps.storage.stores.local import LocalStore
from apps.storage.tests.parcels import announce, make_bucket, uploaded
from tests.client import Answer, Api
from tests.scratch import Scratch, scratch_tenant
from tests.world import World

KEYS = pytest.mark.parametrize("key", [{}, {"idempotency_key": "once"}])


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    with scratch_tenant() as made:
        assert Api(made.key).post("/v1/buckets", {"name": "photos"}).status == 201
        yield made


@pytest.fixture
def me(world: World, api: Api) -> Api:
    make_bucket(world.acorn)
    return api.using(world.acorn.parties["north"].person_key)


def new(me: Api, **how: Any) -> Answer:
    body = {"bucket": "photos", "name": "cat.png", "content_type": "image/png", "size": 9, "multipart": True}
    return me.post("/v1/files", body, **how)


def version(me: Api, path: str, **how: Any) -> Answer:
    return me.post(f"{path}/versions", {"size": 9, "content_type": "image/png", "multipart": True}, **how)


def begun(store_folder: Path) -> set[Path]:
    return set(store_folder.glob(".uploads/*"))


@KEYS
@pytest.mark.parametrize("multipart", [False, True])
def test_the_store_is_asked_in_no_transaction(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, key: dict[str, str], multipart: bool
) -> None:
    within, start = list[bool](), LocalStore.start_multipart

    def started(store: LocalStore, blob: str) -> str:
        within.append(connection.in_atomic_block)
        return start(store, blob)

    monkeypatch.setattr(LocalStore, "start_multipart", started)
    monkeypatch.setattr(
        LocalStore, "require_writes_once", lambda _: within.append(connection.in_atomic_block)
    )
    api = Api(scratch.key)
    body = {"size": 9, "content_type": "image/png", "multipart": multipart}
    made = api.post("/v1/files", {"bucket": "photos", "name": "cat.png", **body}, **key)
    assert made.status == 201, made
    other = {"idempotency_key": "other"} if key else {}
    assert api.post(f"/v1/files/{made['id']}/versions", body, **other).status == 201
    assert within == [False, False]


@KEYS
def test_what_was_begun_for_a_refused_file_is_forgotten(
    me: Api, store_folder: Path, monkeypatch: pytest.MonkeyPatch, key: dict[str, str]
) -> None:
    def full(*_: Any) -> None:
        raise QuotaExceeded

    monkeypatch.setattr(accounting, "reserve", full)
    before = begun(store_folder)
    assert new(me, **key).code == "storage_quota_exceeded"
    assert begun(store_folder) == before


@KEYS
def test_what_was_begun_for_a_refused_version_is_forgotten(
    world: World, me: Api, store_folder: Path, key: dict[str, str]
) -> None:
    path = uploaded(world.acorn, me)
    for _ in range(accounting.MOST_OPEN_OF_FILE):
        assert version(me, path).status == 201
    before = begun(store_folder)
    assert version(me, path, **key).code == "too_many_open_uploads"
    assert begun(store_folder) == before


def test_a_refusal_is_the_same_where_the_store_does_not_forget(
    me: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*_: Any) -> None:
        raise QuotaExceeded

    def away(*_: Any) -> None:
        raise StoreUnreachable

    monkeypatch.setattr(accounting, "reserve", refusing)
    monkeypatch.setattr(LocalStore, "abort_multipart", away)
    assert new(me).code == "storage_quota_exceeded"


@pytest.mark.parametrize(("bucket", "code"), [("small", "file_too_large"), ("nowhere", "not_found")])
def test_nothing_is_begun_for_what_its_bucket_does_not_take(
    world: World, me: Api, monkeypatch: pytest.MonkeyPatch, bucket: str, code: str
) -> None:
    make_bucket(world.acorn, "small", max_size=5)
    path = uploaded(world.acorn, me, b"12345", bucket="small", content_type="text/plain")
    monkeypatch.setattr(LocalStore, "start_multipart", lambda *_: pytest.fail("begun"))
    assert announce(me, bucket=bucket, multipart=True).code == code
    assert version(me, path).code == "file_too_large"


def test_an_answer_that_is_kept_begins_nothing(me: Api, store_folder: Path) -> None:
    first = new(me, idempotency_key="once")
    before = begun(store_folder)
    assert new(me, idempotency_key="once").body == first.body
    assert begun(store_folder) == before
