"""Running the small programs that drive the other queues; each says what it has to say in a line of JSON."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.rivals.database import Database

_HERE = Path(__file__).parent
_WITHIN = 120.0


@dataclass(frozen=True)
class Lines:
    """What a driver says while it works."""

    child: subprocess.Popen[bytes]
    errors: Path

    def expect(self, name: str) -> None:
        """Wait for the next line, which has to hold `name`. Raises RuntimeError when it does not come in time."""
        out = self.child.stdout
        line = out.readline() if out and select.select([out], [], [], _WITHIN)[0] else b""
        if not line or name not in json.loads(line):
            said = line.decode() or self.errors.read_text()[-2000:]
            raise RuntimeError(f"The driver did not say {name!r} within {_WITHIN:.0f} s: {said}")


@dataclass(frozen=True)
class Driver:
    """The program `name`, started by `command`: the interpreter, and the folder to start it in."""

    name: str
    command: tuple[str, Path]
    folder: Path

    def run(self, mode: str, options: dict[str, Any], database: Database) -> dict[str, float]:
        """Run `mode` to its end; returns what it said. Raises RuntimeError when it fails."""
        done = subprocess.run(
            self._words(mode, options),
            cwd=self.command[1],
            env=os.environ | database.environment,
            capture_output=True,
            text=True,
            timeout=_WITHIN,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{self.name} {mode} failed:\n{done.stderr[-2000:]}")
        return dict(json.loads(done.stdout)) if done.stdout else {}

    @contextmanager
    def working(self, options: dict[str, Any], database: Database) -> Iterator[Lines]:
        """A worker, which is killed without warning at the end of the block."""
        errors = self.folder / f"{self.name}.log"
        with errors.open("wb") as log:
            child = subprocess.Popen(
                self._words("work", options),
                cwd=self.command[1],
                env=os.environ | database.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,  # a line that waits in a buffer is not seen by select
            )
        try:
            yield Lines(child, errors)
        finally:
            child.kill()
            child.communicate()

    def _words(self, mode: str, options: dict[str, Any]) -> list[str]:
        return [self.command[0], str(_HERE / self.name), mode, json.dumps(options)]
