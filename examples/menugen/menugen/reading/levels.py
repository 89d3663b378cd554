"""Which pieces of text stand in one line, on paper that is tilted, bent or folded.

Every long piece of text shows how the lines run where it stands. From there each box is followed along the lines to the
middle of the page: boxes of one line arrive at the same height there, which is their level.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from statistics import median

from menugen.reading.boxes import Box

_LONG = 3.0  # times as wide as high: shorter ones say nothing about how a line runs
_REACH = 0.07  # of the page's longer side: how far a piece of text speaks for its neighbourhood
_CELL = (
    0.02  # of the page's longer side: slopes are worked out once for each cell, and a step is one cell long
)

Sample = tuple[float, float, float]


def levels(boxes: Sequence[Box]) -> list[float]:
    """The height, in pixels, at which each box's line crosses the middle of the page."""
    if not boxes:
        return []
    page = _Page(boxes)
    return [page.level(box) for box in boxes]


class _Page:
    def __init__(self, boxes: Sequence[Box]) -> None:
        xs = [x for box in boxes for x, _ in box.corners]
        ys = [y for box in boxes for _, y in box.corners]
        self.middle = (min(xs) + max(xs)) / 2
        side = max(max(xs) - min(xs), max(ys) - min(ys), 1.0)
        self.reach, self.cell = side * _REACH, side * _CELL
        self.samples = [sample for box in boxes for sample in _samples(box)]
        self.usual = median([slope for _, _, slope in self.samples] or [0.0])
        self.slope_in = lru_cache(maxsize=None)(self._slope_in)

    def level(self, box: Box) -> float:
        x, y = box.x, box.y
        while abs(self.middle - x) > 0.01:
            step = max(-self.cell, min(self.cell, self.middle - x))
            y += step * self.slope_in(int(x // self.cell), int(y // self.cell))
            x += step
        return y

    def _slope_in(self, column: int, row: int) -> float:
        """The slope in one cell: those of the text around it, the nearer the weightier."""
        x, y = (column + 0.5) * self.cell, (row + 0.5) * self.cell
        # What is far from all text goes the usual way.
        weight, total = 1e-6, 1e-6 * self.usual
        for at_x, at_y, slope in self.samples:
            near = math.exp(-((at_x - x) ** 2 + (at_y - y) ** 2) / (2 * self.reach**2))
            weight += near
            total += near * slope
        return total / weight


def _samples(box: Box) -> Iterator[Sample]:
    """Points along a long box, so that a longer one, whose slope is surer, has more weight."""
    if box.width < _LONG * box.height or box.height <= 0:
        return
    count = int(box.width / box.height)
    for number in range(count):
        part = (number + 0.5) / count - 0.5
        yield box.x + part * box.width, box.y + part * box.width * box.slope, box.slope
