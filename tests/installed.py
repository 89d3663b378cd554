"""Processes of their own on the database of the tests, as `manage.py` starts them in production."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings


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
