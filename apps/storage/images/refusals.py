"""Why nothing is made of an image."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - what is refused is the image; nothing went wrong here
    """Nothing is made of it, today or tomorrow; `said` tells why, with figures."""

    code = "refused"

    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__(said)


class NotAnImage(Refused):
    """It is no image of a kind that is read."""

    code = "not_an_image"


class TooLarge(Refused):
    """It says of itself that it has more pixels, or has more bytes, than are read."""

    code = "image_too_large"


class Damaged(Refused):
    """It ends too early, or holds what makes no image."""

    code = "image_damaged"


class TooCostly(Refused):
    """It takes more time or memory than an image may."""

    code = "image_too_costly"


REFUSALS: dict[str, type[Refused]] = {kind.code: kind for kind in (NotAnImage, TooLarge, Damaged, TooCostly)}
