"""Following the log from a terminal: one reader, any number of calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from apps.core.longpoll import MOST_SECONDS
from apps.core.strictjson import dumps

#: Seconds between two calls where the server had no place for one that waits.
_PAUSE = 1.0
Read = Callable[[Mapping[str, str]], dict[str, Any]]


def follow(
    read: Read, say: Callable[[str], Any], after: str, count: int | None = None, seconds: float | None = None
) -> dict[str, Any]:
    """Say each event behind `after` as a line of JSON, until `count` were said, `seconds` are over, or Ctrl-C.

    Returns the cursor from which to go on, and how many were said. Raises what `read` does.
    """
    ends = None if seconds is None else time.monotonic() + seconds
    cursor, said = after, 0
    with suppress(KeyboardInterrupt):
        while (count is None or said < count) and (ends is None or time.monotonic() < ends):
            began = time.monotonic()
            page = read(_query(cursor, count, said, ends))
            for event in page["data"]:
                say(dumps(event).decode())
            cursor, said = page["next_cursor"], said + len(page["data"])
            if not page["data"]:
                time.sleep(_rest(began, ends))
    return {"next_cursor": cursor, "events": said}


def _query(cursor: str, count: int | None, said: int, ends: float | None) -> dict[str, str]:
    most = 200 if count is None else min(200, count - said)
    left = MOST_SECONDS if ends is None else max(0, min(MOST_SECONDS, int(ends - time.monotonic())))
    return {"after": cursor, "limit": str(most), "wait_seconds": str(left)}


def _rest(began: float, ends: float | None) -> float:
    """How long to rest: not at all after a call that waited itself."""
    now = time.monotonic()
    rest = max(0.0, _PAUSE - (now - began))
    return rest if ends is None else max(0.0, min(rest, ends - now))
