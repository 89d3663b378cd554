"""Signed URLs of our own: a token that says what may be done with one blob until when, and a signature over all of it.

The key in it names the tenant. The signature is an HMAC-SHA256 under SECRET_KEY; those in SECRET_KEY_FALLBACKS are
good for reading, so that URLs outlive a rotation.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
from django.conf import settings
from django.utils.crypto import salted_hmac

from apps.core import clock
from apps.core.problems import show
from apps.storage.stores import keys
from apps.storage.stores.base import Disposition, SignedRequest
from apps.storage.stores.errors import SignedUrlExpired, SignedUrlInvalid

PATH = "/storage/"
_SALT = "packmule.storage.url"
_MAC_BYTES = 32


@dataclass(frozen=True, slots=True)
class Grant:
    """What the holder of a token may do: GET a blob as name, type and inline say, or PUT exactly `size` bytes.

    With `upload_id` the bytes are part `number` of that multipart upload.
    """

    method: str
    key: str
    expires: int
    size: int = 0
    upload_id: str = ""
    number: int = 0
    name: str = ""
    content_type: str = ""
    inline: bool = False

    @property
    def tenant_id(self) -> UUID:
        """The tenant whose blob it is."""
        return keys.tenant_of(self.key)

    @property
    def disposition(self) -> Disposition:
        """How the download presents itself."""
        return Disposition(self.name, self.content_type, self.inline)

    @property
    def seconds_left(self) -> int:
        """How long it is good for; negative when that is over."""
        return int(self.expires - clock.now().timestamp())


def until(seconds: int) -> int:
    """The moment in so many seconds, as a Grant says it."""
    return int((clock.now() + timedelta(seconds=seconds)).timestamp())


def request(grant: Grant, headers: Mapping[str, str] | None = None) -> SignedRequest:
    """The request that `grant` allows."""
    return SignedRequest(grant.method, f"{base_url()}{PATH}{write(grant)}", headers or {})


def base_url() -> str:
    """Where signed URLs lead: PACKMULE_STORAGE_URL, else PACKMULE_PUBLIC_URL, else the port that is served here."""
    public = settings.PACKMULE_STORAGE_URL or settings.PACKMULE_PUBLIC_URL
    return str(public or f"http://127.0.0.1:{settings.PACKMULE_PORT or 80}")


def write(grant: Grant) -> str:
    """The token of `grant`. Raises ValueError when its key is none."""
    keys.check(grant.key)
    payload = orjson.dumps(astuple(grant))
    return urlsafe_b64encode(_mac(payload, str(settings.SECRET_KEY)) + payload).rstrip(b"=").decode()


def read(token: str, method: str) -> Grant:
    """What `token` allows. Raises SignedUrlInvalid unless it was made here and for `method`, and SignedUrlExpired."""
    grant = _opened(token)
    if grant is None:
        raise SignedUrlInvalid(
            f"It was not signed by this installation, or was altered. {SignedUrlInvalid.advice}"
        )
    if method != grant.method and (method, grant.method) != ("HEAD", "GET"):
        raise SignedUrlInvalid(f"It was signed for {grant.method}, and the call is {show(method)}.")
    if grant.seconds_left < 0:
        ended = datetime.fromtimestamp(grant.expires, UTC)
        raise SignedUrlExpired(f"It was good until {ended:%Y-%m-%d %H:%M:%S} UTC. {SignedUrlExpired.advice}")
    return grant


def _opened(token: str) -> Grant | None:
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        return None
    # Decoding drops what is no base64, so the one right spelling is compared too.
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != token or not _is_signed(raw):
        return None
    try:
        return Grant(*orjson.loads(raw[_MAC_BYTES:]))
    except TypeError:  # signed by a release that said other things
        return None


def _is_signed(raw: bytes) -> bool:
    mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(hmac.compare_digest(mac, _mac(payload, str(secret))) for secret in secrets)


def _mac(payload: bytes, secret: str) -> bytes:
    return salted_hmac(_SALT, payload, secret=secret, algorithm="sha256").digest()
