"""Drives procrastinate, in a virtual environment of its own: `prepare`, `enqueue` or `work`, and options in JSON.

The database comes by PGHOST, PGUSER and PGDATABASE. What is to be said is one JSON document a line.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from typing import Any

import procrastinate  # type: ignore[import-not-found]  # it has an environment of its own

BULK = 500


def say(**facts: Any) -> None:
    """One line for the bench."""
    print(json.dumps(facts), flush=True)


class Driver:
    """An app with one task, `noop`, and the periodic task that procrastinate's manual gives for stalled jobs."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.begun = 0
        connector = procrastinate.PsycopgConnector(min_size=options["pool"], max_size=options["pool"])
        self.app = procrastinate.App(connector=connector)
        self.noop = self.app.task(self._noop, name="noop", queue="bench")

    async def _noop(self, **_given: Any) -> None:
        self.begun += 1
        if self.begun == self.options["mark"]:
            say(begun=self.begun)
        if self.options["hold"]:
            await asyncio.sleep(self.options["hold"])

    async def prepare(self) -> None:
        await self.app.schema_manager.apply_schema_async()

    async def enqueue(self) -> None:
        """`singles` jobs by a call each, `pool` calls at once; then `bulk` jobs, BULK a call."""
        singles, bulk = self.options["singles"], self.options["bulk"]
        numbers = iter(range(singles))
        began = time.perf_counter()
        await asyncio.gather(*(self._defer(numbers) for _ in range(self.options["at_once"])))
        middle = time.perf_counter()
        for first in range(0, bulk, BULK):
            many = [{"number": number} for number in range(first, min(first + BULK, bulk))]
            await self.noop.batch_defer_async(*many)
        end = time.perf_counter()
        say(singles=singles / (middle - began), bulk=bulk / (end - middle) if bulk else 0)

    async def _defer(self, numbers: Any) -> None:
        for number in numbers:
            await self.noop.defer_async(number=number)

    async def work(self) -> None:
        self._recover()
        say(ready=True)
        await self.app.run_worker_async(**self.options["worker"])

    def _recover(self) -> None:
        """The manual's "Retry stalled jobs", each second."""
        silent = self.options["silent"]

        async def retry_stalled_jobs(timestamp: int) -> None:  # noqa: ARG001 - procrastinate hands it over
            for job in await self.app.job_manager.get_stalled_jobs(seconds_since_heartbeat=silent):
                await self.app.job_manager.retry_job(job)

        task = self.app.task(
            retry_stalled_jobs, name="retry", queue="bench", queueing_lock="retry", priority=1
        )
        self.app.periodic(cron="* * * * * *")(task)


async def main(mode: str, options: dict[str, Any]) -> None:
    """Run one mode."""
    driver = Driver(options)
    async with driver.app.open_async():
        await getattr(driver, mode)()


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
