"""Processes of their own, as `manage.py` starts them in production: on the database of the tests, or on their own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from bench import installation
from tests.prepared import begin_as_installed


def environment(postgres: Mapping[str, str], files: Path) -> dict[str, str]:
    """What such a process has to know: the server, the tests' secrets, and where its files lie."""
    return os.environ | {
        **postgres,
        "PACKMULE_SECRET_KEY": settings.SECRET_KEY,
        "PACKMULE_MASTER_KEY": settings.PACKMULE_MASTER_KEY,
        "PACKMULE_ROLE_PREFIX": settings.PACKMULE_ROLE_PREFIX,
        "PACKMULE_STORAGE_DIR": str(files),
        "PACKMULE_S3_BUCKET": "",
    }


@contextmanager
def running(data: Path, **environment: str) -> Iterator[installation.Installation]:
    """`up` on `data`, which is a copy of an installation where it is not there yet; stopped afterwards."""
    if not data.exists():
        begin_as_installed(data)
    with installation.running(data, **environment) as made:
        yield made
