"""Signed URLs as credentials: each opens the bytes that it names, at its own tenant, whoever comes with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoDbBlocker

from apps.core import clock
from apps.core.ids import decode
from apps.storage.models import Condemned, FileVersion
from apps.storage.stores import keys, store
from apps.storage.stores.base import Disposition
from apps.storage.tests.parcels import PNG, announce, content_of, make_bucket
from apps.tenancy.models import Tenant
from apps.tenancy.provisioning import soft_delete
from apps.tenancy.walls import enter, registry
from tests.client import Api, whole
from tests.sweep.stage import Stage, raised, undone
from tests.world import Space

SHOWN = Disposition("menu.txt", "text/plain")


@pytest.fixture(scope="module")
def stage(django_db_setup: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Stage]:
    """One stage for all of them, in a transaction that ends with the module."""
    with raised(django_db_setup, django_db_blocker) as made:
        yield made


@pytest.fixture(scope="module")
def urls(stage: Stage) -> Iterator[dict[str, str]]:
    """A way to the bytes of one file for each tenant; the files' keys differ in the tenant alone."""
    blobs = {name: keys.make(space.ref, "sweep", "file", "1") for name, space in stage.spaces.items()}
    for name, blob in blobs.items():
        store().put(blob, BytesIO(f"bytes of {name}".encode()))
    yield {name: store().download_url(blob, SHOWN, seconds=600).url for name, blob in blobs.items()}
    store().delete(list(blobs.values()))


def fetched(
    url: str, host: str, headers: dict[str, str] | None = None, method: str = "GET", content: bytes = b""
) -> tuple[int, bytes]:
    """Status and bytes that somebody gets who calls `url`, on a host of the installation."""
    path = re.sub(r"^https?://[^/]+", "", url)
    sent = {**(headers or {}), "Host": host}
    client = Client(raise_request_exception=False)
    answer = whole(
        client.generic(method, path, content, "application/octet-stream", headers=sent, SERVER_NAME=host)
    )
    return answer.status_code, answer.content


def test_no_other_credential_adds_to_it_or_takes_from_it(stage: Stage, urls: dict[str, str]) -> None:
    for caller in stage.callers:
        assert fetched(urls["acorn"], "127.0.0.1", caller.sends()) == (200, b"bytes of acorn"), caller.name


def test_it_opens_nothing_on_a_host_of_another_tenant(stage: Stage, urls: dict[str, str]) -> None:
    spaces: dict[str, Space] = stage.spaces
    for name, url in urls.items():
        for other, space in spaces.items():
            if other != "console":
                status, content = fetched(url, space.host)
                assert status == (200 if other == name else 401), (
                    f"{name}'s URL on the host of {other}: {content!r}"
                )


def test_what_was_changed_in_any_letter_opens_nothing(urls: dict[str, str]) -> None:
    head, _, token = urls["acorn"].rpartition("/")
    for place in range(0, len(token), 7):
        letter = "A" if token[place] != "A" else "B"
        status, content = fetched(f"{head}/{token[:place]}{letter}{token[place + 1 :]}", "127.0.0.1")
        assert (status, b"bytes of" in content) == (403, False), place


def test_it_is_good_for_its_own_method_alone(urls: dict[str, str]) -> None:
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        status, _ = fetched(urls["acorn"], "127.0.0.1", method=method)
        assert status in (403, 405), f"{method}: {status}"
    assert fetched(urls["acorn"], "127.0.0.1") == (200, b"bytes of acorn")


@dataclass(frozen=True)
class Opened:
    """An upload that is open in a tenant: the file's path, the key of its bytes, and the URL that takes them."""

    space: Space
    path: str
    blob: str
    upload_id: str
    url: str

    @property
    def api(self) -> Api:
        """Who may do everything there."""
        return Api(self.space.root_key)

    def sent(self, content: bytes = PNG, host: str = "127.0.0.1", url: str = "") -> int:
        """The status of sending `content`."""
        return fetched(url or self.url, host, method="PUT", content=content)[0]

    def has_arrived(self) -> bool:
        """True when any bytes lie where the URL leads."""
        if not self.upload_id:
            return store().stat(self.blob) is not None
        return bool(store().parts(self.blob, self.upload_id))


