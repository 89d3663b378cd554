"""Packmule itself: the one that serves the data directory already, or one that is started and stopped here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from menugen import settings

ROOT = Path(__file__).resolve().parents[3]
_STOPS_WITHIN = 15


class NotRunning(Exception):  # noqa: N818 - what is so
    """There is no Packmule to tell a story on; says why."""


@dataclass(frozen=True)
class Installation:
    """A running Packmule. `started` says whether it was started for this demo."""

    url: str
    email: str
    password: str
    key: str
    started: bool

    def url_of(self, host: str) -> str:
        """The address of a tenant's own host; browsers know that *.localhost is this machine."""
        return f"http://{host}.localhost:{urlsplit(self.url).port}"


@contextmanager
def running(data: Path) -> Iterator[Installation]:
    """A Packmule on the data directory; one that was started here is stopped afterwards. Raises NotRunning."""
    there = _found(data)
    if there is not None:
        yield _named(there, started=False)
        return
    log = settings.home() / "packmule.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise NotRunning(f"Packmule cannot keep its data in {data}: {failure.strerror}.") from None
    command = [".venv/bin/python", "manage.py", "up", "--json", "--data-dir", str(data), "--port", "0"]
    with log.open("ab") as said:
        # In a session of its own: Ctrl-C is for the demo, which then stops it in order.
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=said, start_new_session=True
        )
    try:
        yield _named(_facts(process, log), started=True)
    finally:
        process.terminate()
        process.wait(_STOPS_WITHIN)


def _facts(process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    line = process.stdout.readline() if process.stdout else b""
    if not line:
        raise NotRunning(f"Packmule did not start. Why stands in {log}.")
    return dict(json.loads(line))


def _found(data: Path) -> dict[str, Any] | None:
    """What is known of the installation that serves `data`, if one does: its port, and its first credentials."""
    try:
        port = json.loads((data / "lock").read_text())["port"]
        kept = json.loads((data / "credentials.json").read_text())
        url = f"http://127.0.0.1:{port}"
        httpx.get(f"{url}/readyz", timeout=5).raise_for_status()
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None
    return {"api_url": url, **kept}


def _named(facts: dict[str, Any], *, started: bool) -> Installation:
    if not facts["console_key"]:
        raise NotRunning("The first key of this installation was revoked. Choose another folder: DATA_DIR=…")
    return Installation(
        url=facts["api_url"],
        email=facts["admin_email"],
        password=facts["admin_password"] or "(changed)",
        key=facts["console_key"],
        started=started,
    )
