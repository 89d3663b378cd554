"""Whether this process may serve with its S3, which has to write a blob once: see S3Store.require_writes_once."""

from __future__ import annotations

import logging
import time

from django.conf import settings

from apps.storage import stores
from apps.storage.stores.errors import StoreOverwrites, StoreUnreachable

logger = logging.getLogger("packmule.storage")
#: For how many seconds a store that did not answer is not asked again by who only wants to know whether to serve.
_PATIENCE = 60.0
_asked_again = 0.0


def objection() -> str | None:
    """Why this process may not serve: its S3 writes over what is there.

    None also where nobody knows, because the S3 does not answer: no upload is signed before somebody does.
    """
    global _asked_again
    if not settings.PACKMULE_S3_BUCKET or time.monotonic() < _asked_again:
        return None
    try:
        stores.store().require_writes_once()
    except StoreOverwrites as refusal:
        return refusal.detail
    except StoreUnreachable:
        _asked_again = time.monotonic() + _PATIENCE
        logger.warning(
            "The S3 does not answer. Whether it writes a blob once is asked before the first upload."
        )
    return None