@pytest.fixture(params=[False, True], ids=["whole", "part"])
def opened(stage: Stage, request: pytest.FixtureRequest) -> Iterator[dict[str, Opened]]:
    """An upload by one request, or in parts, for each tenant. Rows and bytes are gone afterwards."""
    with undone():
        made = {name: _opened(stage.spaces[name], request.param) for name in ("acorn", "birch")}
        yield made
        for one in made.values():
            store().abort_multipart(one.blob, one.upload_id)
            store().delete([one.blob])


def _opened(space: Space, in_parts: bool) -> Opened:
    make_bucket(space, "signed")
    made = announce(Api(space.root_key), bucket="signed", multipart=in_parts)
    with enter(space.ref):
        version = FileVersion.objects.get(file_id=decode(made["id"], "file"))
    return Opened(space, f"/v1/files/{made['id']}", version.blob, version.upload_id, made["upload"]["url"])


def test_an_upload_url_takes_nothing_on_a_host_of_another_tenant(opened: dict[str, Opened]) -> None:
    for name, one in opened.items():
        for other, two in opened.items():
            if other != name:
                assert one.sent(host=two.space.host) == 401
                assert not one.has_arrived()
        assert one.sent(host=one.space.host) == 200
        assert one.has_arrived()


def test_an_upload_url_that_was_changed_in_any_letter_takes_nothing(opened: dict[str, Opened]) -> None:
    one = opened["acorn"]
    head, _, token = one.url.rpartition("/")
    for place in range(0, len(token), 7):
        letter = "A" if token[place] != "A" else "B"
        assert one.sent(url=f"{head}/{token[:place]}{letter}{token[place + 1 :]}") == 403, place
    for other in (token + "A", token + "=", token[:-1], f"{token}.{token}", token * 2):
        assert one.sent(url=f"{head}/{other}") == 403, other
    assert not one.has_arrived()


def test_an_upload_url_gives_nothing_and_takes_exactly_its_size(opened: dict[str, Opened]) -> None:
    one = opened["acorn"]
    for method in ("GET", "HEAD", "POST", "PATCH", "DELETE"):
        assert fetched(one.url, "127.0.0.1", method=method)[0] in (403, 405), method
    assert (one.sent(PNG[:-1]), one.sent(PNG + b"1"), one.sent(b"")) == (400, 413, 411)
    assert not one.has_arrived()
    assert one.sent() == 200
    assert fetched(one.url, "127.0.0.1")[0] == 403


def test_an_upload_url_ends(opened: dict[str, Opened]) -> None:
    one = opened["acorn"]
    with clock.frozen(clock.now() + timedelta(hours=1, seconds=1)):
        assert one.sent() == 403
    assert not one.has_arrived()


def test_an_upload_url_changes_nothing_that_is_complete(opened: dict[str, Opened]) -> None:
    one = opened["acorn"]
    assert one.sent() == 200
    assert one.api.post(f"{one.path}/complete").status == 200
    assert one.sent(PNG[::-1]) == (404 if one.upload_id else 409)
    assert content_of(one.api, one.path) == PNG


def test_what_an_upload_url_takes_after_a_purge_is_nobodys_and_goes(opened: dict[str, Opened]) -> None:
    one = opened["acorn"]
    assert one.api.post(f"{one.path}/purge").status == 204
    one.sent()
    for way in ("", "/content", "/link", "/upload", "/parts", "/versions"):
        assert one.api.get(f"{one.path}{way}").status == 404, way
    assert one.api.post(f"{one.path}/complete").status == 404
    with enter(one.space.ref):
        at_once, later = Condemned.objects.filter(blob=one.blob).order_by("due_at")
    assert (at_once.due_at <= clock.now(), {at_once.upload_id, later.upload_id}) == (True, {one.upload_id})
    with clock.frozen(later.due_at):
        assert one.sent() == 403, "its URL has ended by the time that its bytes are deleted"


def test_an_upload_url_of_a_deleted_tenant_takes_nothing(opened: dict[str, Opened]) -> None:
    one = opened["acorn"]
    with registry():
        tenant = Tenant.objects.get(pk=one.space.ref.id)
    soft_delete(tenant)
    assert (one.sent(), one.sent(host=one.space.host)) == (401, 401)
    assert not one.has_arrived()
    assert opened["birch"].sent() == 200
