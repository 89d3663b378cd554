"""How tokens and client secrets are written: `pmo_{at|rt|cs}_{tenant}_…_{secret}{crc}`.

An access token (at) names its tenant, which is all that its text says: whether it opens anything is its row's word
alone. A refresh token (rt) also names its family, by which one that is shown a second time is known. The secret of a
client (cs) also names the client. Only hashes are stored.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from apps.core import checked_text
from apps.core.ids import BODY_PATTERN, decode, encode

ACCESS, REFRESH, SECRET = "at", "rt", "cs"
#: What they are called outside.
KINDS = {ACCESS: "Access token", REFRESH: "Refresh token", SECRET: "Client secret"}
_BEGINS = re.compile(r"pmo_(at|rt|cs)_", re.ASCII)
_WHOLE = re.compile(
    rf"pmo_(at|rt|cs)_({BODY_PATTERN})(?:_({BODY_PATTERN}))?_{checked_text.TAIL_PATTERN}", re.ASCII
)
#: For secret scanners.
SCANNER_PATTERN = rf"\bpmo_(?:at|rt|cs)_{BODY_PATTERN}(?:_{BODY_PATTERN})?_{checked_text.TAIL_PATTERN}\b"


class TokenTextError(ValueError):
    """A text that begins like a token and is none: it was cut or altered. `str()` holds nothing of the text."""


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """A well-formed text: its kind, tenant and hash; `part` is a refresh token's family, or a secret's client."""

    kind: str
    tenant_id: UUID
    part: UUID | None
    hash: str = field(repr=False)


def looks_like_token(text: str) -> bool:
    """True for what begins like one of these texts."""
    return bool(_BEGINS.match(text))


def access_token(tenant_id: UUID) -> str:
    """A new access token of the tenant."""
    return checked_text.compose(encode("pmo_at", tenant_id))


def refresh_token(tenant_id: UUID, family: UUID) -> str:
    """A new refresh token of the tenant, in `family`."""
    return checked_text.compose(_with_part("pmo_rt", tenant_id, family))


def client_secret(tenant_id: UUID, client_id: UUID) -> str:
    """A new secret of the tenant's client."""
    return checked_text.compose(_with_part("pmo_cs", tenant_id, client_id))


def parse(text: str) -> ParsedToken:
    """What `text` says. Raises TokenTextError."""
    found = _WHOLE.fullmatch(text)
    if found is None or not checked_text.is_whole(text):
        raise TokenTextError("it lost its end in copying, or a character was changed")
    kind, tenant, part = found.groups()
    return ParsedToken(
        kind, decode(f"x_{tenant}", "x"), decode(f"x_{part}", "x") if part else None, hash_of(text)
    )


def hash_of(text: str) -> str:
    """What is stored of a text, in hexadecimal. It has 256 random bits, so no slow hash is needed."""
    return sha256(text.encode()).hexdigest()


def matches(text: str, stored: bytes | memoryview | None) -> bool:
    """True when `stored` is the hash of `text`; compared in constant time."""
    return stored is not None and hmac.compare_digest(sha256(text.encode()).digest(), bytes(stored))


def _with_part(prefix: str, tenant_id: UUID, part: UUID) -> str:
    return f"{encode(prefix, tenant_id)}_{encode('', part)[1:]}"
