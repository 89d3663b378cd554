"""How the story is told: numbered steps, and under each what it proved."""

from __future__ import annotations

import time


class WentWrong(Exception):  # noqa: N818 - what is so, as the story says it
    """The story does not go on as it should; says why."""


class Teller:
    """Prints as it happens."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._steps = 0

    @property
    def seconds(self) -> float:
        """How long the story has lasted."""
        return round(time.monotonic() - self.began, 1)

    def step(self, title: str) -> None:
        """The next step begins."""
        self._steps += 1
        print(f"\n{self._steps:2}  {title}", flush=True)

    def say(self, text: str) -> None:
        """Something that it proved."""
        print(f"    {self.seconds:5.1f} s  {text}", flush=True)

    def row(self, text: str) -> None:
        """One of several things that were found, without a time."""
        print(f"             {text}", flush=True)


def count(number: int, thing: str, things: str = "") -> str:
    """1 dish, 2 dishes."""
    return f"{number} {thing if number == 1 else things or thing + 's'}"
