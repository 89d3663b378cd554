"""Buckets, the files in them, every version of a file, and how much lies there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.core import clock
from apps.core.actor import PrincipalKind
from apps.core.ids import Identified, encode, uuid7
from apps.core.models import Versioned
from apps.core.walls import unwalled, walled
from apps.storage.querysets import BucketQuerySet, FileQuerySet, FileVersionQuerySet, UsageQuerySet

#: For how many days a deleted file can be restored.
KEPT_AFTER_DELETION = timedelta(days=30)
_OWNER_PREFIXES = {
    PrincipalKind.USER.value: "usr",
    PrincipalKind.SERVICE_ACCOUNT.value: "svc",
    PrincipalKind.AGENT.value: "agt",
}


class Visibility(models.TextChoices):
    """Who may read the files of a bucket."""

    PRIVATE = "private", "Private"
    ORGANIZATION = "organization", "Organization"
    PUBLIC = "public", "Public"


class FileStatus(models.TextChoices):
    """Where a file stands. A purged one is no row any more."""

    PENDING = "pending", "Pending"
    READY = "ready", "Ready"
    QUARANTINED = "quarantined", "Quarantined"
    DELETED = "deleted", "Deleted"


class VersionStatus(models.TextChoices):
    """Where a version stands."""

    PENDING = "pending", "Pending"
    READY = "ready", "Ready"
    QUARANTINED = "quarantined", "Quarantined"


class Scan(models.TextChoices):
    """What a scanner said. Without one, files are not looked at: skipped."""

    PENDING = "pending", "Pending"
    CLEAN = "clean", "Clean"
    INFECTED = "infected", "Infected"
    SKIPPED = "skipped", "Skipped"


@unwalled(
    "definitions of the tenant: everybody in it may read their rules, and only who decides for the whole tenant changes"
    " them, which services.require_configurer and the columns kept here enforce",
    kept=(
        "id", "version", "name", "visibility", "max_size", "content_types", "retention_days", "quota_bytes",
        "versions_kept", "presets", "created_at",
    ),
)  # fmt: skip
class Bucket(Identified, Versioned):
    """A named place for files, with the rules that they keep."""

    id_prefix = "bkt"

    name = models.SlugField(max_length=40, db_index=False, unique=True)
    visibility = models.CharField(max_length=16, choices=Visibility, default=Visibility.ORGANIZATION)
    max_size = models.BigIntegerField(null=True, help_text="Bytes a file may have; null: as the store allows")
    content_types = models.JSONField(default=list, help_text="image/png or image/*; empty: any")
    retention_days = models.PositiveIntegerField(null=True, help_text="Days after which files are deleted")
    quota_bytes = models.BigIntegerField(null=True, help_text="Bytes that each organization may store")
    versions_kept = models.PositiveIntegerField(default=10)
    presets = models.JSONField(default=dict, help_text="Derivatives of images that may be asked for, by name")
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[BucketQuerySet] = BucketQuerySet.as_manager()  # type: ignore[assignment]
    #: On a bucket that was just emptied: how many files went, and how many are left.
    purged: int = 0
    left: int = 0

    def __str__(self) -> str:
        return self.name

    @property
    def is_public(self) -> bool:
        """True where everybody may read the files."""
        return self.visibility == Visibility.PUBLIC

    def takes(self, content_type: str) -> bool:
        """True when files of `content_type` may lie here."""
        kind = content_type.partition("/")[0]
        return not self.content_types or bool({content_type, f"{kind}/*"} & set(self.content_types))


@dataclass(frozen=True, slots=True)
class Upload:
    """The request that sends the bytes of a version, or with `multipart`, of one of its parts."""

    number: int
    method: str
    url: str
    headers: Mapping[str, str]
    expires_at: datetime
    multipart: Mapping[str, int] | None = None


@walled("organization")
class File(Identified, Versioned):
    """A named object in a bucket. What it holds is that of its current version; 0 while there is none.

    The organization is null for the tenant's own files. The owner is who made it, or the person whom they named.

    Whoever changes a file, or adds, changes or deletes versions of it, locks in this order: the bucket, where its rules
    are decided about, then files by their ids, then versions by theirs, then the count of the usage.
    """

    id_prefix = "file"

    bucket = models.ForeignKey(Bucket, on_delete=models.PROTECT, related_name="files", db_index=False)
    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.PROTECT, related_name="+"
    )
    owner_kind = models.CharField(max_length=20, blank=True)
    owner_id = models.UUIDField(null=True)
    name = models.CharField(max_length=255)
    tags = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict)
    status = models.CharField(max_length=16, choices=FileStatus, default=FileStatus.PENDING)
    current = models.PositiveIntegerField(default=0)
    waiting = models.PositiveIntegerField(
        default=0, help_text="The version that is to be the current one as soon as the scanner finds it clean"
    )
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    content_type = models.CharField(max_length=100)
    scan = models.CharField(max_length=16, choices=Scan, default=Scan.PENDING)
    expires_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now)

    objects: ClassVar[FileQuerySet] = FileQuerySet.as_manager()  # type: ignore[assignment]
    #: On a file for which an upload was just opened: how to send the bytes.
    upload: Upload | None = None
    #: On a file that was found because its bucket is public: what it held before is nobody's to see.
    only_current: bool = False

    class Meta:
        indexes = [
            models.Index(fields=["bucket", "created_at"], name="storage_file_in_bucket"),
            # What a bucket keeps no longer is asked for all the time, and of what is deleted there may be a month's.
            models.Index(
                fields=["bucket", "created_at"],
                condition=models.Q(deleted_at__isnull=True),
                name="storage_file_outlives",
            ),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(expires_at__isnull=False, deleted_at__isnull=True),
                name="storage_file_expires",
            ),
            models.Index(
                fields=["deleted_at"],
                condition=models.Q(deleted_at__isnull=False),
                name="storage_file_deleted",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def owner(self) -> str | None:
        """The owner's id as clients see it."""
        prefix = _OWNER_PREFIXES.get(self.owner_kind)
        return encode(prefix, self.owner_id) if prefix and self.owner_id else None

    @property
    def ends_at(self) -> datetime | None:
        """When it is deleted by itself: at its own time, or when the bucket keeps it no longer."""
        days = self.bucket.retention_days
        kept = self.created_at + timedelta(days=days) if days is not None else None
        return min((moment for moment in (self.expires_at, kept) if moment is not None), default=None)

    @property
    def purged_at(self) -> datetime | None:
        """When it is gone for good, once deleted."""
        return self.deleted_at + KEPT_AFTER_DELETION if self.deleted_at else None


