"""The supervisor with real processes, and a whole start with a stand-in for manage.py."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from apps.core import processes
from apps.core.supervisor import PartFailed, Slot, StopRequested, Supervisor
from apps.tenancy.embedded import EmbeddedPostgres
from apps.tenancy.startup import databases, listening
from apps.tenancy.startup.errors import CannotStart

ROOT = Path(__file__).resolve().parent.parent
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"]


def wait_until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.02)


# --- parts ---------------------------------------------------------------------------------------------------------


class Script:
    """A part whose steps are taken one by one, each time the supervisor looks after it."""

    name = "script"

    def __init__(self, supervisor: Supervisor, steps: Iterator[bool]) -> None:
        self.supervisor, self.steps = supervisor, steps

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def is_ready(self) -> bool:
        return True

    def exit_code(self) -> int | None:
        """A step says whether it is done; after the last one the end is asked for, as a signal would."""
        if next(self.steps, None) is None:
            self.supervisor.stop_requested = True
        return None


def test_a_part_that_dies_is_started_again_and_stopped_in_the_end() -> None:
    slot = Slot("sleeper", SLEEP)
    pids: list[int] = []

    def steps() -> Iterator[bool]:
        for _ in range(2):
            pids.append(slot.pid or 0)
            os.kill(pids[-1], signal.SIGKILL)
            while slot.pid == pids[-1]:
                yield True

    with Supervisor() as supervisor:
        supervisor.launch(slot)
        supervisor.launch(Script(supervisor, steps()))
        supervisor.watch()
        pids.append(slot.pid or 0)
    assert len(set(pids)) == 3
    assert not any(processes.is_alive(pid) for pid in pids)


def test_a_part_that_keeps_dying_is_tried_less_and_less_often(caplog: pytest.LogCaptureFixture) -> None:
    def steps() -> Iterator[bool]:
        limit = time.monotonic() + 1.0
        while time.monotonic() < limit:
            yield True

    with caplog.at_level("ERROR", "packmule.startup"), Supervisor() as supervisor:
        supervisor.launch(Slot("broken", [sys.executable, "-S", "-c", "raise SystemExit(3)"]))
        supervisor.launch(Script(supervisor, steps()))
        supervisor.watch()
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "broken ended (exit status 3); starting it again in 0.1 s"
    assert said[1].endswith("0.2 s")
    assert len(said) <= 4


def test_parts_stop_in_the_opposite_order(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "packmule.startup"), Supervisor() as supervisor:
        for name in ("first", "second"):
            supervisor.launch(Slot(name, SLEEP))
    stopped = [record.args[0] for record in caplog.records if isinstance(record.args, tuple) and record.args]
    assert stopped == ["second", "first"]


def test_a_part_that_does_not_listen_is_killed_after_its_grace() -> None:
    slot = Slot("stubborn", STUBBORN, grace=0.3)
    with Supervisor() as supervisor:
        supervisor.launch(slot)
        time.sleep(0.3)
        pid = slot.pid or 0
    assert not processes.is_alive(pid)


def test_a_part_that_ends_while_starting_is_said() -> None:
    slot = Slot("broken", [sys.executable, "-c", "raise SystemExit(3)"], ready=lambda: False)
    with Supervisor() as supervisor:
        supervisor.launch(slot)
        with pytest.raises(PartFailed, match=r"broken ended while starting \(exit status 3\)"):
            supervisor.await_ready(slot, 10)


def test_a_signal_ends_whatever_is_waited_for() -> None:
    slow = Slot("slow", SLEEP, ready=lambda: False)
    with Supervisor() as supervisor:
        supervisor.launch(slow)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        former = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        began = time.monotonic()
        with pytest.raises(StopRequested):
            supervisor.await_ready(slow, 30)
        with pytest.raises(StopRequested):
            supervisor.run("more", SLEEP, dict(os.environ))
        signal.signal(signal.SIGALRM, former)
    assert time.monotonic() - began < 5


def test_the_watcher_stands_in_for_the_kernel() -> None:
    """On machines whose kernel does not tell a child of its parent's death."""
    program = (
        "import signal, subprocess, sys\n"
        "from apps.core import processes\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        "processes._watch(child.pid, signal.SIGTERM)\n"
        "print(child.pid, flush=True)\n"
        "import time; time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(0.3)
    assert processes.is_alive(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not processes.is_alive(child))


# --- ports and servers ---------------------------------------------------------------------------------------------


def test_a_held_port_is_ours_alone_until_the_web_server_takes_it() -> None:
    with listening.held("127.0.0.1", 0, patience=0) as address:
        with (
            pytest.raises(CannotStart, match=f"Port {address.port} .* in use") as refusal,
            listening.held("127.0.0.1", address.port, patience=0),
        ):
            raise AssertionError
        assert refusal.value.exit_code == 5
        with socket.socket() as web:
            web.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            web.bind((address.host, address.port))
            web.listen()


def test_addresses_for_clients() -> None:
    assert listening.Address("0.0.0.0", 80).url == "http://127.0.0.1:80"
    assert listening.Address("::1", 80).url == "http://[::1]:80"


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
def test_a_host_that_is_not_here(host: str) -> None:
    with pytest.raises(CannotStart) as refusal, listening.held(host, 0, patience=0):
        raise AssertionError
    assert refusal.value.exit_code == 64


@pytest.mark.slow
def test_a_server_of_ones_own_is_checked() -> None:
    with EmbeddedPostgres.temporary("mule") as server:
        databases.check(server.login_url, server.owner_url)
        with pytest.raises(CannotStart, match="NOSUPERUSER NOBYPASSRLS NOINHERIT"):
            databases.check(server.url("postgres"), server.owner_url)
        with pytest.raises(CannotStart, match="two roles of one database"):
            databases.check(server.login_url, server.login_url)
        with psycopg.connect(server.url("postgres")) as connection:
            connection.execute("alter role mule_owner nocreaterole")
        with pytest.raises(CannotStart, match="CREATEROLE"):
            databases.check(server.login_url, server.owner_url)


def test_a_url_that_does_not_lead_to_a_server() -> None:
    with pytest.raises(CannotStart, match="PACKMULE_DATABASE_URL cannot be reached"):
        databases.check("postgresql://x:very-secret@127.0.0.1:1/x", "postgresql://127.0.0.1:1/x")
    with pytest.raises(CannotStart, match="is no PostgreSQL URL"):
        databases.check("mysql://x:very-secret@h/x", "")
    with pytest.raises(CannotStart, match="Only PACKMULE_DATABASE_URL is set"):
        databases.named({"PACKMULE_DATABASE_URL": "postgresql:///x"})


# --- the whole start -----------------------------------------------------------------------------------------------


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="pm-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def command(data: Path, port: int = 0, host: str = "127.0.0.1") -> list[str]:
    return [sys.executable, "-m", "tests.standins.up", str(data), str(port), host]


@contextmanager
def up(data: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """A start whose line of JSON has been read; whatever is left is stopped at the end."""
    child = subprocess.Popen(command(data, port), cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        yield child, json.loads(child.stdout.readline())
    finally:
        child.terminate()
        child.communicate(timeout=15)


def refused(data: Path, port: int = 0) -> tuple[int, str]:
    done = subprocess.run(
        command(data, port), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.strip().splitlines()[-1]


def ask(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
        document: dict[str, Any] = json.load(answer)
        return document


def everything(data: Path) -> list[int]:
    """The process ids of all parts."""
    files = [data / "worker.pid", data / "web-child.pid", data / "stream.pid"]
    wait_until(lambda: all(file.is_file() and file.read_text() for file in files))
    noted = [int(file.read_text()) for file in files]
    postmaster = int((data / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
    return [*noted, postmaster]


@pytest.mark.slow
def test_up_says_what_a_client_needs_and_stops_everything(folder: Path) -> None:
    data = folder / "data"
    with up(data) as (child, facts):
        assert facts["pid"] == child.pid
        assert facts["data_dir"] == str(data)
        assert facts["admin_url"] == facts["api_url"] + "/admin/"
        assert facts["console_key"] == "pmk_x"
        told = ask(facts["api_url"])
        assert told["PACKMULE_PORT"] == facts["api_url"].rpartition(":")[2]
        with psycopg.connect(told["PACKMULE_DATABASE_URL"]) as connection:
            assert connection.execute("select current_user").fetchone() == ("mule_login",)
        pids = [*everything(data), told["pid"]]
        began = time.monotonic()
        child.terminate()
        assert child.wait(15) == 0
    assert time.monotonic() - began < 10
    assert not any(processes.is_alive(pid) for pid in pids)
    assert stat.S_IMODE((data / "secret_key").stat().st_mode) == 0o600


@pytest.mark.slow
def test_the_secret_key_stays(folder: Path) -> None:
    keys = []
    for _ in range(2):
        with up(folder / "data") as (_, facts):
            keys.append(ask(facts["api_url"])["PACKMULE_SECRET_KEY"])
    assert keys[0] == keys[1]
    assert len(keys[0]) >= 50


@pytest.mark.slow
def test_a_second_start_says_who_is_there(folder: Path) -> None:
    with up(folder / "data") as (child, facts):
        port = int(facts["api_url"].rpartition(":")[2])
        code, said = refused(folder / "data")
        assert code == 5
        assert f"process {child.pid} on port {port}" in said
        code, said = refused(folder / "other", port)
        assert code == 5
        assert f"Port {port} on 127.0.0.1 is in use" in said


@pytest.mark.slow
@pytest.mark.parametrize("name", ["web", "worker", "stream", "Postgres"])
def test_a_killed_part_comes_back(folder: Path, name: str) -> None:
    data = folder / "data"
    with up(data) as (_, facts):
        before = parts(data, facts)
        os.kill(before[name], signal.SIGKILL)
        wait_until(lambda: came_back(data, facts, name, before[name]))
        assert name != "web" or not processes.is_alive(before["web's child"])


def parts(data: Path, facts: dict[str, Any]) -> dict[str, int]:
    worker, child, stream, postgres = everything(data)
    web = ask(facts["api_url"])["pid"]
    return {"web": web, "worker": worker, "web's child": child, "stream": stream, "Postgres": postgres}


def came_back(data: Path, facts: dict[str, Any], name: str, former: int) -> bool:
    try:
        with psycopg.connect(ask(facts["api_url"])["PACKMULE_DATABASE_URL"]):
            return parts(data, facts)[name] != former
    except (OSError, psycopg.OperationalError, IndexError, ValueError):
        return False


@pytest.mark.slow
def test_the_supervisor_is_killed_and_the_next_start_is_clean(folder: Path) -> None:
    data = folder / "data"
    with up(data) as (child, facts):
        port = int(facts["api_url"].rpartition(":")[2])
        pids = everything(data)
        child.kill()
        child.wait()
    with up(data, port) as (_, facts):  # the same port, at once
        assert ask(facts["api_url"])["pid"] not in pids
        wait_until(lambda: not any(processes.is_alive(pid) for pid in pids))


@pytest.mark.slow
def test_stopped_while_preparing(folder: Path) -> None:
    environment = os.environ | {"STANDIN_PREPARE_SECONDS": "60"}
    child = subprocess.Popen(command(folder / "data"), cwd=ROOT, stderr=subprocess.PIPE, env=environment)
    assert child.stderr is not None
    for line in child.stderr:
        if line.strip() == b"preparing":
            break
    child.terminate()
    child.communicate(timeout=10)
    assert child.returncode == 0
    assert not (folder / "data" / "postgres" / "data" / "postmaster.pid").exists()


@pytest.mark.parametrize(
    ("name", "what"), [("prepare", "prepare failed"), ("serve", "web ended while starting")]
)
@pytest.mark.slow
def test_a_part_that_fails_is_said(folder: Path, name: str, what: str) -> None:
    data = folder / "data"
    data.mkdir(mode=0o711)
    (data / "crash").write_text(name)
    code, said = refused(data)
    assert code == 1
    assert said.startswith(f"{what} (exit status 3)")


def test_a_data_directory_that_is_a_file(folder: Path) -> None:
    (folder / "data").write_text("")
    code, said = refused(folder / "data")
    assert code == 64
    assert "is not a folder" in said


def test_a_data_directory_that_cannot_be_made() -> None:
    code, said = refused(Path("/proc/packmule"))
    assert code == 1
    assert "cannot be used" in said
