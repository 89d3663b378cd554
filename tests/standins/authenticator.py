"""What people carry: an app that shows codes, and a passkey, both without a device."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import struct
import time
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor

STEP = 30
#: Flags of authenticator data (WebAuthn, 6.1): somebody was there, was recognised, and a new credential is attached.
_PRESENT, _VERIFIED, _ATTACHED = 0x01, 0x04, 0x40


def totp(secret: str, *, steps: int = 0) -> str:
    """What an authenticator app shows for `secret` (RFC 6238), or did and will show `steps` of 30 s away from now."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // STEP + steps), hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


class Passkey:
    """A credential of one person at one website, which answers for the page of `origin`."""

    def __init__(self, origin: str) -> None:
        self.origin, self.handle = origin, ""
        self.id, self.key = secrets.token_bytes(16), ec.generate_private_key(ec.SECP256R1())

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """Answer to `navigator.credentials.create`, by the options that the server sent."""
        asked = options["publicKey"]
        self.handle = asked["user"]["id"]
        attached = bytes(16) + struct.pack(">H", len(self.id)) + self.id + self._public()
        data = self._data(asked["rp"]["id"], _ATTACHED) + attached
        statement = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", asked["challenge"])
        return self._answer({"clientDataJSON": _text(client), "attestationObject": _text(statement)})

    def get(self, options: dict[str, Any], *, origin: str = "") -> dict[str, Any]:
        """Answer to `navigator.credentials.get`; `origin` pretends to be on another page."""
        asked = options["publicKey"]
        data = self._data(asked["rpId"], 0)
        client = self._client("webauthn.get", asked["challenge"], origin)
        signed = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": _text(client),
                "authenticatorData": _text(data),
                "signature": _text(signed),
                "userHandle": self.handle,
            }
        )

    def _public(self) -> bytes:
        """The public key as COSE writes one (RFC 9053, 7.1.1): elliptic, for ES256, on P-256."""
        point = self.key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (point.x, point.y))
        return cbor.encode({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def _data(self, website: str, flags: int) -> bytes:
        flags |= _PRESENT | _VERIFIED
        return hashlib.sha256(website.encode()).digest() + bytes([flags]) + struct.pack(">I", 0)

    def _client(self, kind: str, challenge: str, origin: str = "") -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": origin or self.origin}).encode()

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        shown = {"id": _text(self.id), "rawId": _text(self.id), "type": "public-key", "response": response}
        return {**shown, "clientExtensionResults": {"credProps": {"rk": True}}}


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
