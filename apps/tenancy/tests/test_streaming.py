"""Streams without a server and a database: who is told what, how many there may be, and what a ticket is good for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from apps.core import clock
from apps.core.actor import TenantRef
from apps.core.ids import uuid7
from apps.tenancy.streaming import application, sources, tickets
from apps.tenancy.streaming.application import Application, Pace
from apps.tenancy.streaming.errors import StreamsFull, StreamTicketExpired, StreamTicketInvalid
from apps.tenancy.streaming.hub import Hub, Stream
from apps.tenancy.streaming.sources import Subject

TENANT = TenantRef(uuid7(), "menugen/production", "t_x", "environment", True)
TOPIC = "made up"


class Told:
    """A source that says what a test wants it to say."""

    pause = 0.01

    def __init__(self) -> None:
        self.marks: dict[str, Hashable] = {"job_1": 1, "job_2": 1}
        self.looks: list[int] = []
        self.fails = False

    def look(self, subjects: Collection[Subject]) -> Mapping[Subject, Hashable]:
        self.looks.append(len(subjects))
        if self.fails:
            raise ConnectionError("the database is away")
        return {one: self.marks[one.id] for one in subjects if one.id in self.marks}


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Told:
    made = Told()
    monkeypatch.setitem(sources._sources, TOPIC, made)
    monkeypatch.setattr(application, "admitted", _admitted)
    monkeypatch.setattr("apps.tenancy.streaming.hub._connected", lambda work: work())
    monkeypatch.setattr("apps.tenancy.streaming.hub._AFTER_FAILURE", 0.05)
    monkeypatch.setattr("apps.tenancy.streaming.hub._disconnect", lambda: None)
    return made


def _admitted(ticket: tickets.Ticket, _host: str) -> Subject:
    return Subject(TENANT, ticket.organization_id, ticket.subject)


class Reader:
    """One request to the application: what it was answered so far."""

    def __init__(self, app: Application, path: str, method: str = "GET") -> None:
        self.status, self.headers, self.body, self.ended = 0, dict[str, str](), b"", False
        self._gone = asyncio.Event()
        self.slow = asyncio.Event()
        scope = {"type": "http", "method": method, "path": path, "headers": [(b"host", b"x.test")]}
        self.task = asyncio.get_running_loop().create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        while self.slow.is_set():
            await asyncio.sleep(0.01)
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message["body"]
            self.ended = not message["more_body"]

    def hang_up(self) -> None:
        self._gone.set()

    @property
    def events(self) -> list[str]:
        return [line[7:] for line in self.body.decode().splitlines() if line.startswith("event: ")]


async def until(true: Callable[[], Any], seconds: float = 3.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def url(subject: str = "job_1", tenant: UUID = TENANT.id) -> str:
    expires = int(clock.now().timestamp()) + 60
    return tickets.PATH + tickets.write(tickets.Ticket(TOPIC, str(tenant), "", subject, expires))


def run(work: Callable[[Application], Awaitable[None]], most: int = 50, **pace: float) -> None:
    async def running() -> None:
        await work(Application(Hub(most), Pace(**pace)))

    asyncio.run(running())


def test_a_reader_is_told_at_once_then_of_every_change_and_of_the_end(source: Told) -> None:
    async def work(app: Application) -> None:
        reader = Reader(app, url())
        await until(lambda: reader.events == ["changed"])
        source.marks["job_1"] = 2
        await until(lambda: reader.events == ["changed"] * 2)
        del source.marks["job_1"]
        await reader.task
        assert reader.events == ["changed", "changed", "ended"]
        assert (reader.status, reader.ended, len(app.hub)) == (200, True, 0)
        assert reader.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reader.headers["access-control-allow-origin"] == "*"
        assert reader.body.startswith(b"retry: ")
        assert b'event: changed\ndata: {"id":"job_1"}\n\n' in reader.body

    run(work)


def test_who_comes_later_is_told_at_once_and_each_hears_of_its_own_job(source: Told) -> None:
    async def work(app: Application) -> None:
        first = Reader(app, url())
        await until(lambda: first.events == ["changed"])
        second, other = Reader(app, url()), Reader(app, url("job_2"))
        await until(lambda: second.events == other.events == ["changed"])
        source.marks["job_1"] = 2
        await until(lambda: first.events == second.events == ["changed"] * 2)
        await asyncio.sleep(0.05)
        assert other.events == ["changed"]
        assert max(source.looks) == 2, "two readers of one job are one look"

    run(work)


def test_a_job_that_is_over_already_has_ended(source: Told) -> None:
    async def work(app: Application) -> None:
        reader = Reader(app, url("job_3"))
        await reader.task
        assert reader.events == ["ended"]

    run(work)


def test_nothing_is_looked_at_while_nobody_listens(source: Told) -> None:
    async def work(app: Application) -> None:
        await asyncio.sleep(0.05)
        assert source.looks == []
        reader = Reader(app, url())
        await until(lambda: reader.events)
        reader.hang_up()
        await reader.task
        assert len(app.hub) == 0
        await asyncio.sleep(0.05)
        looked = len(source.looks)
        await asyncio.sleep(0.1)
        assert len(source.looks) == looked
        again = Reader(app, url())
        await until(lambda: again.events)

    run(work)


def test_a_quiet_stream_beats_and_ends_by_itself(source: Told) -> None:
    async def work(app: Application) -> None:
        reader = Reader(app, url())
        await reader.task
        assert reader.events == ["changed", "reopen"]
        assert reader.body.count(b"\n: ") >= 3
        assert reader.ended

    run(work, heartbeat=0.05, life=0.3)


def test_a_reader_that_takes_nothing_is_dropped_and_keeps_nobody_waiting(source: Told) -> None:
    async def work(app: Application) -> None:
        slow, other = Reader(app, url()), Reader(app, url())
        await until(lambda: slow.events and other.events)
        slow.slow.set()
        source.marks["job_1"] = 2
        await until(lambda: len(other.events) == 2)
        await asyncio.wait_for(slow.task, 2)
        assert (len(app.hub), slow.ended) == (1, False)

    run(work, patience=0.1)


def test_a_slow_reader_is_told_once_of_many_changes() -> None:
    async def work() -> None:
        stream = Stream()
        for _ in range(1000):
            stream.tell()
        assert [await stream.next(0.01) for _ in range(2)] == ["changed", ""]
        stream.tell()
        stream.end("ended")
        stream.end("reopen")
        assert [await stream.next(0.01) for _ in range(2)] == ["changed", "ended"]

    asyncio.run(work())


def test_there_are_so_many_streams_and_of_one_tenant_a_fifth(source: Told) -> None:
    async def work(app: Application) -> None:
        readers = [Reader(app, url()) for _ in range(2)]
        await until(lambda: all(reader.events for reader in readers))
        third = Reader(app, url())
        await third.task
        assert (third.status, third.headers["retry-after"]) == (503, "10")
        assert b'"code":"streams_full"' in third.body
        assert b"2 streams of this tenant" in third.body
        others = [Reader(app, url(tenant=uuid7())) for _ in range(8)]
        await until(lambda: all(reader.events for reader in others))
        eleventh = Reader(app, url(tenant=uuid7()))
        await eleventh.task
        assert b"10 streams are open" in eleventh.body
        readers[0].hang_up()
        await readers[0].task
        fourth = Reader(app, url())
        await until(lambda: fourth.events)

    run(work, most=10)


def test_at_the_end_all_are_told_to_come_back_and_nobody_else_comes_in(source: Told) -> None:
    async def work(app: Application) -> None:
        readers = [Reader(app, url()) for _ in range(3)]
        await until(lambda: all(reader.events for reader in readers))
        app.hub.stop()
        for reader in readers:
            await reader.task
            assert reader.events == ["changed", "reopen"]
        late = Reader(app, url())
        await late.task
        assert late.status == 503

    run(work)


def test_a_database_that_is_away_is_no_news(source: Told, caplog: pytest.LogCaptureFixture) -> None:
    async def work(app: Application) -> None:
        reader = Reader(app, url())
        await until(lambda: reader.events == ["changed"])
        source.fails = True
        looked = len(source.looks)
        await until(lambda: len(source.looks) > looked + 1)
        assert reader.events == ["changed"]
        source.fails, source.marks["job_1"] = False, 2
        await until(lambda: reader.events == ["changed"] * 2)

    run(work)
    assert "the database is away" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, b"route_not_found"),
        ("GET", "/streams/", 403, b"stream_ticket_invalid"),
        ("GET", "/streams/nothing", 403, b"stream_ticket_invalid"),
        ("GET", "/streams/\u00e9", 403, b"stream_ticket_invalid"),
        ("POST", "/streams/x", 405, b"method_not_allowed"),
        ("OPTIONS", "/streams/x", 204, b""),
        ("GET", "/healthz", 200, b"ok"),
    ],
)
def test_what_is_no_stream(source: Told, method: str, path: str, status: int, code: bytes) -> None:
    async def work(app: Application) -> None:
        reader = Reader(app, path, method)
        await reader.task
        assert (reader.status, reader.ended, len(app.hub)) == (status, True, 0)
        assert code in reader.body
        assert reader.headers["access-control-allow-origin"] == "*"
        assert status < 400 or reader.headers["content-type"] == "application/problem+json"

    run(work)


def test_a_mistake_of_ours_is_a_problem(source: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(app: Application) -> None:
        reader = Reader(app, url())
        await reader.task
        assert (reader.status, len(app.hub)) == (500, 0)
        assert b"internal_error" in reader.body
        assert b"no such thing" not in reader.body

    monkeypatch.setattr(application, "admitted", _broken)
    run(work)


def _broken(*_: Any) -> Subject:
    raise LookupError("no such thing")


def test_a_ticket_ends_after_a_minute() -> None:
    with frozen() as now:
        ticket = tickets.Ticket("job", str(uuid7()), "", "job_1", int(now.at.timestamp()) + tickets.SECONDS)
        token = tickets.write(ticket)
        assert tickets.read(token) == ticket
        now.move(timedelta(seconds=59))
        assert tickets.read(token) == ticket
        now.move(timedelta(seconds=2))
        with pytest.raises(StreamTicketExpired):
            tickets.read(token)


@contextmanager
def frozen() -> Iterator[Any]:
    with clock.frozen(clock.now()) as held:
        yield held


def test_a_ticket_is_good_as_it_was_written_alone(settings: Any) -> None:
    token = url().removeprefix(tickets.PATH)
    changed = [
        token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        for place in range(len(token))
    ]
    for other in [*changed, token + "A", token + "=", token[:-1], token * 2, "", "é"]:
        with pytest.raises(StreamTicketInvalid):
            tickets.read(other)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = (
        [settings.SECRET_KEY],
        "another key, of fifty letters or more, as it has to be",
    )
    assert tickets.read(token).subject == "job_1"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(StreamTicketInvalid):
        tickets.read(token)


def test_no_more_than_the_limit_even_when_the_reader_is_gone_at_once() -> None:
    hub = Hub(5)
    with hub.opened(TENANT.id), pytest.raises(StreamsFull), hub.opened(TENANT.id):
        raise AssertionError
    assert len(hub) == 0
