"""One Chinese script for one menu: the models take a simplified character for its traditional one now and then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from opencc import OpenCC

from menugen.reading.boxes import Box


def one_script(boxes: Sequence[Box]) -> list[Box]:
    """The boxes in the script in which most of the menu is printed; other languages stay as they are."""
    text = "".join(box.text for box in boxes)
    to_simplified, to_traditional = OpenCC("t2s"), OpenCC("s2tw")
    traditional, simplified = _changed(text, to_simplified), _changed(text, to_traditional)
    if not traditional or not simplified:
        return list(boxes)
    writer = to_traditional if traditional > simplified else to_simplified
    return [replace(box, text=writer.convert(box.text)) for box in boxes]


def _changed(text: str, converter: OpenCC) -> int:
    """How many characters of `text` belong to the other script."""
    return sum(old != new for old, new in zip(text, converter.convert(text), strict=False))
