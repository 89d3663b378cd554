"""Going by the database's clock, as all that is in its rows does: processes on several machines agree on the time."""

from __future__ import annotations

import logging
import os
import time
from datetime import timedelta
from threading import Lock, Thread
from typing import Final

from django.db import DatabaseError, connection, connections

from apps.core import clock
from apps.tenancy.walls import outside

logger = logging.getLogger("packmule.clock")
#: Seconds between two looks at the database's clock.
EVERY: Final = 30.0
#: By how much a machine's clock may be off without a word.
_MUCH = timedelta(seconds=2)
#: Which processes have a thread, by their ids: a child of a fork has none of its parent's.
_kept_in: set[int] = set()
_lock = Lock()


def agree_on_time() -> None:
    """Go by the database's clock from now on. Raises DatabaseError when it does not answer."""
    with outside(), connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        lacking = clock.agree_on(cursor.fetchone()[0])
    if abs(lacking) > _MUCH:
        logger.warning("This machine's clock is %s off; the database's counts.", lacking)


def keep_agreeing() -> None:
    """Do so now, and from now on every EVERY seconds, in a thread of its own as long as this process lasts.

    Whoever calls it first waits until that was tried; to call it again costs nothing.
    """
    if os.getpid() in _kept_in:
        return
    with _lock:
        if os.getpid() not in _kept_in:
            _try()
            Thread(target=_run, name="clock", daemon=True).start()
            _kept_in.add(os.getpid())


def _run() -> None:
    while True:
        time.sleep(EVERY)
        _try()
        connections.close_all()


def _try() -> None:
    try:
        agree_on_time()
    except DatabaseError as failure:
        logger.warning("the time was not compared (%s); trying again", type(failure).__name__)
