"""Following the jobs of one menu, as the page does: by the API, with the session of the person whose menu it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from menugen.api import Api

_OVER = ("succeeded", "dead", "cancelled", "expired")
_PAUSE = 0.1
_LONGEST = 240.0
_TOO_LONG = f"It takes longer than {_LONGEST:.0f} s."


class Watch:
    """Where the menu stands. `problem` says why it will not be illustrated, once that is so: `lost` says it of us."""

    def __init__(self, api: Api, menu: str, reader: str, lost: Callable[[], str]) -> None:
        self.api, self.menu, self.reader, self.lost = api, menu, reader, lost
        self.jobs: list[dict[str, Any]] = []
        self.problem = ""

    def reading(self) -> Iterator[str]:
        """Every message of the job that reads, until it is over."""
        said, until = "", time.monotonic() + _LONGEST
        job = self.api.get(f"/v1/jobs/{self.reader}")
        while job["state"] not in _OVER:
            if job["message"] not in ("", said):
                said = job["message"]
                yield said
            if self._is_in_vain(until):
                return
            job = self.api.get(f"/v1/jobs/{self.reader}", wait_seconds=5)
        self._note([job])
        self.look()

    def look(self) -> None:
        """Read the jobs of the dishes anew."""
        found = self.api.every("/v1/jobs", parent=self.reader, kind="illustrate_dish", limit=200)
        self.jobs = list(found)
        self._note(self.jobs)

    def painted(self, *, third: bool = False) -> None:
        """Wait until all dishes are painted, or a third of them, one of them in vain."""
        until = time.monotonic() + _LONGEST
        while not self._is_in_vain(until):
            self.look()
            done = self.count("succeeded")
            if done == len(self.jobs):
                return
            if third and done >= len(self.jobs) // 3 and any(job["error"] for job in self.jobs):
                return
            time.sleep(_PAUSE)

    def finish(self) -> None:
        """Wait for the job that says that the menu is illustrated."""
        self._note(
            [self._until_over(self.api.get("/v1/jobs", parent=self.reader, kind="finish_menu")["data"][0])]
        )

    def _until_over(self, job: dict[str, Any]) -> dict[str, Any]:
        until = time.monotonic() + _LONGEST
        while job["state"] not in _OVER:
            if self._is_in_vain(until):
                break
            job = self.api.get(f"/v1/jobs/{job['id']}", wait_seconds=5)
        return job

    def _is_in_vain(self, until: float) -> bool:
        """Whether waiting makes no sense any more; `problem` says why."""
        too_long = _TOO_LONG if time.monotonic() > until else ""
        self.problem = self.problem or self.lost() or too_long
        return bool(self.problem)

    def count(self, state: str) -> int:
        """How many dishes' jobs are in a state."""
        return sum(job["state"] == state for job in self.jobs)

    def in_hand(self) -> int:
        """How many dishes a worker holds just now."""
        self.look()
        return self.count("running")

    def mishaps(self) -> tuple[list[str], int]:
        """What went wrong at each attempt at a dish that failed, and how many attempts were lost."""
        tried_again = [job["id"] for job in self.jobs if job["attempt"] > 1]
        tries = [attempt for job in tried_again for attempt in self.attempts(job)]
        failed = [str(one["error"]["message"]) for one in tries if one["state"] == "failed"]
        return failed, sum(one["state"] == "lost" for one in tries)

    def attempts(self, job: str) -> list[dict[str, Any]]:
        """Who tried, the first one first."""
        return list(reversed(self.api.get(f"/v1/jobs/{job}/attempts")["data"]))

    def _note(self, jobs: list[dict[str, Any]]) -> None:
        for job in jobs:
            if job["state"] in _OVER[1:]:
                error = job["error"] or {}
                self.problem = str(error.get("message") or job["state"])
