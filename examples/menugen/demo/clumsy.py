"""The worker, with a painter who drops the brush once: at the first dish, or at the DROPS-th.

DROPS=3 python -m demo.clumsy
"""

from __future__ import annotations

import itertools
import os

from menugen import worker
from menugen.pictures import painter
from menugen.reading import Dish
from menugen.work import handlers


class BrushDropped(Exception):  # noqa: N818 - the name is shown to people
    """The demo's accident. Another attempt goes better."""


if __name__ == "__main__":
    paint, dishes, nth = painter().paint, itertools.count(1), int(os.environ.get("DROPS", "1"))

    def paint_or_drop(dish: Dish) -> bytes:
        """A picture, or an accident."""
        if next(dishes) == nth:
            raise BrushDropped(f"The brush fell while {dish.name} was painted.")
        return paint(dish)

    worker.run(handlers(paint_or_drop))
