"""From the bytes of a photo to dishes and prices, on this machine alone: nothing is downloaded."""

from __future__ import annotations

from menugen.reading.menu import Dish, Menu
from menugen.reading.refusals import CorruptImage, NotAnImage, NothingToRead, TooLarge, UnreadablePhoto

__all__ = [
    "CorruptImage",
    "Dish",
    "Menu",
    "NotAnImage",
    "NothingToRead",
    "TooLarge",
    "UnreadablePhoto",
    "read",
]


def read(data: bytes) -> Menu:
    """The menu in a photo (JPEG, PNG, WebP or GIF). Takes seconds; one call at a time uses two cores.

    Raises UnreadablePhoto: NotAnImage, CorruptImage, TooLarge, or NothingToRead when no dish is on it.
    """
    # The models take a second and 200 MB to load: only who reads pays for them.
    from menugen.reading.ocr import boxes_upright
    from menugen.reading.pairing import pair
    from menugen.reading.photo import opened

    boxes, turned = boxes_upright(opened(data))
    if not boxes:
        raise NothingToRead("There is no text on this photo. Take it closer, in more light, and in focus.")
    dishes = pair(boxes)
    if not dishes:
        raise NothingToRead(
            f"There is text on this photo ({len(boxes)} pieces of it), but no dish with a price was found. "
            "Send a photo that shows the menu straight from above."
        )
    return Menu(dishes, turned)
