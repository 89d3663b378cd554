"""Files as a naive model has them: what of each is stored, open and waiting, and which versions its bucket keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from apps.core import clock
from apps.storage.lifecycle import SCANNED_AGAIN

Figures = tuple[int, int, int, int]
CLEAN, INFECTED, SILENT = b"c", b"i", b"p"
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass
class Rules:
    """What the bucket says at the moment."""

    quota: int
    kept: int


@dataclass
class Kept:
    """A file: its stored versions with size and verdict, its open ones with their size, and the current one.

    `sent` is what lies in the store of open ones. About those that are `unheard` the scanner said nothing; it is asked
    again at these times.
    """

    rules: Rules
    stored: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    opened: dict[int, int] = field(default_factory=dict)
    sent: dict[int, bytes] = field(default_factory=dict)
    unheard: dict[int, datetime] = field(default_factory=dict)
    current: int = 0
    deleted: bool = False

    @property
    def newest(self) -> int:
        """The newest content that may be handed out, or is the current one."""
        return max(
            {number for number, (_, verdict) in self.stored.items() if verdict == CLEAN} | {self.current}
        )

    def refusal(self, number: int, left: int) -> str:
        """The code with which completing an open version is refused, where so many bytes are `left`; '' for none."""
        content, size = self.sent.get(number), self.opened[number]
        if content is None:
            return "upload_missing"
        if len(content) != size:
            return "size_mismatch"
        if content.startswith(_PNG):
            return "content_type_mismatch"
        return "storage_quota_exceeded" if size > left else ""

    def open(self, number: int, size: int) -> None:
        """Another upload begins, under a number that one may have had which was given up."""
        self.sent.pop(number, None)
        self.opened[number] = size

    def complete(self, number: int) -> None:
        """An open version becomes a stored one; the scanner goes by its first byte, and lets nothing at all pass."""
        verdict = self.sent[number][:1] or CLEAN
        self.stored[number] = (self.opened.pop(number), verdict)
        if verdict == SILENT:
            self.unheard[number] = clock.now()
        if verdict == CLEAN or not self.current:
            self.current = number
        self.tidy()

    def judge(self, verdict: bytes) -> int:
        """The scanner is asked again, and says the same about all; returns about how many that were still there."""
        asked, judged = sorted(self.unheard, key=self.unheard.__getitem__), 0
        if verdict == SILENT:
            again = clock.now() + SCANNED_AGAIN
            self.unheard = {
                number: again + timedelta(microseconds=place) for place, number in enumerate(asked)
            }
            return 0
        for number in asked:
            if number in self.stored:
                self._judge(number, verdict)
                judged += 1
        return judged

    def _judge(self, number: int, verdict: bytes) -> None:
        newest = self.newest
        self.stored[number] = (self.stored[number][0], verdict)
        del self.unheard[number]
        if number == self.current or (verdict == CLEAN and number > newest):
            self.current = number
        self.tidy()

    def tidy(self) -> None:
        """Drop the oldest versions beyond those that are kept, neither the current one nor the one that waits."""
        others = sorted(set(self.stored) - {self.current}, reverse=True)
        waiting = [n for n in others if n > self.newest and self.stored[n][1] == SILENT][:1]
        for number in set(others[self.rules.kept - 1 :]) - set(waiting):
            del self.stored[number]
        self.unheard = {number: at for number, at in self.unheard.items() if number in self.stored}

    def give_up(self) -> bool:
        """Give all uploads up; True when nothing is left of it."""
        self.opened.clear()
        return not self.stored


def content(how: int, size: int, verdict: bytes) -> bytes | None:
    """What a client sends that announced `size` bytes: nothing, those, an image instead, or too much."""
    image = (_PNG + bytes(size))[:size] if size >= len(_PNG) else verdict * size
    return (None, verdict * size, image, verdict * (size + 1))[how % 4]


def figures(files: Iterable[Kept]) -> Figures:
    """Bytes and files that are stored, bytes and uploads that are open."""
    kept = list(files)
    stored = [size for file in kept for size, _ in file.stored.values()]
    opened = [size for file in kept for size in file.opened.values()]
    return sum(stored), sum(bool(file.stored) for file in kept), sum(opened), len(opened)
