"""Mails kept as files in the data directory, readable by the server's account alone."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage

from apps.core.ids import uuid7

#: How many are kept in one folder; the oldest go first.
KEPT = 1000


def folder(name: str) -> Path:
    """Where mails of the tenant `name` are kept: `mail/menugen--production`."""
    return Path(settings.PACKMULE_DATA_DIR) / "mail" / (name.replace("/", "--") or "installation")


def keep(name: str, mail: EmailMessage) -> Path | None:
    """Write `mail` as a file among those of `name`, and return where; None when the disk refuses it."""
    place = folder(name)
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.mkdir(mode=0o700, exist_ok=True)
        file = place / f"{uuid7()}.eml"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as written:
            written.write(mail.message().as_bytes())
        _forget_oldest(place)
    except OSError:
        return None
    return file


def _forget_oldest(place: Path) -> None:
    """Names are UUIDv7, so that their order is that of time; what is not ours stays."""
    names = sorted(name for name in os.listdir(place) if name.endswith(".eml") and _is_uuid(name[:-4]))  # noqa: PTH208 - only names
    for name in names[:-KEPT]:
        (place / name).unlink(missing_ok=True)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
