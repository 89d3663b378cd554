"""Boxes as an OCR would find them, for menus that are written down in the tests."""

from __future__ import annotations

import json
import math
from pathlib import Path

from menugen.reading.boxes import Box

HERE = Path(__file__).parent
PHOTOS = HERE.parents[1] / "examples" / "menugen" / "photos"
_WIDE = 0.5  # of a letter's height


def box(text: str, left: float, top: float, height: float = 40, score: float = 0.99) -> Box:
    """A piece of text whose top left corner is at (left, top)."""
    right, bottom = left + len(text) * height * _WIDE, top + height
    return Box(text, score, ((left, top), (right, top), (right, bottom), (left, bottom)))


def lines(*rows: tuple[str, ...], at: tuple[float, ...] = (100, 1000), pitch: float = 50) -> list[Box]:
    """Rows of a menu: each text at its column's left edge; an empty text is no box."""
    return [
        box(text, left, 100 + number * pitch)
        for number, row in enumerate(rows)
        for text, left in zip(row, at, strict=False)
        if text
    ]


def tilted(boxes: list[Box], degrees: float) -> list[Box]:
    """The same boxes on paper that lies askew."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def turned(one: Box) -> Box:
        a, b, c, d = ((x * cos - y * sin, x * sin + y * cos) for x, y in one.corners)
        return Box(one.text, one.score, (a, b, c, d))

    return [turned(one) for one in boxes]


def recorded() -> list[Box]:
    """What the OCR found on MenuGen's own photo; see record.py."""
    found = json.loads((HERE / "sample-boxes.json").read_text())
    return [Box(text, score, tuple((x, y) for x, y in corners)) for text, score, corners in found]  # type: ignore[arg-type]
