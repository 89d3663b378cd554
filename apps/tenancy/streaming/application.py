"""The ASGI application of the streaming process: one URL, which answers with server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Final

from apps.core import problems, strictjson
from apps.core.problem_handlers import problem_for
from apps.core.problems import MethodNotAllowed, RouteNotFound, show
from apps.tenancy.streaming import tickets
from apps.tenancy.streaming.door import admitted
from apps.tenancy.streaming.hub import Hub, Stream
from apps.tenancy.streaming.sources import Subject

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

#: Whoever holds a ticket may use it from any website: it is the credential, and no cookie counts here.
_ANYWHERE: Final = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
}
_EVENTS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    # nginx keeps answers back otherwise.
    "X-Accel-Buffering": "no",
}
_RETRY = b"retry: 3000\n\n"
_BEAT = b": still here\n\n"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take, in seconds."""

    heartbeat: float = 15
    life: float = 600
    #: A reader that takes nothing for so long is dropped.
    patience: float = 10


@dataclass(slots=True)
class Answer:
    """One answer on its way."""

    send: Send
    patience: float
    begun: bool = field(default=False)

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status and the headers."""
        self.begun = True
        shown = [(name.lower().encode(), value.encode()) for name, value in {**_ANYWHERE, **headers}.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": shown})

    async def write(self, body: bytes, *, more: bool = True) -> None:
        """Send a part of the body. Raises TimeoutError when the reader does not take it."""
        async with asyncio.timeout(self.patience):
            await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Send all of it."""
        await self.begin(status, headers)
        await self.write(body, more=False)


class Application:
    """Streams of `hub`."""

    def __init__(self, hub: Hub, pace: Pace | None = None) -> None:
        self.hub, self.pace = hub, pace or Pace()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = Answer(send, self.pace.patience)
        try:
            await self._route(scope, receive, answer)
        except Exception as failure:
            if not answer.begun:
                await _refuse(answer, failure)
            elif not isinstance(failure, TimeoutError):
                raise
            # A reader that takes nothing: to return with the answer half sent closes its connection.

    async def _route(self, scope: Mapping[str, Any], receive: Receive, answer: Answer) -> None:
        path, method = scope["path"], scope["method"]
        if path == "/healthz":
            await answer.whole(200, {"Content-Type": strictjson.MEDIA_TYPE}, b'{"status":"ok"}')
        elif not path.startswith(tickets.PATH):
            raise RouteNotFound(f"There are streams here, below {tickets.PATH}, and nothing at {show(path)}.")
        elif method == "OPTIONS":
            await answer.whole(204, _PREFLIGHT)
        elif method != "GET":
            raise MethodNotAllowed(method, ["GET"])
        else:
            await self._open(tickets.read(path.removeprefix(tickets.PATH)), _host(scope), receive, answer)

    async def _open(self, ticket: tickets.Ticket, host: str, receive: Receive, answer: Answer) -> None:
        with self.hub.opened(ticket.tenant_id) as stream:
            watching = self.hub.watching(ticket.topic)
            subject = await watching.in_thread(partial(admitted, ticket, host))
            listener = asyncio.create_task(_await_hang_up(receive, stream))
            try:
                with watching.joined(subject, stream):
                    await answer.begin(200, _EVENTS)
                    await self._tell(subject, stream, answer)
            finally:
                listener.cancel()

    async def _tell(self, subject: Subject, stream: Stream, answer: Answer) -> None:
        """Send what happens, until there is nothing more to hear or the time is over."""
        await answer.write(_RETRY)
        ends = monotonic() + self.pace.life
        said = ""
        while said in ("", "changed"):
            if monotonic() >= ends:
                stream.end("reopen")
            said = await stream.next(min(self.pace.heartbeat, max(0.0, ends - monotonic())))
            if said != _HUNG_UP:
                await answer.write(_event(said, subject) if said else _BEAT, more=said in ("", "changed"))


#: What a stream ends with when there is nobody to say it to.
_HUNG_UP: Final = "hung up"


async def _await_hang_up(receive: Receive, stream: Stream) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.end(_HUNG_UP)


def _event(name: str, subject: Subject) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + strictjson.dumps(subject.data) + b"\n\n"


async def _refuse(answer: Answer, failure: Exception) -> None:
    problem = problem_for(failure, None)
    headers = {"Content-Type": problems.CONTENT_TYPE, "Cache-Control": "no-store", **problem.headers}
    await answer.whole(problem.status, headers, strictjson.dumps(problem.document()))


def _host(scope: Mapping[str, Any]) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
