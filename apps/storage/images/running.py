"""Having an image made by a process of its own, which is limited in time and memory, and may crash alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from apps.storage.images.recipes import Recipe
from apps.storage.images.refusals import REFUSALS, TooCostly

#: Nothing is imported from where it runs, which is where the stranger's image lies.
_PYTHON = (sys.executable, "-P")
_PROGRAM = ("-m", "apps.storage.images")
_ROOT = Path(__file__).resolve().parents[3]
#: What Python itself may need. The rest of this process's environment holds secrets.
_KEPT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
#: Its own limit is in seconds of a processor, of which it may get few.
_PATIENCE = 60.0
#: After how many seconds of drawing whoever waits says that it goes on.
_SAID_EVERY = 2.0
#: What the kernel sends to who uses too much memory, which an image is not to be blamed for, or an operator.
_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


class Interrupted(Exception):  # noqa: N818 - it may go well the next time
    """The process did not come to an end: this machine had no time or memory to give."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The result, in pixels."""

    width: int
    height: int


def draw(source: Path, target: Path, recipe: Recipe, goes_on: Callable[[], None] = lambda: None) -> Drawn:
    """Make an image of that at `source` as `recipe` says, and write it to `target`; `goes_on` is called meanwhile.

    Raises Refused (one of REFUSALS) when nothing can be made of it, Interrupted when nothing was made this time.
    """
    answer = _answer(source, target, recipe, goes_on)
    if "refused" in answer:
        raise REFUSALS[answer["refused"]](answer["said"])
    return Drawn(**answer)


def _answer(source: Path, target: Path, recipe: Recipe, goes_on: Callable[[], None]) -> dict[str, Any]:
    command = [*_PYTHON, *_PROGRAM, str(source), str(target), json.dumps(asdict(recipe))]
    with subprocess.Popen(
        command,
        cwd=target.parent,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            answer, said = _end(process, goes_on)
        except BaseException:
            process.kill()
            raise
    if process.returncode == 0:
        return dict(json.loads(answer))
    raise _failure(process.returncode, said)


def _end(process: subprocess.Popen[bytes], goes_on: Callable[[], None]) -> tuple[bytes, bytes]:
    """What it wrote until its end. Raises Interrupted when that does not come."""
    until = time.monotonic() + _PATIENCE
    while (left := until - time.monotonic()) > 0:
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=min(left, _SAID_EVERY))
        goes_on()
    raise Interrupted(f"It was not done after {_PATIENCE:.0f} seconds.")


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    path = [str(_ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(path)}


def _failure(status: int, said: bytes) -> Exception:
    if -status in _FROM_OUTSIDE:
        return Interrupted(f"The process was ended by signal {-status}.")
    if status < 0:
        return TooCostly("It takes more time or memory than an image may.")
    return RuntimeError(said.decode("utf-8", "replace")[-2000:])
