"""A whole installation, started as anybody starts it, and a browser to look at it."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.person import Person, chromium, require_chromium
from tests.browser.visitor import Visitor
from tests.faults.installation import installed


@pytest.fixture(scope="session")
def installation() -> Iterator[dict[str, Any]]:
    """`manage.py up` in a process of its own; yields what it prints."""
    require_chromium()
    with installed() as made:
        yield made.facts


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: PACKMULE_SCREENSHOTS, or a temporary folder."""
    named = os.environ.get("PACKMULE_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def person(installation: dict[str, Any], shots: Path, tmp_path: Path) -> Iterator[Person]:
    """Somebody at the admin's first page, not signed in."""
    with chromium(tmp_path / "profile") as driver:
        yield Person(driver, installation["api_url"], shots)


@pytest.fixture
def admin(installation: dict[str, Any], person: Person) -> Person:
    """The first person of the installation, signed in."""
    person.sign_in(installation["admin_email"], installation["admin_password"])
    assert person.path == "/admin/"
    return person


@pytest.fixture(scope="session")
def onlooker(
    installation: dict[str, Any], shots: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Person]:
    """The same in one browser for all tests that only look: it takes longer to start than to look at a page."""
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        person = Person(driver, installation["api_url"], shots)
        person.sign_in(installation["admin_email"], installation["admin_password"])
        yield person


@pytest.fixture(scope="session")
def product(installation: dict[str, Any]) -> str:
    """The address of a product's environment, where its customers sign in."""
    call(installation, "/v1/applications", installation["console_key"], {"slug": "pages", "name": "Pages"})
    port = installation["api_url"].rpartition(":")[2]
    return f"http://development--pages.localhost:{port}"


@pytest.fixture
def visitor(product: str, installation: dict[str, Any], shots: Path, tmp_path: Path) -> Iterator[Visitor]:
    """Somebody at that product, not signed in."""
    with chromium(tmp_path / "profile") as driver:
        yield Visitor(driver, product, shots, Path(installation["data_dir"]) / "mail")


def call(installation: dict[str, Any], path: str, key: str, body: Any = None) -> Any:
    """Call the API over HTTP and return the answer. Raises HTTPError for a refusal."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(installation["api_url"] + path, content, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)
