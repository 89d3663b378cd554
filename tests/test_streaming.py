"""The streaming process itself, over HTTP: what a reader is told and when, what is refused, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import psycopg
import pytest
from django.conf import settings
from pytest_django import DjangoDbBlocker

from apps.core import processes
from apps.jobs.tests.workers import make, take
from apps.tenancy.models import Domain, Tenant
from apps.tenancy.provisioning import soft_delete
from apps.tenancy.streaming import tickets
from apps.tenancy.walls import registry
from bench.installation import folder
from tests.client import Api
from tests.installed import running
from tests.refusals import check_refusal
from tests.scratch import Scratch, scratch_tenant

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow
MOST = 10


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Process:
    """A running streaming process."""

    child: subprocess.Popen[bytes]
    port: int

    def answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def streaming(postgres: dict[str, str], most: int = MOST) -> Iterator[Process]:
    """`manage.py stream`, on the tests' database."""
    port = free_port()
    environment = {
        "PACKMULE_DATABASE_URL": postgres["PACKMULE_DATABASE_URL"],
        "PACKMULE_SECRET_KEY": settings.SECRET_KEY,
        "PACKMULE_STREAMS": str(most),
        "PACKMULE_ROLE_PREFIX": settings.PACKMULE_ROLE_PREFIX,
    }
    command = [sys.executable, "manage.py", "stream", "--port", str(port)]
    child = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment)
    made = Process(child, port)
    try:
        until(made.answers, 20)
        yield made
    finally:
        child.kill()
        child.wait()


def until(true: Any, seconds: float = 5.0) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def process(postgres: dict[str, str], django_db_setup: Any) -> Iterator[Process]:
    with streaming(postgres) as made:
        yield made


@pytest.fixture(scope="module")
def scratch(django_db_setup: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Scratch]:
    """A tenant of these tests, in which everything commits."""
    with django_db_blocker.unblock(), scratch_tenant() as made:
        yield made


@pytest.fixture
def me(scratch: Scratch, process: Process, committing: Any, settings: Any) -> Api:
    settings.PACKMULE_STREAM_PORT = process.port
    return Api(scratch.key)


class Reader:
    """An EventSource in a thread: the events that came, each with when; `answer` once it was answered."""

    def __init__(self, url: str, **headers: str) -> None:
        self.events: list[tuple[str, str]] = []
        self.times: list[float] = []
        self.ended = False
        self.client = httpx.Client(timeout=30)
        request = self.client.build_request("GET", url, headers=headers)
        self.answer = self.client.send(request, stream=True)
        assert self.answer.status_code == 200, self.answer.read()
        self.thread = Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        name = ""
        try:
            for line in self.answer.iter_lines():
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    self.times.append(time.monotonic())
                    self.events.append((name, line[6:]))
        except httpx.HTTPError:
            return
        finally:
            self.ended = True

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def close(self) -> None:
        """Hang up, as a browser does whose page is closed."""
        stream = self.answer.extensions["network_stream"].get_extra_info("socket")
        with suppress(OSError):  # it has ended
            stream.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.client.close()


@contextmanager
def reading(url: str, **headers: str) -> Iterator[Reader]:
    reader = Reader(url, **headers)
    try:
        yield reader
    finally:
        reader.close()


def job_stream(me: Api, job: str) -> str:
    answer = me.post(f"/v1/jobs/{job}/stream")
    assert answer.status == 201, answer.body
    return str(answer["url"])


