"""A real installation for as long as a measurement takes: `manage.py up` on a data directory of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: So many calls a second that no measurement meets the limit; the counter is kept all the same.
NO_LIMIT = "600000000/60"

#: A step as `up` reports it: what it does, what was said meanwhile, and how long it took.
_PHASE = re.compile(r"^(\w[^\n]*) …\n(?:(?!  … ).*\n)*?  … ([0-9.]+) s$", re.MULTILINE)


@dataclass(frozen=True)
class Installation:
    """A running installation: where it answers, a key of the console, its process, and what its start took."""

    url: str
    console_key: str
    pid: int
    environment: dict[str, str]
    seconds: float
    phases: dict[str, float]

    def call(self, method: str, path: str, body: Any = None, *, key: str = "") -> Any:
        """One call of the API with `key` (default: the console's); returns the document. Raises HTTPError."""
        request = urllib.request.Request(
            self.url + path, None if body is None else json.dumps(body).encode(), method=method
        )
        request.add_header("Authorization", f"Bearer {key or self.console_key}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards, and through which the user of the embedded Postgres may pass."""
    made = Path(tempfile.mkdtemp(prefix="pm-"))
    made.chmod(0o711)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def running(data: Path, **environment: str) -> Iterator[Installation]:
    """`up` on `data` with more `environment`, stopped afterwards."""
    began = time.monotonic()
    log = data.parent / "up.log"
    command = [sys.executable, "manage.py", "up", "--json", "--data-dir", str(data), "--port", "0"]
    with log.open("wb") as errors:
        child = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, stderr=errors
        )
        try:
            yield _started(child, data, log, began, environment)
        finally:
            child.terminate()
            child.communicate(timeout=30)


def _started(
    child: subprocess.Popen[bytes], data: Path, log: Path, began: float, environment: dict[str, str]
) -> Installation:
    line = child.stdout.readline() if child.stdout else b""
    if not line:
        raise RuntimeError(f"`up` did not start:\n{log.read_text()}")
    facts = json.loads(line)
    with urllib.request.urlopen(f"{facts['api_url']}/readyz") as answer:
        answer.read()
    seconds = time.monotonic() - began
    urls = json.loads((data / "connection.json").read_text())
    here = environment | {
        "PACKMULE_DATA_DIR": str(data),
        "PACKMULE_DATABASE_URL": urls["database_url"],
        "PACKMULE_OWNER_DATABASE_URL": urls["owner_database_url"],
    }
    phases = _PHASE.findall(log.read_text())
    return Installation(
        facts["api_url"],
        facts["console_key"],
        child.pid,
        here,
        seconds,
        {name: float(seconds) for name, seconds in phases},
    )
