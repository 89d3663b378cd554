"""Signatures of Standard Webhooks 1.0, and the secrets that make them.

A secret is `whsec_` and 24 random bytes in base64. After a rotation the one before signs too for a while, so that the
receiver can change over at any moment of it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from apps.core import clock
from apps.core.sealing import SealError

_PREFIX = "whsec_"
_BYTES = 24


@dataclass(frozen=True, slots=True)
class SigningSecrets:
    """The secret that signs, and the one before it, which signs too until `until`."""

    current: str
    previous: str = ""
    until: datetime | None = None

    @classmethod
    def new(cls) -> SigningSecrets:
        """A new secret without a predecessor."""
        return cls(_PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode())

    @classmethod
    def read(cls, text: str) -> SigningSecrets:
        """What `text` wrote."""
        current, previous, until = json.loads(text)
        return cls(current, previous, datetime.fromisoformat(until) if until else None)

    def text(self) -> str:
        """They as one text, which is to be sealed."""
        return json.dumps([self.current, self.previous, self.until.isoformat() if self.until else None])

    def rotated(self, overlap: timedelta) -> SigningSecrets:
        """A new secret; the current one signs too for as long as `overlap`."""
        made = SigningSecrets.new()
        return replace(made, previous=self.current, until=clock.now() + overlap) if overlap else made

    @classmethod
    def successor(cls, held: Callable[[], SigningSecrets], overlap: timedelta) -> SigningSecrets:
        """A new secret after what `held` reads, which signs too for `overlap`.

        What does not open any more, as after a move without its keys, is replaced without an overlap.
        """
        try:
            return held().rotated(overlap)
        except SealError:
            return cls.new()

    def in_force(self) -> list[str]:
        """Those that sign now, the newest first."""
        overlaps = self.until is not None and clock.now() < self.until
        return [self.current, self.previous] if overlaps else [self.current]


def signed_headers(held: SigningSecrets, message_id: str, body: bytes) -> dict[str, str]:
    """The headers that go out with `body`: its id, the time, and a signature by each secret in force.

    The id is the same whenever the same message is sent again; the time is that of this sending.
    """
    seconds = str(int(clock.now().timestamp()))
    signed = f"{message_id}.{seconds}.".encode() + body
    signatures = [_signature(secret, signed) for secret in held.in_force()]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(signatures),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
