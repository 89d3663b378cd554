"""Who listens to what: streams, and what is watched for them. All of it lives in the one thread of the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar
from uuid import UUID

from django.db import Error, connection

from apps.tenancy.streaming.errors import StreamsFull
from apps.tenancy.streaming.sources import Source, Subject, source_of

T = TypeVar("T")
logger = logging.getLogger("packmule.streaming")

#: Of the streams of a process, one tenant has one in so many.
_SHARES = 5
_AFTER_FAILURE = 2.0
_COME_BACK = 10
_UNSEEN = object()


class Stream:
    """One reader. What it was not told yet is a flag: a slow one misses nothing, and keeps nothing waiting."""

    __slots__ = ("_changed", "_end", "_news")

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._changed = False
        self._end = ""

    def tell(self) -> None:
        """Something changed."""
        self._changed = True
        self._news.set()

    def end(self, how: str) -> None:
        """It is over; `how` is the last event, the first one that is said counts."""
        self._end = self._end or how
        self._news.set()

    async def next(self, seconds: float) -> str:
        """The next thing to say, '' when there is none for so long. Nothing comes after an end."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return ""
        if self._changed:
            self._changed = False
            if not self._end:
                self._news.clear()
            return "changed"
        return self._end


class _Watch:
    """One subject, what it was like, and who listens."""

    __slots__ = ("mark", "streams")

    def __init__(self) -> None:
        self.mark: Hashable = _UNSEEN
        self.streams: set[Stream] = set()

    def see(self, mark: Hashable) -> None:
        """Tell everybody where it is not as it was; None is its end."""
        if mark == self.mark:
            return
        self.mark = mark
        for stream in self.streams:
            if mark is None:
                stream.end("ended")
            else:
                stream.tell()


class Watching:
    """Everything of one topic that anybody listens to, looked at in one go, by one thread with one connection.

    Nothing is asked, and no connection kept, while nobody listens.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._watched: dict[Subject, _Watch] = {}
        self._joined = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "streaming")
        self._task = asyncio.get_running_loop().create_task(self._watch())

    @contextmanager
    def joined(self, subject: Subject, stream: Stream) -> Iterator[None]:
        """Listen with `stream` while the block runs. It is told at once, or by the first look."""
        watch = self._watched.setdefault(subject, _Watch())
        watch.streams.add(stream)
        if watch.mark is not _UNSEEN:
            stream.tell() if watch.mark is not None else stream.end("ended")
        self._joined.set()
        try:
            yield
        finally:
            watch.streams.discard(stream)
            if not watch.streams and self._watched.get(subject) is watch:
                del self._watched[subject]

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run `work` where the connection is. Raises what it does, with the connection closed."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(_connected, work))

    async def _watch(self) -> None:
        while True:
            if not self._watched:
                await asyncio.get_running_loop().run_in_executor(self._thread, _disconnect)
                self._joined.clear()
                # Somebody may have come while the connection was closed.
                if not self._watched:
                    await self._joined.wait()
            await asyncio.sleep(self._source.pause if await self._look() else _AFTER_FAILURE)

    async def _look(self) -> bool:
        """Look once; False when that could not be done, which is no news for anybody."""
        asked = dict(self._watched)
        if not asked:
            return True
        try:
            marks = await self.in_thread(partial(self._source.look, list(asked)))
        except Exception as failure:  # noqa: BLE001 - the database comes back; until then nobody is told anything
            logger.warning("streams could not look for changes: %s", str(failure).partition("\n")[0])
            return False
        for subject, watch in asked.items():
            watch.see(marks.get(subject))
        return True


def _disconnect() -> None:
    # The connection of the thread that runs this: `connection.close` would be that of the thread that names it.
    with suppress(Error):
        connection.close()


def _connected(work: Callable[[], T]) -> T:
    connection.close_if_unusable_or_obsolete()
    try:
        return work()
    except Exception:
        connection.close()
        raise


class Hub:
    """All streams of the process: at most `most`, and of one tenant a fifth of that."""

    def __init__(self, most: int) -> None:
        self._most, self._of_tenant = most, max(1, most // _SHARES)
        self._streams: set[Stream] = set()
        self._tenants: Counter[UUID] = Counter()
        self._topics: dict[str, Watching] = {}
        self._stopping = False

    def __len__(self) -> int:
        return len(self._streams)

    def watching(self, topic: str) -> Watching:
        """What is watched of `topic`. Raises KeyError."""
        if topic not in self._topics:
            self._topics[topic] = Watching(source_of(topic))
        return self._topics[topic]

    @contextmanager
    def opened(self, tenant_id: UUID) -> Iterator[Stream]:
        """A stream for a reader in that tenant, while the block runs. Raises StreamsFull."""
        self._require_room(tenant_id)
        stream = Stream()
        self._streams.add(stream)
        self._tenants[tenant_id] += 1
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            self._tenants[tenant_id] -= 1
            if not self._tenants[tenant_id]:
                del self._tenants[tenant_id]

    def stop(self) -> None:
        """Open no more, and end those that are open."""
        self._stopping = True
        for stream in self._streams:
            stream.end("reopen")

    def _require_room(self, tenant_id: UUID) -> None:
        said = ""
        if self._stopping:
            said = "This process is being stopped."
        elif len(self._streams) >= self._most:
            said = f"{self._most} streams are open."
        elif self._tenants[tenant_id] >= self._of_tenant:
            said = f"{self._of_tenant} streams of this tenant are open."
        if said:
            raise StreamsFull(f"{said} {StreamsFull.advice}", retry_after=_COME_BACK)
