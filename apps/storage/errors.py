"""What is refused about buckets and files."""

from apps.core.problems import (
    Conflict,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    ServiceUnavailable,
    ValidationFailed,
)


class BucketNameTaken(Conflict):
    """The tenant has a bucket of that name already."""

    code, title = "bucket_name_taken", "There is a bucket of that name already"
    advice = "Choose another name, or use the bucket that is there."


class BucketNotEmpty(Conflict):
    """There are files in the bucket, deleted ones that can be restored included."""

    code, title = "bucket_not_empty", "There are files in the bucket"
    advice = "Empty it first: POST /v1/buckets/{bucket}/empty, again while `left` is not 0."


class FileTooLarge(PayloadTooLarge):
    """The file is larger than its bucket takes."""

    code, title = "file_too_large", "The file is too large"
    advice = "Send a smaller one, or raise `max_size` of the bucket."


class ContentTypeRefused(ValidationFailed):
    """The bucket takes files of other content types only."""

    code, title = "content_type_refused", "The bucket takes no files of that type"
    advice = "`content_types` of the bucket says which it takes."


class ContentTypeMismatch(ValidationFailed):
    """The bytes are of another type than was said. Browsers go by the bytes: nothing is kept under a wrong name."""

    code, title = "content_type_mismatch", "The content is of another type than was said"
    advice = "Announce the file with the type that it has, in a new call."


class SizeMismatch(Conflict):
    """As many bytes arrived as were not announced."""

    code, title = "size_mismatch", "Another number of bytes arrived"
    advice = "Open another upload with POST /v1/files/{id}/versions and its right size."


class ChecksumMismatch(Conflict):
    """The SHA-256 of what arrived is another than was said."""

    code, title = "checksum_mismatch", "Other bytes arrived"
    advice = "Open another upload with POST /v1/files/{id}/versions, and send the file again."


class UploadMissing(Conflict):
    """Nothing, or not all of it, has been uploaded yet."""

    code, title = "upload_missing", "The upload is not finished"
    advice = "Send the bytes with the request in `upload`; GET /v1/files/{id}/parts says what arrived."


class NoOpenUpload(Conflict):
    """The file waits for no upload, or for none in parts."""

    code, title = "no_open_upload", "There is no such upload"
    advice = "Open one with POST /v1/files/{id}/versions."


class UploadExpired(Conflict):
    """The upload was not finished in time and has been given up."""

    code, title = "upload_expired", "The upload was given up"
    advice = "Open another one with POST /v1/files/{id}/versions."


class PartUnknown(NotFound):
    """The upload has fewer parts."""

    code, title = "part_unknown", "There is no such part"
    advice = "Parts are numbered from 1; `parts` of the upload says how many there are."


class VersionUnknown(NotFound):
    """The file has no such version, or its bytes are gone."""

    code, title = "file_version_unknown", "There is no such version"
    advice = "List them with GET /v1/files/{id}/versions."


class QuotaExceeded(RateLimited):
    """The organization stores as much in the bucket as it may. Deleted files count until they are purged.

    Uploads that were announced and are not complete count too, for a day at most.
    """

    code, title, retryable = "storage_quota_exceeded", "The quota of the bucket is used up", False
    advice = "Purge files that nobody needs, or raise `quota_bytes` of the bucket."


class TooManyUploads(RateLimited):
    """As many uploads are open, of the file or of the organization in the bucket, as may be at a time."""

    code, title, retryable = "too_many_open_uploads", "Too many uploads are open", False
    advice = (
        "Complete some of them, or give some up with DELETE /v1/files/{id}/upload; those that nobody completes are"
        " given up a day after they began."
    )


class UploadBusy(Conflict):
    """Another call completes the same upload at this moment, and reads its bytes."""

    code, title, retryable = "upload_being_completed", "The upload is being completed", True
    advice = "Send the same call again after the seconds in Retry-After; it answers the file as it is then."


class CompletingBusy(ServiceUnavailable):
    """As many uploads are being completed as this server reads at a time."""

    code, title = "completing_busy", "Too many uploads are being completed at this moment"
    advice = "Nothing is lost. Send the same call again after the seconds in Retry-After."


class NotReady(Conflict):
    """The file has no content yet: its upload is not complete."""

    code, title = "file_not_ready", "The file has no content yet"
    advice = "Upload it, and POST /v1/files/{id}/complete."


class ScanPending(Conflict):
    """The scanner has not looked at the file yet; until it did, nobody gets it."""

    code, title, retryable = "scan_pending", "The file is being scanned", True
    advice = "Try again after the seconds in Retry-After."


class Quarantined(Conflict):
    """The scanner found something in the file. Nobody gets it."""

    code, title = "file_quarantined", "The file is in quarantine"
    advice = "Delete it, or make an earlier version the current one."


class RetentionOver(Conflict):
    """The bucket keeps files for a number of days, and those of the file are over."""

    code, title = "retention_over", "The bucket keeps the file no longer"
    advice = "Raise `retention_days` of the bucket, or give the file a later `expires_at`."


class ScannerUnreachable(ServiceUnavailable):
    """The scanner did not answer."""

    code, title = "scanner_unreachable", "The scanner does not answer"


class PresetUnknown(NotFound):
    """The bucket has no preset of that name; `presets` lists those that it has."""

    code, title = "preset_unknown", "The bucket has no such preset"
    advice = "Use one of `presets`, or declare it with PATCH /v1/buckets/{bucket}."


class NotAnImage(ValidationFailed):
    """The file is no image of a kind that derivatives are made of: JPEG, PNG, WebP, GIF, AVIF and BMP. SVG is none."""

    code, title = "not_an_image", "Derivatives are made of images only"
    advice = "Upload it as JPEG, PNG, WebP, GIF, AVIF or BMP."


class ImageTooLarge(ValidationFailed):
    """The image has more than 50 million pixels, by its own header, or more than 256 MB. It was not decoded."""

    code, title = "image_too_large", "The image is too large"
    advice = "Upload a smaller one as another version."


class ImageDamaged(ValidationFailed):
    """The image ends too early, or holds what makes no image."""

    code, title = "image_damaged", "The image is damaged"
    advice = "Upload a whole one as another version."


class ImageTooCostly(ValidationFailed):
    """The image takes more time (20 seconds) or memory (1 GB) than one may. Such images are made to do harm."""

    code, title = "image_too_costly", "The image takes too much"
    advice = "Save it anew with another program, and upload it as another version."


class ImagesBusy(ServiceUnavailable):
    """As many images are being made as this server makes at a time, or it had no time or memory for this one."""

    code, title = "images_busy", "Too many images are being made at this moment"
    advice = "Send the same call again after the seconds in Retry-After."
