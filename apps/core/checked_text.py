"""Secrets as text: random, of letters and digits only, with a checksum that tells a cut or altered one at sight."""

from __future__ import annotations

import secrets
from binascii import crc32

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BYTES = 32
CHECK_LENGTH = 6
#: Characters of 256 random bits, and of those with their checksum.
SECRET_LENGTH = 43
TAIL_PATTERN = rf"[0-9A-Za-z]{{{SECRET_LENGTH + CHECK_LENGTH}}}"


def compose(head: str) -> str:
    """`head`, an underscore, 256 random bits, and the checksum of everything before it."""
    body = f"{head}_{base62(int.from_bytes(secrets.token_bytes(_BYTES), 'big'), SECRET_LENGTH)}"
    return body + _checksum(body)


def is_whole(text: str) -> bool:
    """True when the checksum at the end of `text` fits what stands before it."""
    return len(text) > CHECK_LENGTH and _checksum(text[:-CHECK_LENGTH]) == text[-CHECK_LENGTH:]


def base62(number: int, length: int) -> str:
    """`number` in base 62, `length` digits long."""
    digits = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        digits.append(_DIGITS[rest])
    return "".join(reversed(digits))


def _checksum(text: str) -> str:
    return base62(crc32(text.encode()), CHECK_LENGTH)
