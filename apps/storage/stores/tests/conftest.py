"""The local store, as the settings choose it, with a folder of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.core.ids import uuid7
from apps.storage.stores import keys
from apps.storage.stores.local import LocalStore
from tests.world import World


@pytest.fixture
def local(settings: Any, tmp_path: Path) -> LocalStore:
    """The store of this test."""
    settings.PACKMULE_S3_BUCKET = ""
    settings.PACKMULE_STORAGE_DIR = tmp_path / "files"
    made = LocalStore(settings.PACKMULE_STORAGE_DIR)
    made.begin()
    return made


@pytest.fixture
def key(world: World) -> str:
    """A key of acorn's that nobody used."""
    return keys.make(world.acorn.ref, str(uuid7()), "1")
