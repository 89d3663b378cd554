"""Why a photo was not read, in words for the person who sent it."""

from __future__ import annotations


class UnreadablePhoto(Exception):  # noqa: N818 - a refusal, as the sentence in it says
    """A photo that cannot become a menu; sending the same bytes again changes nothing.

    `code` is for programs, the text is for the person.
    """

    code = "unreadable_photo"


class NotAnImage(UnreadablePhoto):
    code = "not_an_image"


class CorruptImage(UnreadablePhoto):
    code = "corrupt_image"


class TooLarge(UnreadablePhoto):
    code = "too_large"


class NothingToRead(UnreadablePhoto):
    code = "nothing_to_read"
