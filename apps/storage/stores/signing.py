"""Signed URLs of our own: a token that says what may be done with one blob until when, and a signature over all of it.

The key in it names the tenant. How it is signed: apps.core.signed_tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings

from apps.core import clock, signed_tokens
from apps.core.problems import show
from apps.storage.stores import keys
from apps.storage.stores.base import Disposition, SignedRequest
from apps.storage.stores.errors import NoAddress, SignedUrlExpired, SignedUrlInvalid

PATH = "/storage/"
_SALT = "packmule.storage.url"
#: How long after the end of its URL an upload that began in time may arrive. What lies there is cleared after that.
LATE = timedelta(hours=1)


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


def require_not_late(grant: Grant) -> None:
    """Raise SignedUrlExpired when what was sent by `grant` arrives too late to be kept."""
    if grant.seconds_left < -LATE.total_seconds():
        raise SignedUrlExpired(
            f"The bytes took longer than an hour beyond its end. {SignedUrlExpired.advice}"
        )


def until(seconds: int) -> int:
    """The moment in so many seconds, as a Grant says it."""
    return int((clock.now() + timedelta(seconds=seconds)).timestamp())


def request(grant: Grant, headers: Mapping[str, str] | None = None) -> SignedRequest:
    """The request that `grant` allows."""
    return SignedRequest(grant.method, f"{base_url()}{PATH}{write(grant)}", headers or {})


def base_url() -> str:
    """Where signed URLs lead: PACKMULE_STORAGE_URL, else PACKMULE_PUBLIC_URL, else the port that is served here.

    Raises NoAddress where none of them is known.
    """
    public = settings.PACKMULE_STORAGE_URL or settings.PACKMULE_PUBLIC_URL
    if public:
        return str(public)
    if not settings.PACKMULE_PORT:
        raise NoAddress(f"No installation runs on {settings.PACKMULE_DATA_DIR}. {NoAddress.advice}")
    return f"http://127.0.0.1:{settings.PACKMULE_PORT}"


def write(grant: Grant) -> str:
    """The token of `grant`. Raises ValueError when its key is none."""
    keys.check(grant.key)
    return signed_tokens.signed(_SALT, astuple(grant))


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
    found = signed_tokens.opened(_SALT, token)
    try:
        return None if found is None else Grant(*found)
    except TypeError:  # signed by a release that said other things
        return None
