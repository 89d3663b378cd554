"""When a key was last used: written at most once a minute, after the call, and never in its way."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import Error, connection

from apps.apikeys.lookup import Found
from apps.core import clock
from apps.tenancy.walls import registry

NOTED_EVERY = timedelta(minutes=1)
# Whoever finds the row locked leaves it: another call of the same key notes the same minute.
_NOTE = """
update public.apikeys_keyindex set last_used_at = %(now)s
where id = (select id from public.apikeys_keyindex where id = %(id)s
            and (last_used_at is null or last_used_at <= %(since)s) for update skip locked)
"""
logger = logging.getLogger("packmule.apikeys")


def note_use(found: Found) -> None:
    """Write down that the key was used now, unless somebody did within the last minute. Errors are only logged."""
    now = clock.now()
    if found.last_used_at is not None and now - found.last_used_at < NOTED_EVERY:
        return
    try:
        with registry(), connection.cursor() as cursor:
            cursor.execute(_NOTE, {"now": now, "id": found.id, "since": now - NOTED_EVERY})
    except Error:
        logger.warning("The last use of key %s could not be noted", found.id, exc_info=True)
