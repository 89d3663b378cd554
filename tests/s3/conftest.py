"""Both stores for one and the same story: the local one behind a server of our own, and a real S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client import Api
from tests.s3 import edge
from tests.scratch import Scratch, scratch_tenant
from tests.world import World


@pytest.fixture(scope="session")
def local_edge(postgres: dict[str, str], django_db_setup: Any, store_folder: Path) -> Iterator[str]:
    """Where the server answers that takes the local store's signed requests."""
    with edge.serving(postgres, store_folder) as url:
        yield url


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, settings: Any) -> str:
    """The name of the store of this test, which the settings choose."""
    if request.param == "s3":
        chosen = request.getfixturevalue("s3_server").settings()
    else:
        chosen = {"PACKMULE_S3_BUCKET": "", "PACKMULE_STORAGE_URL": request.getfixturevalue("local_edge")}
    for name, value in chosen.items():
        setattr(settings, name, value)
    return str(request.param)


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    """A tenant of one story's own, in which everything commits: the other processes see it."""
    with scratch_tenant() as made:
        yield made


@pytest.fixture
def me(scratch: Scratch, place: str) -> Api:
    """Who decides for that tenant; it has a bucket `photos`."""
    api = Api(scratch.key)
    assert api.post("/v1/buckets", {"name": "photos"}).status == 201
    return api
