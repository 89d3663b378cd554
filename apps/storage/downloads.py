"""Operations that hand files out: by a link to the store that is signed, and good for a short while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from apps.core import clock
from apps.core.actor import Actor, PrincipalKind
from apps.core.operations import Risk, operation
from apps.storage import serializers as forms
from apps.storage import stores
from apps.storage.finding import find_content, find_readable
from apps.storage.models import File
from apps.storage.sniffing import is_run_by_browsers
from apps.storage.stores.base import Disposition

#: How long the link is good to which `content` redirects: what was deleted is not read for longer by it.
REDIRECT_SECONDS = 300
#: What a visitor, who is known by a publishable key alone, may ask for at most.
VISITORS_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Link:
    """A request that gets the bytes."""

    method: str
    url: str
    headers: Mapping[str, str]
    expires_at: datetime


@operation(
    "files.content",
    scope="files:read",
    risk=Risk.READ,
    input=forms.DownloadParameters,
    output=forms.LinkOutput,
    publishable=True,
    redirects=True,
)
def get_content(
    actor: Actor, *, file_id: UUID, version: int | None = None, disposition: str = "attachment"
) -> Link:
    """Get the bytes: a redirect to a link that is good for five minutes, where ranges work."""
    return _link(find_readable(actor, file_id), version, disposition, REDIRECT_SECONDS)


@operation(
    "files.link",
    scope="files:read",
    risk=Risk.READ,
    input=forms.LinkParameters,
    output=forms.LinkOutput,
    publishable=True,
)
def get_link(
    actor: Actor,
    *,
    file_id: UUID,
    version: int | None = None,
    disposition: str = "attachment",
    seconds: int = 3600,
) -> Link:
    """Make a link that gets the bytes for whoever holds it, for up to a day.

    Deleting the file does not end it, purging does. With a publishable key it is good for five minutes at most.
    """
    return _link(find_readable(actor, file_id), version, disposition, bounded_for(actor, seconds))


def bounded_for(actor: Actor, seconds: int) -> int:
    """For how long a link is good that `actor` asks for."""
    return min(seconds, VISITORS_SECONDS) if actor.kind is PrincipalKind.VISITOR else seconds


def _link(file: File, number: int | None, disposition: str, seconds: int) -> Link:
    version = find_content(file, number)
    inline = disposition == "inline" and not is_run_by_browsers(version.content_type)
    return link_to(version.blob, Disposition(file.name, version.content_type, inline), seconds)


def link_to(blob: str, shown: Disposition, seconds: int) -> Link:
    """A link to the bytes of `blob` that is good for so many seconds."""
    signed = stores.store().download_url(blob, shown, seconds=seconds)
    return Link(signed.method, signed.url, signed.headers, clock.now() + timedelta(seconds=seconds))