@walled("organization")
class FileVersion(Identified):
    """One content of a file, under a key of the store that is used for nothing else, ever."""

    id_prefix = "ver"

    file = models.ForeignKey(File, on_delete=models.CASCADE, related_name="versions")
    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    number = models.PositiveIntegerField()
    blob = models.CharField(max_length=200)
    status = models.CharField(max_length=16, choices=VersionStatus, default=VersionStatus.PENDING)
    size = models.BigIntegerField(help_text="Announced while pending, counted afterwards")
    sha256 = models.CharField(max_length=64, blank=True)
    content_type = models.CharField(max_length=100)
    scan = models.CharField(max_length=16, choices=Scan, default=Scan.PENDING)
    upload_id = models.CharField(
        max_length=1000, blank=True, help_text="The store's name of a multipart upload"
    )
    part_size = models.BigIntegerField(null=True)
    due_at = models.DateTimeField(help_text="When the upload is given up, or the scanner is asked again")
    read_until = models.DateTimeField(null=True, help_text="For how long somebody has it to read, see turns")
    uploaded_by = models.CharField(max_length=40, blank=True, help_text="Id of who uploads")
    created_at = models.DateTimeField(default=clock.now)

    objects: ClassVar[FileVersionQuerySet] = FileVersionQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["file", "number"], name="storage_version_once"),
            # Also where rows come from elsewhere: who deletes one of two would delete the other's bytes.
            models.UniqueConstraint(fields=["blob"], name="storage_version_own_blob"),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(status="pending"),
                name="storage_version_pending",
            ),
            models.Index(
                fields=["due_at"],
                condition=models.Q(status="ready", scan="pending"),
                name="storage_version_unscanned",
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.number}"

    @property
    def is_open(self) -> bool:
        """True when its bytes may be handed out."""
        return self.status == VersionStatus.READY and self.scan != Scan.PENDING

    @property
    def given_up_at(self) -> datetime | None:
        """When the upload is given up, while it is open."""
        return self.due_at if self.status == VersionStatus.PENDING else None

    @property
    def part_count(self) -> int:
        """Of how many parts a multipart upload consists; 0 for another."""
        return -(-self.size // self.part_size) if self.part_size else 0

    def size_of_part(self, number: int) -> int:
        """The bytes of part `number` (from 1): all alike, the last one what is left."""
        whole = self.part_size or self.size
        return min(whole, self.size - (number - 1) * whole)


@walled("organization")
class Derivative(Identified):
    """The image that a preset made of a version, or with `refusal`, why it makes none. It goes with the version."""

    id_prefix = "drv"

    version = models.ForeignKey(FileVersion, on_delete=models.CASCADE, related_name="derivatives")
    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    preset = models.CharField(max_length=40)
    recipe = models.CharField(max_length=64, help_text="Fingerprint of what the preset said")
    blob = models.CharField(max_length=200, blank=True)
    content_type = models.CharField(max_length=100)
    size = models.BigIntegerField(default=0)
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    refusal = models.CharField(max_length=40, blank=True, help_text="Code of the problem")
    said = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    objects: ClassVar[models.Manager[Derivative]]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "preset"], name="storage_derivative_once")]

    def __str__(self) -> str:
        return self.preset


@walled("organization")
class Usage(models.Model):
    """What an organization stores in a bucket; null is the tenant itself. Kept in the transactions that change it.

    `reserved_bytes` is what `open_uploads`, which are not complete, announced: the quota bounds both together.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    bucket = models.ForeignKey(Bucket, on_delete=models.CASCADE, related_name="usage")
    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.CASCADE, related_name="+"
    )
    bytes = models.BigIntegerField(default=0)
    files = models.BigIntegerField(default=0)
    reserved_bytes = models.BigIntegerField(default=0)
    open_uploads = models.BigIntegerField(default=0)

    objects: ClassVar[UsageQuerySet] = UsageQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["bucket", "organization"], nulls_distinct=False, name="storage_usage_once"
            ),
            models.CheckConstraint(
                condition=models.Q(bytes__gte=0, files__gte=0), name="storage_usage_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(reserved_bytes__gte=0, open_uploads__gte=0),
                name="storage_usage_reserved_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bytes} bytes in {self.files} files"


@walled("organization")
class Condemned(models.Model):
    """Bytes that belong to nothing any more and are to be deleted from the store, which may be away at the moment.

    They are the tenant's, whose they ever were, so that no organization's actor can name bytes for deletion.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    blob = models.CharField(max_length=200)
    upload_id = models.CharField(
        max_length=1000, blank=True, help_text="Of a multipart upload that never ended"
    )
    due_at = models.DateTimeField(help_text="When nothing can arrive under the key any more")

    objects: ClassVar[models.Manager[Condemned]]

    def __str__(self) -> str:
        return self.blob
