"""Where a new file goes: which bucket takes it, whose it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from apps.accounts.machines import placed
from apps.accounts.models import User
from apps.core import clock
from apps.core.actor import Actor, PrincipalKind
from apps.core.models import not_found
from apps.core.problems import FieldError, ValidationFailed
from apps.storage.accounting import require_room
from apps.storage.buckets import find_bucket
from apps.storage.errors import ContentTypeRefused, FileTooLarge
from apps.storage.models import Bucket, File
from apps.storage.sniffing import UNKNOWN

_OWNING = (PrincipalKind.USER, PrincipalKind.SERVICE_ACCOUNT, PrincipalKind.AGENT)


def new_file(
    actor: Actor,
    *,
    bucket: str,
    name: str,
    size: int,
    content_type: str,
    tags: dict[str, str],
    organization: UUID | None = None,
    owner: UUID | None = None,
    expires_at: datetime | None = None,
) -> File:
    """The row of a file that its bucket takes, without any content. Raises what the bucket's rules object to."""
    found = find_bucket(bucket)
    place = placed(actor, organization)
    require_takes(found, size, content_type, place)
    require_future(expires_at)
    made = File(
        bucket=found,
        organization_id=place,
        name=name,
        content_type=content_type,
        tags=tags,
        expires_at=expires_at,
        **_owned_by(actor, owner),
    )
    made.save(force_insert=True)
    return made


def require_takes(bucket: Bucket, size: int, content_type: str, organization_id: UUID | None) -> None:
    """Raise FileTooLarge, ContentTypeRefused or QuotaExceeded for what `bucket` does not take."""
    if bucket.max_size is not None and size > bucket.max_size:
        raise FileTooLarge(
            f"{bucket} takes files of up to {bucket.max_size} bytes, and this one has {size}. {FileTooLarge.advice}",
            extra={"max_size": bucket.max_size, "size": size},
        )
    if content_type != UNKNOWN:
        require_type(bucket, content_type)
    require_room(bucket, organization_id, size)


def require_type(bucket: Bucket, content_type: str) -> None:
    """Raise ContentTypeRefused unless `bucket` takes files of that type."""
    if not bucket.takes(content_type):
        said = f"{bucket} takes {', '.join(bucket.content_types)}, and this is {content_type}."
        error = FieldError("content_type", ContentTypeRefused.code, said)
        raise ContentTypeRefused(f"{said} {ContentTypeRefused.advice}", errors=[error])


def require_future(expires_at: datetime | None) -> None:
    """Raise ValidationFailed for a time that is over."""
    if expires_at is not None and expires_at <= clock.now():
        said = "The time is over already. Delete the file instead."
        raise ValidationFailed(said, errors=[FieldError("expires_at", "in_the_past", said)])


def _owned_by(actor: Actor, owner: UUID | None) -> dict[str, Any]:
    """The owner's columns: the person `owner`, else who acts, or for whom. The tenant's builders own nothing in it."""
    if owner is not None:
        if not User.objects.visible_to(actor).filter(pk=owner).exists():
            raise not_found(User, owner)
        return {"owner_kind": PrincipalKind.USER.value, "owner_id": owner}
    acting = actor.on_behalf_of or actor.principal
    builder = actor.is_away and actor.on_behalf_of is None
    if builder or acting.kind not in _OWNING:
        return {}
    return {"owner_kind": acting.kind.value, "owner_id": acting.id}
