"""Standard Webhooks 1.0: is it from Packmule, and is it fresh?"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping

_TOLERANCE = 300


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether `body` was signed with `secret` within five minutes of now. Names of `headers` are in lower case."""
    stamp, given = headers.get("webhook-timestamp", ""), headers.get("webhook-signature", "")
    if not stamp.isdigit() or abs(time.time() - int(stamp)) > _TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([headers.get("webhook-id", "").encode(), stamp.encode(), body])
    wanted = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return any(hmac.compare_digest(wanted.encode(), one.encode()) for one in given.split())
