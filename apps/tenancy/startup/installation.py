"""The order in which an installation comes up, and what is said when it is."""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.core.supervisor import PartFailed, Slot, StopRequested, Supervisor
from apps.tenancy.embedded import EmbeddedPostgres, EmbeddedPostgresError
from apps.tenancy.startup import databases, directory, listening
from apps.tenancy.startup.errors import FAILED, CannotStart

logger = logging.getLogger("packmule.startup")

_READY_WITHIN = 60.0
# Children of a supervisor that was killed get this long to let go of the port.
_RECOVERY = 10.0


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for."""

    data_dir: Path
    host: str
    port: int
    workers: int
    prefix: str
    manage: Path
    stream_port: int = 0


def outcome(wishes: Wishes, ready: Callable[[dict[str, Any]], None]) -> tuple[int, str]:
    """As `run`; returns the command's exit code, and a sentence when it is not 0."""
    try:
        run(wishes, ready)
    except CannotStart as problem:
        return problem.exit_code, str(problem)
    except (PartFailed, EmbeddedPostgresError) as problem:
        return FAILED, str(problem)
    except StopRequested:
        pass
    return 0, ""


def run(wishes: Wishes, ready: Callable[[dict[str, Any]], None]) -> None:
    """Bring the installation up, call `ready` once with what a client needs, and serve until the end is
    asked for.

    Raises CannotStart, PartFailed, EmbeddedPostgresError, StopRequested; nothing that was started is left
    then.
    """
    with directory.claimed(wishes.data_dir) as data:
        patience = _RECOVERY if data.recovering else 0.0
        with (
            listening.held(wishes.host, wishes.port, patience=patience) as address,
            listening.held(
                wishes.host, wishes.stream_port, patience=patience, option="--stream-port"
            ) as streams,
            Supervisor() as supervisor,
        ):
            data.announce(port=address.port, stream_port=streams.port)
            env = _environment(wishes, data, address) | {"PACKMULE_STREAM_PORT": str(streams.port)}
            _database(supervisor, wishes, data, env)
            facts = _prepare(supervisor, wishes, data, env)
            _serve(supervisor, wishes, address, streams, env)
            ready(_summary(facts, data, address))
            supervisor.watch()


def _environment(wishes: Wishes, data: directory.DataDirectory, address: listening.Address) -> dict[str, str]:
    return os.environ | {
        "PACKMULE_DATA_DIR": str(data.path),
        "PACKMULE_HOST": address.host,
        "PACKMULE_PORT": str(address.port),
        "PACKMULE_ROLE_PREFIX": wishes.prefix,
        "PACKMULE_SECRET_KEY": os.environ.get("PACKMULE_SECRET_KEY", "").strip() or data.secret_key(),
        "PYTHONUNBUFFERED": "1",
    }


def _database(
    supervisor: Supervisor, wishes: Wishes, data: directory.DataDirectory, env: dict[str, str]
) -> None:
    """Start the embedded Postgres and name it in `env`, or check the server that `env` names already."""
    if databases.named(env):
        with _step("Checking the Postgres server"):
            databases.check(env[databases.LOGIN], env[databases.OWNER])
        return
    with _step("Starting Postgres"):
        postgres = EmbeddedPostgres(data.path, wishes.prefix)
        supervisor.launch(databases.EmbeddedPart(postgres))
    env[databases.LOGIN], env[databases.OWNER] = postgres.login_url, postgres.owner_url
    # For commands in another terminal, which find the server by the data directory.
    urls = {"database_url": postgres.login_url, "owner_database_url": postgres.owner_url}
    data.keep("connection.json", json.dumps(urls) + "\n")


def _prepare(
    supervisor: Supervisor, wishes: Wishes, data: directory.DataDirectory, env: dict[str, str]
) -> dict[str, Any]:
    with _step("Preparing the database"):
        command = _manage(wishes, "prepare", "--credentials", str(data.credentials), "--json")
        output = supervisor.run("prepare", command, env)
    try:
        facts: dict[str, Any] = json.loads(output)
    except ValueError:
        raise CannotStart("`manage.py prepare` did not answer with one JSON document.") from None
    return facts


def _serve(
    supervisor: Supervisor,
    wishes: Wishes,
    address: listening.Address,
    streams: listening.Address,
    env: dict[str, str],
) -> None:
    web = _web(wishes, address, env)
    stream = _stream(wishes, streams, env)
    with _step("Starting web and worker"):
        supervisor.launch(Slot("worker", _manage(wishes, "worker"), env, grace=4.5))
        supervisor.launch(stream)
        supervisor.launch(web)
        supervisor.await_ready(web, _READY_WITHIN)
        supervisor.await_ready(stream, _READY_WITHIN)


def _web(wishes: Wishes, address: listening.Address, env: dict[str, str]) -> Slot:
    command = _manage(wishes, "serve", *_listening_on(address), "--workers", str(wishes.workers))
    return Slot("web", command, env, ready=lambda: address.answers("/readyz"), grace=3.5)


def _stream(wishes: Wishes, address: listening.Address, env: dict[str, str]) -> Slot:
    """The streaming process. Nothing is lost with it, so that it gets a short grace: all of them have ten seconds."""
    command = _manage(wishes, "stream", *_listening_on(address))
    return Slot("stream", command, env, ready=lambda: address.answers("/healthz"), grace=1.0)


def _listening_on(address: listening.Address) -> list[str]:
    return ["--host", address.host, "--port", str(address.port)]


def _manage(wishes: Wishes, *words: str) -> list[str]:
    return [sys.executable, str(wishes.manage), *words]


def _summary(
    facts: dict[str, Any], data: directory.DataDirectory, address: listening.Address
) -> dict[str, Any]:
    """The document of the contract; key and password are null when the kept ones no longer hold."""
    return {
        "api_url": address.url,
        "admin_url": f"{address.url}/admin/",
        "console_key": facts.get("console_key"),
        "admin_email": facts.get("admin_email"),
        "admin_password": facts.get("admin_password"),
        "data_dir": str(data.path),
        "pid": os.getpid(),
    }


@contextmanager
def _step(what: str) -> Iterator[None]:
    logger.info("%s …", what)
    began = time.monotonic()
    yield
    logger.info("  … %.1f s", time.monotonic() - began)
