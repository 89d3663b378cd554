"""One parent that starts the parts of an installation, brings back what dies, and stops everything in
order.
"""

import contextlib
import logging
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from apps.core import processes

logger = logging.getLogger("packmule.startup")

_STEADY_AFTER = 30.0
_LONGEST_DELAY = 10.0
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_STDERR = 2


class PartFailed(Exception):  # noqa: N818 - a fact about a part, said in a sentence
    """A part could not be started; the text says which and why."""


class StopRequested(Exception):  # noqa: N818 - nothing went wrong
    """SIGTERM, SIGINT or SIGHUP arrived while something was being started."""


class Part(Protocol):
    """Something the supervisor keeps running."""

    @property
    def name(self) -> str:
        """How people know it."""

    def start(self) -> None:
        """Start it, also again after it ended. May return before it is ready. Raises an exception with a
        sentence.
        """

    def exit_code(self) -> int | None:
        """How it ended (negative: by a signal); None while it runs."""

    def is_ready(self) -> bool:
        """Whether it does its work."""

    def stop(self) -> None:
        """End it and everything it started, within a bounded time; nothing happens when it does not run."""


@dataclass
class Slot:
    """A part that is a command. `ready` is asked until it is true; `grace` seconds after SIGTERM comes
    SIGKILL.

    Its standard output goes to standard error, so that the parent's own output stays its own.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] | None = None
    ready: Callable[[], bool] = lambda: True
    grace: float = 3.0
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int | None:
        """The process id of the command, None before the start."""
        return None if self._child is None else self._child.pid

    def start(self) -> None:
        """Start the command, after killing whatever is left of its former process group."""
        self._bury()
        self._child = processes.spawn(
            self.command, end_with=signal.SIGTERM, env=self.env, stdout=_STDERR, stderr=_STDERR
        )

    def exit_code(self) -> int | None:
        """How the command ended; None while it runs or before the start."""
        return None if self._child is None else self._child.poll()

    def is_ready(self) -> bool:
        """What `ready` says."""
        return self.ready()

    def stop(self) -> None:
        """SIGTERM, `grace` seconds, then SIGKILL to the whole process group."""
        child, self._child = self._child, None
        if child is not None:
            processes.end_group(child, self.grace)

    def _bury(self) -> None:
        if self._child is not None:
            processes.kill_group(self._child)


@dataclass
class _Watched:
    """A part with the history of its failures."""

    part: Part
    started: float
    failures: int = 0
    retry_at: float | None = None

    def tend(self) -> None:
        """Notice the part's end, or start it again when its time has come."""
        if self.retry_at is None:
            code = self.part.exit_code()
            if code is not None:
                self._failed(f"{self.part.name} ended ({ending(code)})")
        elif time.monotonic() >= self.retry_at:
            self._restart()

    def _restart(self) -> None:
        try:
            self.part.start()
        except Exception as problem:  # noqa: BLE001 - whatever it was, the next try may go better
            self._failed(f"{self.part.name} could not be started: {problem}")
        else:
            self.retry_at = None
            self.started = time.monotonic()
            logger.warning("%s was started again", self.part.name)

    def _failed(self, what: str) -> None:
        now = time.monotonic()
        self.failures = 1 if now - self.started > _STEADY_AFTER else self.failures + 1
        delay = min(0.1 * 2 ** (self.failures - 1), _LONGEST_DELAY)
        self.retry_at = now + delay
        logger.error("%s; starting it again in %.1f s", what, delay)


class Supervisor:
    """Starts parts in order, watches them, and stops them in the opposite order.

    A context manager for the main thread: inside, signals that ask for the end only set a flag, which every
    waiting step notices; leaving it stops every part that was started, whatever happened.
    """

    def __init__(self) -> None:
        self._watched: list[_Watched] = []
        self._former: dict[signal.Signals, Any] = {}
        self._wake: tuple[int, int] = (-1, -1)
        self.stop_requested = False

    def __enter__(self) -> Self:
        self._wake = os.pipe()
        for end in self._wake:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        for number in _STOPPING:
            self._former[number] = signal.signal(number, self._note)
        # Without a handler SIGCHLD would not wake the loop.
        self._former[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        signal.set_wakeup_fd(-1)
        for number, former in self._former.items():
            signal.signal(number, former)
        for end in self._wake:
            os.close(end)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_requested = True

    def launch(self, part: Part) -> None:
        """Start `part` and watch it from now on. Raises what `part.start` raises, and StopRequested."""
        self._check()
        self._watched.append(_Watched(part, time.monotonic()))
        part.start()

    def await_ready(self, part: Part, within: float) -> None:
        """Wait until `part` is ready. Raises PartFailed when it ends first or takes longer than `within`
        seconds.
        """
        limit = time.monotonic() + within
        while not part.is_ready():
            code = part.exit_code()
            if code is not None:
                raise PartFailed(
                    f"{part.name} ended while starting ({ending(code)}); what it said stands above"
                )
            if time.monotonic() > limit:
                raise PartFailed(f"{part.name} was not ready within {within:.0f} s")
            self._pause(0.05)
            self._check()

    def run(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> bytes:
        """Run a command to its end and return its standard output. Raises PartFailed, StopRequested."""
        child = processes.spawn(command, end_with=signal.SIGTERM, env=env, stdout=subprocess.PIPE)
        try:
            output = self._output(child)
        finally:
            processes.end_group(child, 2.0)
            if child.stdout is not None:
                child.stdout.close()
        if child.returncode != 0:
            raise PartFailed(f"{name} failed ({ending(child.returncode)}); what it said stands above")
        return output

    def _output(self, child: subprocess.Popen[bytes]) -> bytes:
        while True:
            self._check()
            with contextlib.suppress(subprocess.TimeoutExpired):
                return child.communicate(timeout=0.2)[0]

    def watch(self) -> None:
        """Keep every part running until the end is asked for."""
        while not self.stop_requested:
            for watched in self._watched:
                watched.tend()
            self._pause(self._next_look())

    def stop(self) -> None:
        """Stop every part, the last started first."""
        while self._watched:
            part = self._watched.pop().part
            began = time.monotonic()
            part.stop()
            logger.info("%s stopped (%.1f s)", part.name, time.monotonic() - began)

    def _next_look(self) -> float:
        """Seconds until a restart is due; a second at most, for ends that no signal reported."""
        now = time.monotonic()
        due = [watched.retry_at - now for watched in self._watched if watched.retry_at is not None]
        return max(0.0, min([1.0, *due]))

    def _check(self) -> None:
        if self.stop_requested:
            raise StopRequested

    def _pause(self, seconds: float) -> None:
        """Sleep, at most until the next signal."""
        if select.select([self._wake[0]], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake[0], 1024)


def ending(code: int) -> str:
    """How a process ended, in words: `code` is a status, negative for a signal."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
