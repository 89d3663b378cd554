"""Mixins that tenant models share, and the answers kept for replay."""

from typing import Any, Self
from uuid import UUID

from django.db import models
from django.db.models.functions import Now

from apps.core import clock
from apps.core.etags import check_version
from apps.core.ids import Identified, encode, noun
from apps.core.problems import NotFound, missing
from apps.core.walls import unwalled, walled


def not_found(model: type[Identified], pk: UUID) -> NotFound:
    """The refusal for an id that does not exist, or that the actor may not know of: both read the same."""
    return missing(noun(model.id_prefix), encode(model.id_prefix, pk))


class Versioned(models.Model):
    """A row that two writers may meet on. Its version is the ETag; a stale `If-Match` is refused with 412."""

    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        abstract = True

    @classmethod
    def locked(cls, rows: models.QuerySet[Self], pk: UUID, expected_version: int | None) -> Self:
        """The row `pk` of `rows`, locked until the transaction ends.

        Raises NotFound when `rows` does not hold it, PreconditionFailed when it is not at `expected_version`.
        """
        row = rows.select_for_update(of=("self",)).filter(pk=pk).first()
        if row is None:
            raise not_found(cls, pk)  # type: ignore[arg-type]
        check_version(expected_version, row.version)
        return row

    def apply(self, changes: dict[str, Any]) -> Self:
        """Write `changes` as the next version; nothing is written when nothing differs. The row must be locked."""
        changed = {name: value for name, value in changes.items() if getattr(self, name) != value}
        if not changed:
            return self
        for name, value in changed.items():
            setattr(self, name, value)
        self.version += 1
        self.save(update_fields=[*changed, "version"])
        return self


@walled("organization_id")
class IdempotencyRecord(Identified):
    """The stored answer to one POST, found again by the credential and the key that came with it."""

    id_prefix = "idk"

    credential_id = models.UUIDField()
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    organization_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["credential_id", "key"], name="core_idempotency_credential_key")
        ]
        indexes = [models.Index(fields=["created_at"], name="core_idempotency_created")]

    def __str__(self) -> str:
        return self.key


@unwalled("allauth's working memory; an entry is found by its key only, and no view lists them")
class CacheEntry(models.Model):
    """One entry of the tenant's cache (see apps.core.cache)."""

    key = models.CharField(max_length=250, primary_key=True)
    value = models.TextField()
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.key

    @classmethod
    def forget_ended(cls) -> int:
        """Delete what nobody can read any more, in the tenant that stands; returns how many."""
        return cls.ended().delete()[0]

    @classmethod
    def ended(cls) -> "models.QuerySet[CacheEntry]":
        """What nobody can read any more, in the tenant that stands."""
        return cls._default_manager.filter(expires_at__lte=clock.now())
