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
from apps.orgs.models import Membership
from apps.storage.accounting import require_room
from apps.storage.buckets import find_bucket
from apps.storage.errors import ContentTypeRefused, FileTooLarge
from apps.storage.models import Bucket, File
from apps.storage.querysets import answers_for_others
from apps.storage.sniffing import UNKNOWN

_OWNING = (PrincipalKind.USER, PrincipalKind.SERVICE_ACCOUNT, PrincipalKind.AGENT)


def new_file(
    actor: Actor,
    *,
    file_id: UUID,
    bucket: str,
    name: str,
    size: int,
    content_type: str,
    tags: dict[str, str],
    metadata: dict[str, Any],
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
        id=file_id,
        bucket=found,
        organization_id=place,
        name=name,
        content_type=content_type,
        tags=tags,
        metadata=metadata,
        expires_at=expires_at,
        **_owned_by(actor, owner, place),
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


def _owned_by(actor: Actor, owner: UUID | None, place: UUID | None) -> dict[str, Any]:
    """The owner's columns: the person `owner`, else who acts, or for whom. The tenant's builders own nothing in it."""
    whom = actor.stands_for
    if owner is not None and (whom is None or owner != whom.id):
        _require_nameable(actor, owner, place)
        return {"owner_kind": PrincipalKind.USER.value, "owner_id": owner}
    if whom is None or whom.kind not in _OWNING:
        return {}
    return {"owner_kind": whom.kind.value, "owner_id": whom.id}


def _require_nameable(actor: Actor, owner: UUID, place: UUID | None) -> None:
    """Raise ValidationFailed or NotFound unless `actor` may say that a file in `place` is `owner`'s."""
    if not answers_for_others(actor):
        # Refused alike, whether there is such a person or not.
        raise _refused(
            "not_yours", "Only admins of the organization and the tenant say that a file is another's."
        )
    if not User.objects.visible_to(actor).filter(pk=owner).exists():
        raise not_found(User, owner)
    if place is not None and not Membership.objects.filter(organization_id=place, user_id=owner).exists():
        raise _refused("not_a_member", "The owner is no member of the organization whose file it is.")


def _refused(code: str, said: str) -> ValidationFailed:
    return ValidationFailed(said, errors=[FieldError("owner", code, said)])
