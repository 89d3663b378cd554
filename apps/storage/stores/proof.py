"""Whether this process may serve with its S3, which has to write a blob once: see S3Store.require_writes_once."""

from __future__ import annotations

import logging

from django.conf import settings

from apps.storage import stores
from apps.storage.stores.absence import Absence
from apps.storage.stores.errors import StoreOverwrites, StoreUnreachable

logger = logging.getLogger("packmule.storage")
_absence = Absence()


def objection() -> str | None:
    """Why this process may not serve: its S3 writes over what is there.

    None also where nobody knows, because the S3 does not answer: no upload is signed before somebody does.
    """
    if not settings.PACKMULE_S3_BUCKET or _absence.lasts:
        return None
    try:
        stores.store().require_writes_once()
    except StoreOverwrites as refusal:
        return refusal.detail
    except StoreUnreachable:
        _absence.note()
        logger.warning(
            "The S3 does not answer. Whether it writes a blob once is asked before the first upload."
        )
    return None
