"""Pictures of dishes. A real image model is plugged in here: MENUGEN_PAINTER names a class with its own `paint`."""

from __future__ import annotations

import io
import os
from importlib import import_module
from typing import Protocol

from PIL import Image, ImageDraw

from menugen.lettering import Lettering
from menugen.plates import SERVED, kind_of, luck
from menugen.reading.menu import Dish

SIZE = (640, 480)
_FINE = 2  # drawn so many times larger, then brought down, so that edges are smooth
_TABLE = 0.7  # of the height: the rest is the label
_PAPER, _INK, _FAINT = "#fbf7ef", "#2b2622", "#8a7f73"
# The table, its pattern, and an accent for what lies on the plate.
_PALETTES = (
    ("#24505a", "#1f464f", "#e8b04a"),
    ("#7c3f3a", "#6f3733", "#f0c987"),
    ("#3d5a45", "#36503d", "#e9c46a"),
    ("#46466e", "#3e3e63", "#f2a65a"),
    ("#8a6a3f", "#7d5f38", "#d95d39"),
    ("#5b4a5f", "#514154", "#e6b89c"),
)


class Painter(Protocol):
    """Who makes the pictures."""

    def paint(self, dish: Dish) -> bytes:
        """A JPEG of the dish. May take as long as it needs, and raise whatever it likes: the job is tried again."""
        ...


def painter() -> Painter:
    """The painter that MENUGEN_PAINTER names ("package.module:Class"), else DrawnCards. Raises ValueError."""
    path = os.environ.get("MENUGEN_PAINTER", "menugen.pictures:DrawnCards")
    module, _, name = path.partition(":")
    try:
        made: Painter = getattr(import_module(module), name)()
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"MENUGEN_PAINTER is {path!r}, not a class as package.module:Class. {error}"
        ) from error
    return made


class DrawnCards:
    """A plate seen from above, drawn from the dish's name alone: the same name gives the same picture."""

    def paint(self, dish: Dish) -> bytes:
        width, height = SIZE[0] * _FINE, SIZE[1] * _FINE
        image = Image.new("RGB", (width, height), _PAPER)
        draw = ImageDraw.Draw(image)
        chance = luck(dish.name)
        table, pattern, accent = chance.choice(_PALETTES)
        _lay_the_table(draw, width, int(height * _TABLE), table, pattern)
        SERVED[kind_of(dish.name)](
            draw, (width // 2, int(height * _TABLE / 2)), int(height * 0.3), accent, chance
        )
        draw.rectangle((0, int(height * _TABLE), width, height), fill=_PAPER)
        _label(draw, dish, (0, int(height * _TABLE), width, height))
        out = io.BytesIO()
        image.resize(SIZE, Image.Resampling.LANCZOS).save(out, "JPEG", quality=88)
        return out.getvalue()


def _lay_the_table(draw: ImageDraw.ImageDraw, width: int, height: int, table: str, pattern: str) -> None:
    draw.rectangle((0, 0, width, height), fill=table)
    for x in range(-height, width, 72):
        draw.line((x, 0, x + height, height), fill=pattern, width=20)


def _label(draw: ImageDraw.ImageDraw, dish: Dish, area: tuple[int, int, int, int]) -> None:
    """The name, over two lines where it is long, and the price at its right. What no font can draw is left out."""
    left, top, right, bottom = area
    margin, middle = 52, (top + bottom) // 2
    price = Lettering(dish.price or "", size=60)
    if price.drawable:
        price.draw(draw, (right - margin, middle), _FAINT, anchor="rm")
    room = right - 2 * margin - (price.width + margin if price.drawable else 0)
    name = Lettering.fitted(dish.name, room, largest=76, smallest=44)
    if name.drawable:
        name.draw(draw, (left + margin, middle), _INK, anchor="lm")
