"""When a key was last used: written at most once a minute, after the call, and never in its way."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import Error, connection

from apps.accounts.signin.sessions import NOTED_EVERY, note_seen
from apps.apikeys.lookup import Found, TenantRow
from apps.core import clock
from apps.core.actor import Call
from apps.tenancy.walls import enter, registry

# Whoever finds the row locked leaves it: another call of the same key notes the same minute.
_NOTE = """
update public.apikeys_keyindex set last_used_at = %(now)s
where id = (select id from public.apikeys_keyindex where id = %(id)s
            and (last_used_at is null or last_used_at <= %(since)s) for update skip locked)
"""
logger = logging.getLogger("packmule.apikeys")
#: When this process last noted a session, so that it asks the database once a minute at most.
_noted: dict[str, datetime] = {}
_MOST_NOTED = 10_000


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


def note_session(home: TenantRow, token: str, call: Call) -> None:
    """Write down that the session was used now, unless somebody did within the last minute. Errors are only logged."""
    now, known = clock.now(), f"{home.ref.id}:{token}"
    noted = _noted.get(known)
    if noted is not None and now - noted < NOTED_EVERY:
        return
    if len(_noted) >= _MOST_NOTED:
        _noted.clear()
    _noted[known] = now
    try:
        with enter(home.ref):
            note_seen(token, call.ip)
    except Error:
        logger.warning("The last use of a session could not be noted", exc_info=True)
