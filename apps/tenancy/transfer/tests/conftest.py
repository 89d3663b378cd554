"""The tenant that moves, and an archive of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from apps.tenancy import provisioning
from apps.tenancy.models import Tenant
from apps.tenancy.transfer.tests import oak
from apps.tenancy.transfer.tests.oak import Oak
from tests.fixtures import SPARES
from tests.world import World


@pytest.fixture
def growing(committing: World) -> Iterator[World]:
    """The world for stories that commit oak/production; no trace of it stays."""
    yield committing
    oak.fell(committing)
    for _ in range(SPARES - Tenant.objects.spare("environment").count()):
        provisioning.build_spare("environment")


@pytest.fixture
def carrier(tmp_path: Path) -> Path:
    """The file with the key that locks data keys on the way."""
    path = tmp_path / "carrier.key"
    path.write_text(oak.CARRIER + "\n")
    return path


@pytest.fixture(scope="module")
def exported(
    django_db_setup: Any, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Oak, Path]:
    """Oak, which is gone, and its archive."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "carrier.key").write_text(oak.CARRIER)
    with django_db_blocker.unblock():
        grown = oak.grown(django_db_setup)
        oak.command("export", oak.NAME, "--to", folder / "oak", "--key-file", folder / "carrier.key")
        oak.fell(django_db_setup)
        connections.close_all()
    return grown, folder / "oak"


@pytest.fixture
def archive(exported: tuple[Oak, Path], tmp_path: Path) -> Path:
    """A copy of the archive, to be changed."""
    return Path(shutil.copytree(exported[1], tmp_path / "oak"))
