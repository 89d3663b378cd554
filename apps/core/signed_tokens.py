"""Tokens that this installation signs and recognises: HMAC-SHA256 over a document, under SECRET_KEY.

Those signed under SECRET_KEY_FALLBACKS are good for reading, so that tokens outlive a rotation. Nothing in them is
hidden from who holds one.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import orjson
from django.conf import settings
from django.utils.crypto import salted_hmac

_MAC_BYTES = 32


def signed(salt: str, document: Any) -> str:
    """`document` as a token, in letters that a URL takes. `salt` says what such tokens are for."""
    payload = orjson.dumps(document)
    return urlsafe_b64encode(_mac(salt, payload, str(settings.SECRET_KEY)) + payload).rstrip(b"=").decode()


def opened(salt: str, token: str) -> Any:
    """The document in `token`; None unless it was signed here, with that salt, and is spelled as it was."""
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        return None
    # Decoding drops what is no base64, so the one right spelling is compared too.
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != token or not _is_signed(salt, raw):
        return None
    return orjson.loads(raw[_MAC_BYTES:])


def _is_signed(salt: str, raw: bytes) -> bool:
    mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(hmac.compare_digest(mac, _mac(salt, payload, str(secret))) for secret in secrets)


def _mac(salt: str, payload: bytes, secret: str) -> bytes:
    return salted_hmac(salt, payload, secret=secret, algorithm="sha256").digest()