def problem(url: str, **headers: str) -> tuple[int, str]:
    answer = httpx.get(url, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_a_job_is_heard_of_until_it_is_over(me: Api) -> None:
    job = make(me, queue="heard")
    with reading(job_stream(me, job), last_event_id="17") as reader:
        assert reader.answer.headers["access-control-allow-origin"] == "*"
        until(lambda: reader.names == ["changed"])
        held = take(me, "heard")
        until(lambda: len(reader.events) > 1)
        time.sleep(1.2)  # the claim is told twice
        heard = len(reader.events)
        said = time.monotonic()
        held.beat(progress=0.5)
        until(lambda: len(reader.events) > heard)
        assert reader.times[-1] - said < 2
        said = time.monotonic()
        held.complete()
        until(lambda: reader.ended)
        assert reader.times[-1] - said < 2
        assert reader.events[-1] == ("ended", f'{{"id":"{job}"}}')
        assert set(reader.events[:-1]) == {("changed", f'{{"id":"{job}"}}')}


def test_new_events_are_heard_of(me: Api) -> None:
    answer = me.post("/v1/events/stream")
    with reading(answer["url"]) as reader:
        until(lambda: reader.names == ["changed"])
        time.sleep(1.5)
        assert reader.names == ["changed"]
        said = time.monotonic()
        assert me.post("/v1/agents", {"name": "New", "role": "viewer"}).status == 201
        until(lambda: len(reader.events) == 2)
        assert reader.times[-1] - said < 2
        assert reader.events[-1] == ("changed", "{}")


def test_nothing_is_asked_and_nothing_connected_while_nobody_listens(
    me: Api, process: Process, postgres: dict[str, str]
) -> None:
    with psycopg.connect(postgres["PACKMULE_DATABASE_URL"]) as connection:
        before = _backends(connection)
        with reading(job_stream(me, make(me, queue="idle"))) as reader:
            until(lambda: reader.events)
            until(lambda: len(_backends(connection) - before) == 1)
        until(lambda: not _backends(connection) - before)


def _backends(connection: psycopg.Connection[Any]) -> set[int]:
    """Sessions of the server's login that ask for dispatch rows, or have asked."""
    connection.rollback()
    asked = "select pid from pg_stat_activity where query like '%public.jobs_dispatch where id = any%'"
    return {row[0] for row in connection.execute(f"{asked} and pid <> pg_backend_pid()")}


def test_who_hangs_up_is_forgotten(me: Api, process: Process) -> None:
    """A tenant has a fifth of ten streams: there is room again as soon as one has gone."""
    url = job_stream(me, make(me, queue="gone"))
    with reading(url) as first, reading(url) as second:
        until(lambda: first.events and second.events)
        refused = httpx.get(url)
        assert (refused.status_code, refused.json()["code"]) == (503, "streams_full")
        assert refused.headers["retry-after"] == "10"
        first.close()
        until(lambda: _opens(url))


def _opens(url: str) -> bool:
    with httpx.stream("GET", url) as answer:
        return answer.status_code == 200


def test_a_ticket_that_is_not_good_opens_nothing(me: Api, scratch: Scratch, process: Process) -> None:
    url = job_stream(me, make(me, queue="shut"))
    base, _, token = url.rpartition("/")
    middle = len(token) // 2
    letter = "A" if token[middle] != "A" else "B"
    assert problem(f"{base}/{token[:middle]}{letter}{token[middle + 1 :]}") == (403, "stream_ticket_invalid")
    old = tickets.Ticket("job", str(scratch.ref.id), "", make(me, queue="shut"), int(time.time()) - 1)
    assert problem(f"{base}/{tickets.write(old)}") == (403, "stream_ticket_expired")


def test_a_ticket_is_no_good_on_the_host_of_another_tenant(
    me: Api, scratch: Scratch, committing: Any
) -> None:
    url = job_stream(me, make(me, queue="hosts"))
    other = committing.acorn.host
    assert problem(url, host=other) == (403, "stream_ticket_invalid")
    with registry():
        Domain.objects.create(domain="mine.test", tenant_id=scratch.ref.id, is_primary=True)
    for host in ("mine.test", "mine.test:8443", "streams.example.test"):
        with reading(url, host=host) as reader:
            until(lambda reader=reader: reader.events)


def test_a_deleted_tenant_has_no_streams(process: Process, committing: Any, settings: Any) -> None:
    settings.PACKMULE_STREAM_PORT = process.port
    with scratch_tenant() as lost:
        me = Api(lost.key)
        url, events = job_stream(me, make(me)), me.post("/v1/events/stream")["url"]
        with reading(events) as reader:
            until(lambda: reader.events)
            with registry():
                soft_delete(Tenant.objects.get(pk=lost.ref.id))
            until(lambda: reader.ended)
            assert reader.names[-1] == "ended"
        assert problem(url) == (403, "stream_ticket_invalid")


def test_a_ticket_is_no_key(me: Api) -> None:
    token = job_stream(me, make(me, queue="key")).rpartition("/")[2]
    check_refusal(Api(token).get("/v1/whoami"), 401, "key_malformed")
    check_refusal(Api().get(f"/streams/{token}"), 404, "route_not_found")


def test_stopping_ends_the_streams_and_the_process(me: Api, postgres: dict[str, str], settings: Any) -> None:
    with streaming(postgres) as process, ExitStack() as stack:
        settings.PACKMULE_STREAM_PORT = process.port
        url = job_stream(me, make(me, queue="stop"))
        readers = [stack.enter_context(reading(url)) for _ in range(2)]
        until(lambda: all(reader.events for reader in readers))
        began = time.monotonic()
        process.child.terminate()
        assert process.child.wait(5) == 0
        assert time.monotonic() - began < 1
        until(lambda: all(reader.ended for reader in readers))
        assert [reader.names[-1] for reader in readers] == ["reopen"] * 2


def test_a_port_that_is_taken_is_said(postgres: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "manage.py", "stream", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "Cannot listen on 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def test_up_brings_it_back_when_it_was_killed() -> None:
    with folder() as place, running(place / "data") as installation:
        stream = installation.call("POST", "/v1/events/stream")["url"]
        with reading(stream) as reader:
            until(lambda: reader.events)
            pid = _pid_of_stream(installation.pid)
            os.kill(pid, signal.SIGKILL)
            until(lambda: reader.ended)
        until(lambda: _opens_again(stream), 15)
        assert not processes.is_alive(pid)


def _pid_of_stream(supervisor: int) -> int:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = re.search(r"PPid:\s*(\d+)", (entry / "status").read_text())
        except OSError:
            continue
        if b"stream" in words and parent and int(parent[1]) == supervisor:
            return int(entry.name)
    raise AssertionError("there is no streaming process")


def _opens_again(url: str) -> bool:
    try:
        return _opens(url)
    except httpx.TransportError:
        return False
