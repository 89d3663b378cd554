"""`make demo` in a process of its own, beside an installation that runs already."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.menugen.boxes import PHOTOS

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = PHOTOS.parent
SAMPLE = PHOTOS / "sample-menu.jpg"


def make_ready() -> None:
    """Give the example its own Python with its own packages, as `make demo` does."""
    place = EXAMPLE.relative_to(ROOT)
    made = subprocess.run(["make", f"{place}/.venv/.ready"], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


@contextmanager
def demo(data: Path, **env: str) -> Iterator[subprocess.Popen[str]]:
    """The demo on a data directory, told line by line; stopped with all that it started."""
    command = [str(EXAMPLE / ".venv/bin/python"), "-m", "demo"]
    known = {**os.environ, "DATA_DIR": str(data), **env}
    process = subprocess.Popen(command, cwd=EXAMPLE, env=known, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """What it says, as it says it."""
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="")  # noqa: T201 - pytest shows it when the test fails
        yield line
