"""Other job queues on the same Postgres, measured as their own manuals would have them used.

`python -m bench.rivals` measures them alone. To hold something else against them, take turns with `Rivals.round`:

    with folder() as base:
        rivals = Rivals(base, host, kit.install(base))
        figures = [Figures(setting) for setting in rivals.settings()]
        for one in figures * 5:
            one.rounds.append(rivals.round(one.setting))

`host` is the folder of Postgres's socket, as `conninfo_to_dict` reads it from an installation's database URL.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.rivals.database import Database, made
from bench.rivals.driver import Driver
from bench.rivals.kit import Kit
from bench.rivals.settings import CONCURRENCY, SETTINGS, Setting

#: Jobs that are sent by a call each; the rest of a backlog is sent in bulk.
SINGLES = 1_000
#: What the killed worker has: so many jobs of so many seconds, and it is killed when one of them begins.
KILL_JOBS, KILL_HOLD, KILL_AT = 200, 0.05, 40
#: Seconds that a fresh worker gets to finish what the killed one left.
PATIENCE = 30.0
_NEVER = 1_000_000_000


@dataclass(frozen=True)
class Round:
    """`jobs` of a backlog worked off in `seconds` from the worker's start; `singles` and `bulk` were sent a second."""

    jobs: int
    seconds: float
    singles: float
    bulk: float

    @property
    def rate(self) -> float:
        """Jobs a second."""
        return self.jobs / self.seconds


@dataclass(frozen=True)
class Kill:
    """Of `jobs`, the killed worker `held` some; `stuck` were unfinished `waited` seconds after a new one began.

    `waited` is shorter than PATIENCE where all were finished.
    """

    jobs: int
    held: int
    stuck: int
    waited: float


@dataclass
class Figures:
    """What the rounds of one setting gave, and what a killed worker left."""

    setting: Setting
    rounds: list[Round] = field(default_factory=list)
    kill: Kill | None = None

    @property
    def rate(self) -> float:
        """Jobs a second, the median of the rounds."""
        return statistics.median(one.rate for one in self.rounds)


@dataclass(frozen=True)
class Rivals:
    """What `kit` has, on the Postgres whose socket is in `host`; `folder` takes what the drivers complain of."""

    folder: Path
    host: str
    kit: Kit

    def settings(self) -> list[Setting]:
        """The settings of those that could be installed."""
        return [setting for setting in SETTINGS if setting.package in self.kit.commands]

    def round(self, setting: Setting) -> Round:
        """Enqueue a backlog in a database of its own, start a worker, and wait until the last job is recorded as done.

        The clock starts when the worker's process, with everything loaded, asks its library to start. Raises
        RuntimeError when the driver fails.
        """
        options = self._options(setting) | {"singles": SINGLES, "bulk": setting.jobs - SINGLES}
        with made(self.host) as database:
            sent = self._filled(setting, options, database)
            with self._driver(setting).working(options | {"mark": setting.jobs}, database) as lines:
                lines.expect("ready")
                began = time.monotonic()
                lines.expect("begun")
                left, _ = _left(setting, database, 0.002)
                seconds = time.monotonic() - began
        if left:
            raise RuntimeError(f"{setting.name}: {left} jobs were begun and are not done.")
        return Round(setting.jobs, seconds, sent["singles"], sent["bulk"])

    def kill(self, setting: Setting) -> Kill:
        """Kill a worker amid its jobs, start another, and see what is left. Raises RuntimeError as `round` does."""
        options = self._options(setting) | {"singles": 0, "bulk": KILL_JOBS, "hold": KILL_HOLD}
        with made(self.host) as database:
            self._filled(setting, options, database)
            with self._driver(setting).working(options | {"mark": KILL_AT}, database) as lines:
                lines.expect("ready")
                lines.expect("begun")
            held = database.count(setting.held)
            if not held:
                raise RuntimeError(
                    f"{setting.name}: the killed worker held no job, so the kill says nothing."
                )
            with self._driver(setting).working(options, database) as lines:
                lines.expect("ready")
                stuck, waited = _left(setting, database, 0.1)
        return Kill(KILL_JOBS, held, stuck, waited)

    def _driver(self, setting: Setting) -> Driver:
        return Driver(setting.driver, self.kit.commands[setting.package], self.folder)

    def _options(self, setting: Setting) -> dict[str, object]:
        return {"pool": CONCURRENCY + 2, "at_once": CONCURRENCY, "mark": _NEVER, "hold": 0} | setting.options

    def _filled(self, setting: Setting, options: dict[str, object], database: Database) -> dict[str, float]:
        """Enqueue what `options` say; the jobs sent a second."""
        driver = self._driver(setting)
        driver.run("prepare", options, database)
        sent = driver.run("enqueue", options, database)
        expected = int(str(options["singles"])) + int(str(options["bulk"]))
        if (found := database.count(setting.unfinished)) != expected:
            raise RuntimeError(f"{setting.name}: {expected} jobs were sent, and {found} are there.")
        database.analyze()
        return sent


def _left(setting: Setting, database: Database, pause: float) -> tuple[int, float]:
    """Jobs unfinished after PATIENCE, or 0 as soon as there are none; and the seconds that it took to know.

    `pause` is how long it waits between two looks.
    """
    began = time.monotonic()
    while (stuck := database.count(setting.unfinished)) and time.monotonic() - began < PATIENCE:
        time.sleep(pause)
    return stuck, time.monotonic() - began
