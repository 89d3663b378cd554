"""Sealing text: AES-256-GCM, where the sealed text is bound to what it belongs to and says under which key it is.

This is the box alone. Which key a tenant seals under, and where keys are kept, is apps.tenancy.sealing's business.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
_SEALED = re.compile(r"pms1\.([1-9][0-9]{0,8})\.([A-Za-z0-9_-]{38,})")


class SealError(Exception):
    """Something sealed could not be opened, or nothing could be sealed. The text never holds what was sealed."""


class SealMalformed(SealError):  # noqa: N818 - said as a sentence
    """The text is not of the form that sealing makes."""


class SealBroken(SealError):  # noqa: N818 - said as a sentence
    """The text was sealed for another tenant, name or version, under another key, or was changed since."""


def new_key() -> bytes:
    """A key of 256 random bits."""
    return secrets.token_bytes(KEY_BYTES)


def seal_text(key: bytes, text: str, *, version: int, bound_to: str) -> str:
    """`text` sealed under `key`, which is the `version`th of its owner: `pms1.<version>.<base64>`."""
    box = encrypt(key, text.encode(), _bound(bound_to, version))
    return f"pms1.{version}.{urlsafe_b64encode(box).rstrip(b'=').decode()}"


def version_of(sealed: str) -> int:
    """The version of the key under which `sealed` is. Raises SealMalformed."""
    return int(_parts(sealed)[1])


def open_text(key: bytes, sealed: str, *, bound_to: str) -> str:
    """The text in `sealed`. Raises SealMalformed, and SealBroken unless key and binding are those of its sealing."""
    parts = _parts(sealed)
    box = urlsafe_b64decode(parts[2] + "=" * (-len(parts[2]) % 4))
    return decrypt(key, box, _bound(bound_to, int(parts[1]))).decode()


def encrypt(key: bytes, content: bytes, bound_to: str) -> bytes:
    """Nonce, ciphertext and tag of `content`; it opens only with the same key and binding."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, bound_to.encode())


def decrypt(key: bytes, box: bytes, bound_to: str) -> bytes:
    """What `encrypt` was given. Raises SealBroken."""
    try:
        return AESGCM(key).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], bound_to.encode())
    except (InvalidTag, ValueError):
        raise SealBroken("This does not open here: it belongs elsewhere, or was changed.") from None


def keyed_fingerprint(key: bytes, text: str, *, bound_to: str) -> str:
    """16 hexadecimal digits by which two equal texts are recognised, and which tell nothing without the key."""
    own_key = hmac.digest(key, b"packmule fingerprint", hashlib.sha256)
    return hmac.digest(own_key, f"{bound_to}\0{text}".encode(), hashlib.sha256).hex()[:16]


def _bound(bound_to: str, version: int) -> str:
    return f"packmule sealed text|{version}|{bound_to}"


def _parts(sealed: str) -> re.Match[str]:
    found = _SEALED.fullmatch(sealed)
    if found is None:
        raise SealMalformed("This is no sealed text: it does not look like pms1.<version>.<base64>.")
    return found
