"""What the OCR found: pieces of text and where they stand."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A piece of text. `corners` in pixels: top left, top right, bottom right, bottom left. `score` from 0 to 1."""

    text: str
    score: float
    corners: tuple[Point, Point, Point, Point]

    @property
    def left(self) -> float:
        return (self.corners[0][0] + self.corners[3][0]) / 2

    @property
    def right(self) -> float:
        return (self.corners[1][0] + self.corners[2][0]) / 2

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        """Across the line of text, at its middle."""
        (_, top_left), (_, top_right), (_, bottom_right), (_, bottom_left) = self.corners
        return (bottom_left + bottom_right - top_left - top_right) / 2

    @property
    def x(self) -> float:
        return sum(x for x, _ in self.corners) / 4

    @property
    def y(self) -> float:
        return sum(y for _, y in self.corners) / 4

    @property
    def slope(self) -> float:
        """How far the line of text sinks for each pixel to the right."""
        (_, top_left), (_, top_right), (_, bottom_right), (_, bottom_left) = self.corners
        return (top_right + bottom_right - top_left - bottom_left) / 2 / max(self.width, 1.0)
