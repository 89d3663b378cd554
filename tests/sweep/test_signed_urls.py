"""Signed URLs as credentials: each opens the bytes that it names, at its own tenant, whoever comes with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoDbBlocker

from apps.storage.stores import keys, store
from apps.storage.stores.base import Disposition
from tests.client import whole
from tests.sweep.stage import Stage, raised
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
    url: str, host: str, headers: dict[str, str] | None = None, method: str = "GET"
) -> tuple[int, bytes]:
    """Status and bytes that somebody gets who calls `url`, on a host of the installation."""
    path = re.sub(r"^https?://[^/]+", "", url)
    sent = {**(headers or {}), "Host": host}
    answer = whole(
        Client(raise_request_exception=False).generic(method, path, headers=sent, SERVER_NAME=host)
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
