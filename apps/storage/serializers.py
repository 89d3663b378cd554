"""What goes in and out about buckets and files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from apps.core.parameters import ListParameters, Parameters
from apps.core.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    DictField,
    IdField,
    IntegerField,
    JSONField,
    ListField,
    Output,
    SlugField,
    StrictSerializer,
    TimestampField,
)
from apps.storage.fields import ContentTypeField, FileNameField, MetadataField, Sha256Field, TagsField
from apps.storage.models import FileStatus, Scan, VersionStatus, Visibility
from apps.storage.presets import PresetsField

#: The largest object that S3 takes.
LARGEST = 5 * 2**40
LONGEST_LINK = 24 * 3600
_SIZE = "How many bytes it has, exactly."
_SHA256 = "SHA-256 of the whole content in hexadecimal; another one is refused when it is complete."
_TYPE = "What it is. The bytes are held against it; application/octet-stream lets them speak for themselves."
_MULTIPART = "Upload in parts; without a word, above 64 MiB."
_TAGS = "Up to 20 short texts by name."
_METADATA = (
    "An object of your own, up to 4 KiB as JSON and five levels deep; whoever reads about the file sees it."
)
_PRESETS = "Derivatives of images that may be asked for, by name."
_DISPOSITION = "inline shows it in a browser where that is safe."


class BucketInput(StrictSerializer):
    """A new bucket."""

    name = SlugField(help_text="Unique in the tenant; it stays.")
    visibility = ChoiceField(
        choices=Visibility.choices,
        default=Visibility.ORGANIZATION.value,
        help_text="Who reads the files: their owner, their organization, or everybody.",
    )
    max_size = IntegerField(min_value=1, max_value=LARGEST, default=None, allow_null=True)
    content_types = ListField(
        child=ContentTypeField(patterns=True), default=list, help_text="Empty: any type."
    )
    retention_days = IntegerField(
        min_value=1, max_value=36_500, default=None, allow_null=True, help_text="Files are deleted after it."
    )
    quota_bytes = IntegerField(
        min_value=0, default=None, allow_null=True, help_text="What each organization may store here."
    )
    versions_kept = IntegerField(min_value=1, max_value=1000, default=10, help_text="Of each file.")
    presets = PresetsField(default=dict, help_text=_PRESETS)


class BucketPatch(StrictSerializer):
    """What may be changed about a bucket. Files that are there stay, whatever the new rules are."""

    visibility = ChoiceField(choices=Visibility.choices)
    max_size = IntegerField(min_value=1, max_value=LARGEST, allow_null=True)
    content_types = ListField(child=ContentTypeField(patterns=True))
    retention_days = IntegerField(min_value=1, max_value=36_500, allow_null=True)
    quota_bytes = IntegerField(min_value=0, allow_null=True)
    versions_kept = IntegerField(min_value=1, max_value=1000)
    presets = PresetsField(help_text=f"{_PRESETS} They replace those that there are.")


class BucketOutput(Output):
    """A bucket and its rules."""

    id = CharField(source="public_id")
    name = CharField()
    visibility = ChoiceField(choices=Visibility.choices)
    max_size = IntegerField(allow_null=True)
    content_types = ListField(child=CharField())
    retention_days = IntegerField(allow_null=True)
    quota_bytes = IntegerField(allow_null=True)
    versions_kept = IntegerField()
    presets = DictField(child=JSONField())
    version = IntegerField()
    created_at = TimestampField()


class EmptiedOutput(BucketOutput):
    """A bucket of which files were purged."""

    purged = IntegerField(help_text="Files that this call purged.")
    left = IntegerField(help_text="Files that are still there; 0 when the bucket is empty.")


class UsageOutput(Output):
    """What an organization stores in a bucket; `organization` is null for the tenant itself."""

    bucket = CharField(source="bucket.name")
    organization = IdField("org", source="organization_id", allow_null=True)
    bytes = IntegerField()
    files = IntegerField()
    reserved_bytes = IntegerField(
        help_text="Announced by uploads that are not complete; the quota bounds both."
    )
    open_uploads = IntegerField(help_text="How many those are.")
    quota_bytes = IntegerField(source="bucket.quota_bytes", allow_null=True)


class UsageParameters(ListParameters):
    """Filters of usage."""

    bucket = CharField(max_length=40, required=False, help_text="Only in this bucket, by name or id.")


class FileParameters(ListParameters):
    """Filters of files."""

    families: ClassVar[Mapping[str, str]] = {"tag": r"tag\[[\w.:-]{1,40}\]"}

    bucket = CharField(max_length=40, required=False, help_text="Only in this bucket, by name or id.")
    prefix = CharField(max_length=255, required=False, help_text="Only those whose name begins with it.")
    owner = IdField("usr", required=False, help_text="Only those of this person.")
    organization = IdField("org", required=False, help_text="Only those of this organization.")
    status = ChoiceField(
        choices=FileStatus.choices, required=False, help_text="Without it, all but deleted ones."
    )


class UploadInput(StrictSerializer):
    """Another content for a file."""

    size = IntegerField(min_value=0, max_value=LARGEST, help_text=_SIZE)
    content_type = ContentTypeField(default="application/octet-stream", help_text=_TYPE)
    sha256 = Sha256Field(default="", allow_blank=True, help_text=_SHA256)
    multipart = BooleanField(default=None, allow_null=True, help_text=_MULTIPART)


class FileInput(UploadInput):
    """A new file."""

    bucket = CharField(max_length=40, help_text="The bucket's name, or its id.")
    name = FileNameField(help_text="Its name without a path.")
    tags = TagsField(default=dict, help_text=_TAGS)
    metadata = MetadataField(default=dict, help_text=_METADATA)
    organization = IdField(
        "org",
        default=None,
        allow_null=True,
        help_text="For a credential of the whole tenant: whose file it is; null means the tenant.",
    )
    owner = IdField(
        "usr",
        default=None,
        allow_null=True,
        help_text="Whose it is; without one, the caller's. Admins and the tenant name other members.",
    )
    expires_at = TimestampField(default=None, allow_null=True, help_text="When it is deleted by itself.")


class FilePatch(StrictSerializer):
    """What may be changed about a file; its content is changed by another version."""

    name = FileNameField()
    tags = TagsField(help_text=f"{_TAGS} They replace those that there are.")
    metadata = MetadataField(help_text=f"{_METADATA} It replaces what there is as a whole; null clears it.")
    expires_at = TimestampField(allow_null=True)


class CompleteInput(StrictSerializer):
    """Which upload is complete, and what was sent."""

    version = IntegerField(min_value=1, default=None, allow_null=True, help_text="The newest without a word.")
    sha256 = Sha256Field(default="", allow_blank=True, help_text=_SHA256)


class VersionParameters(Parameters):
    """Which upload is meant."""

    version = IntegerField(min_value=1, required=False, help_text="The newest without a word.")


class DownloadParameters(Parameters):
    """How a file is handed out."""

    version = IntegerField(min_value=1, required=False, help_text="The current one without a word.")
    disposition = ChoiceField(choices=["attachment", "inline"], default="attachment", help_text=_DISPOSITION)


class LinkSeconds(Parameters):
    """For how long a link is good."""

    seconds = IntegerField(
        min_value=1,
        max_value=LONGEST_LINK,
        default=3600,
        help_text="How long it is good for. It ends earlier when the file is purged, and not when it is deleted.",
    )


class LinkParameters(DownloadParameters, LinkSeconds):
    """How, and for how long, a file is handed out to whoever holds the link."""


class MultipartOutput(Output):
    """How a large file is cut. Every part has `part_size` bytes, the last one what is left."""

    part_size = IntegerField()
    parts = IntegerField()


class UploadOutput(Output):
    """The request that sends the bytes, straight to the store. In parts, each has its own: see files.part."""

    number = IntegerField(help_text="Of the version that is uploaded.")
    method = CharField()
    url = CharField()
    headers = DictField(child=CharField())
    expires_at = TimestampField(help_text="When the request is good no more. Ask for another one.")
    multipart = MultipartOutput(allow_null=True)


class FileOutput(Output):
    """A file: what is in its current version, and where it stands."""

    id = CharField(source="public_id")
    bucket = CharField(source="bucket.name")
    organization = IdField("org", source="organization_id", allow_null=True)
    owner = CharField(allow_null=True)
    name = CharField()
    tags = DictField(child=CharField())
    metadata = DictField(child=JSONField())
    status = ChoiceField(choices=FileStatus.choices)
    current_version = IntegerField(source="current", help_text="0 while it has no content.")
    waiting_version = IntegerField(
        source="waiting",
        help_text="Becomes the current one as soon as the scanner finds it clean; 0 while none waits for that.",
    )
    size = IntegerField()
    sha256 = CharField()
    content_type = CharField()
    scan = ChoiceField(choices=Scan.choices)
    expires_at = TimestampField(source="ends_at", allow_null=True)
    deleted_at = TimestampField(allow_null=True)
    purged_at = TimestampField(allow_null=True, help_text="When a deleted file is gone for good.")
    version = IntegerField()
    created_at = TimestampField()


class NewFileOutput(FileOutput):
    """A file, with the request that sends its bytes."""

    upload = UploadOutput()


class FileVersionOutput(Output):
    """One content that a file has, had, or waits for."""

    id = CharField(source="public_id")
    number = IntegerField()
    status = ChoiceField(choices=VersionStatus.choices)
    size = IntegerField()
    sha256 = CharField()
    content_type = CharField()
    scan = ChoiceField(choices=Scan.choices)
    uploaded_by = CharField()
    expires_at = TimestampField(
        source="given_up_at", allow_null=True, help_text="When the upload is given up."
    )
    created_at = TimestampField()


class PartOutput(Output):
    """A part that has arrived."""

    number = IntegerField()
    size = IntegerField()


class PartsOutput(Output):
    """The parts of an upload that have arrived; what is missing is still to be sent."""

    number = IntegerField(help_text="Of the version that is uploaded.")
    part_size = IntegerField()
    parts = IntegerField()
    arrived = PartOutput(many=True)
    missing = ListField(child=IntegerField())


class LinkOutput(Output):
    """A request that gets the bytes, for whoever holds it."""

    method = CharField()
    url = CharField()
    headers = DictField(child=CharField())
    expires_at = TimestampField()


class DerivativeParameters(Parameters):
    """Of which content it is made."""

    version = IntegerField(min_value=1, required=False, help_text="The current one without a word.")


class DerivativeLinkParameters(DerivativeParameters, LinkSeconds):
    """Of which content, and for how long it is handed out to whoever holds the link."""


class DerivativeOutput(Output):
    """What a preset made of a version of the file; with `problem`, why it made nothing."""

    id = CharField(source="public_id")
    preset = CharField()
    file_version = IntegerField(source="version.number")
    content_type = CharField()
    size = IntegerField()
    width = IntegerField(help_text="Pixels.")
    height = IntegerField(help_text="Pixels.")
    problem = CharField(
        source="refusal", help_text="Code of the problem with which it is refused; empty for none."
    )
    created_at = TimestampField()


class LifecycleOutput(Output):
    """What was done about files whose time had come."""

    expired = IntegerField(help_text="Deleted, because their time was over.")
    abandoned = IntegerField(help_text="Uploads that were given up.")
    purged = IntegerField(help_text="Deleted files that were purged.")
    cleared = IntegerField(help_text="Versions whose bytes were deleted.")
    scanned = IntegerField(help_text="Versions of which the scanner said at last whether they are clean.")


class ReconcileOutput(Output):
    """A count that did not agree with what is stored, and was corrected. It should never happen."""

    bucket = CharField()
    organization = IdField("org", allow_null=True)
    bytes = IntegerField(source="now.bytes")
    files = IntegerField(source="now.files")
    reserved_bytes = IntegerField(source="now.reserved_bytes")
    open_uploads = IntegerField(source="now.open_uploads")
    bytes_before = IntegerField(source="before.bytes")
    files_before = IntegerField(source="before.files")
    reserved_bytes_before = IntegerField(source="before.reserved_bytes")
    open_uploads_before = IntegerField(source="before.open_uploads")


class ReconciledOutput(Output):
    """The corrected counts; one page."""

    data = ReconcileOutput(many=True)  # type: ignore[assignment]
    next_cursor = CharField(allow_null=True)
