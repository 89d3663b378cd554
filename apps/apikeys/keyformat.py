"""How a key is written: `pmk_{test|live}_{sk|pk|ag|us}_{id}_{secret}{crc}`.

The id is that of the Key's row, so that a key can be found without comparing secrets. The last six characters are a
CRC32 of everything before them: a key that lost its end in copying is told apart from one that was never ours, without
asking the database. Nothing here ever repeats a secret.
"""

from __future__ import annotations

import hmac
import re
import secrets
from binascii import crc32
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from apps.core.ids import BODY_PATTERN, decode, encode

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_BYTES = 32
_SECRET_LENGTH = 43
_CRC_LENGTH = 6
_HEAD = r"pmk_(test|live)_(sk|pk|ag|us)_"
_KEY = re.compile(rf"{_HEAD}({BODY_PATTERN})_[0-9A-Za-z]{{{_SECRET_LENGTH + _CRC_LENGTH}}}", re.ASCII)
_BEGINS = re.compile(_HEAD, re.ASCII)
LENGTH = len("pmk_test_sk_") + 26 + 1 + _SECRET_LENGTH + _CRC_LENGTH

#: For secret scanners: finds every key in a text, and by its checksum's place few other things.
SCANNER_PATTERN = (
    rf"\bpmk_(?:test|live)_(?:sk|pk|ag|us)_{BODY_PATTERN}_[0-9A-Za-z]{{{_SECRET_LENGTH + _CRC_LENGTH}}}\b"
)

#: How anybody tells a key from what only looks like one, without asking us.
CHECKSUM = (
    f"The last {_CRC_LENGTH} characters are the CRC-32 (as of zlib) of all characters before them, as a number in base "
    f"62, most significant digit first, padded with 0 to {_CRC_LENGTH}; the digits are {_DIGITS}."
)


class KeyTextError(ValueError):
    """A text that is no key. `truncated` when it begins like one; `str()` holds nothing of the text itself."""

    def __init__(self, reason: str, *, truncated: bool) -> None:
        super().__init__(reason)
        self.truncated = truncated


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A well-formed key: its row's id, its kind (`sk`, `pk`, `ag`, `us`), and the SHA-256 of the whole text."""

    id: UUID
    kind: str
    live: bool
    digest: bytes = field(repr=False)


def compose(key_id: UUID, kind: str, *, live: bool) -> str:
    """A new key for the row `key_id`, with a secret that exists nowhere else."""
    mode = "live" if live else "test"
    secret = _base62(int.from_bytes(secrets.token_bytes(_SECRET_BYTES), "big"), _SECRET_LENGTH)
    body = f"{encode(f'pmk_{mode}_{kind}', key_id)}_{secret}"
    return body + _checksum(body)


def parse(text: str) -> ParsedKey:
    """What `text` says. Raises KeyTextError, which says whether the text is malformed or was cut or altered."""
    found = _KEY.fullmatch(text)
    if found is None:
        raise _refusal(text)
    if _checksum(text[:-_CRC_LENGTH]) != text[-_CRC_LENGTH:]:
        raise KeyTextError("its checksum does not fit: a character was lost or changed", truncated=True)
    mode, kind, body = found.groups()
    return ParsedKey(decode(f"key_{body}", "key"), kind, mode == "live", digest(text))


def digest(text: str) -> bytes:
    """What is stored of a key: the SHA-256 of all of it. The secret has 256 random bits, so no slow hash is needed."""
    return sha256(text.encode()).digest()


def matches(digest: bytes, stored: bytes | memoryview | None) -> bool:
    """True when `digest` is the stored one, compared in constant time."""
    return stored is not None and hmac.compare_digest(digest, bytes(stored))


def _refusal(text: str) -> KeyTextError:
    if not _BEGINS.match(text):
        return KeyTextError("it does not begin like a key (pmk_test_… or pmk_live_…)", truncated=False)
    if len(text) < LENGTH:
        return KeyTextError(f"it has {len(text)} of a key's {LENGTH} characters", truncated=True)
    return KeyTextError("it begins like a key and goes on with characters that no key has", truncated=False)


def _checksum(text: str) -> str:
    return _base62(crc32(text.encode()), _CRC_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        digits.append(_DIGITS[rest])
    return "".join(reversed(digits))
