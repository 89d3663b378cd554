"""Why bytes could not be stored or handed out."""

from __future__ import annotations

from apps.core.problems import Conflict, Forbidden, MalformedRequest, NotFound, Problem, ServiceUnavailable

_NEW_URL = "Ask for a new URL where you got this one; what it is about is unchanged."


class StoreUnreachable(ServiceUnavailable):
    """The store of the bytes does not answer, answers with an error of its own, or asks to slow down."""

    code, title = "store_unreachable", "The store of the files does not answer"
    advice = "Nothing is lost. Send the same call again after the seconds in Retry-After."


class StoreOverwrites(ServiceUnavailable):
    """The S3 writes over what is there, so that bytes could be swapped after they were checked. It is not used."""

    code, title, retryable = "store_overwrites", "The S3 does not know conditional writes", False
    advice = "Use one that answers 412 to a PUT with `If-None-Match: *` where something lies, or PACKMULE_STORAGE_DIR."


class NoAddress(ServiceUnavailable):
    """Files lie on this machine, and nothing says where the server answers that takes and hands out their bytes."""

    code, title, retryable = "no_address", "Nobody serves the files here", False
    advice = (
        "Start `manage.py up` on it, or where another server runs, set PACKMULE_PUBLIC_URL to its address."
    )


class StoreBusy(ServiceUnavailable):
    """As many transfers run as this server makes at a time, or as it makes for one tenant."""

    code, title = "store_busy", "Too many transfers run at this moment"
    advice = "Send the same call again after the seconds in Retry-After."


class StoreFull(Problem):
    """The disk that holds the bytes has no room for them. Nothing of the upload was kept."""

    status, code, title, retryable = 507, "store_full", "There is no room for these bytes", True
    advice = "Tell the operator; the same URL works as soon as there is room, until it expires."


class StoreNearlyFull(ServiceUnavailable):
    """The disk that holds the bytes has no room for them beside its reserve. Nothing was begun."""

    code, title = "store_nearly_full", "There is no room for these bytes"
    advice = "Tell the operator; the same call works as soon as there is room. PACKMULE_STORAGE_RESERVE is kept free."


class BlobMissing(NotFound):
    """The bytes are not there: they were never uploaded, or were deleted since."""

    code, title = "blob_missing", "The bytes are not there"
    advice = "Read the file again: it says whether its upload was completed, and whether it was deleted."


class BlobExists(Conflict):
    """The bytes are there already: what was uploaded once is never replaced."""

    code, title = "blob_exists", "This was uploaded already"
    advice = "Complete the upload; for other bytes begin a new version of the file."


class UploadGone(NotFound):
    """The multipart upload was put together already, or aborted, or was never begun."""

    code, title = "upload_gone", "There is no such multipart upload any more"
    advice = "Read the file: where it is not complete, begin the upload again."


class PartsDiffer(Conflict):
    """The parts to put together are not the parts that have arrived."""

    code, title = "parts_differ", "Those are not the parts that have arrived"
    advice = "List the parts, upload what is missing, and complete the upload again."


class SignedUrlInvalid(Forbidden):
    """The signed URL is none of this installation, was altered, or is for another method."""

    code, title = "signed_url_invalid", "This signed URL is not good"
    advice = f"Use it exactly as it came. {_NEW_URL}"


class SignedUrlExpired(Forbidden):
    """The time of the signed URL is over."""

    code, title = "signed_url_expired", "This signed URL has expired"
    advice = _NEW_URL


class LengthNeeded(Problem):
    """The upload does not say how long it is."""

    status, code, title = 411, "length_needed", "Say how many bytes come"
    advice = "Send Content-Length; chunks without it are not taken."


class SizeDiffers(MalformedRequest):
    """Fewer bytes were sent than the URL was signed for."""

    code, title = "size_differs", "That is not the size that was signed"
    advice = "Send exactly the bytes that the upload was begun for, or begin another one. Nothing was kept."


class UploadInterrupted(MalformedRequest):
    """The connection ended before all bytes had come. Nothing was kept."""

    code, title, retryable = "upload_interrupted", "The upload broke off", True
    advice = "Send it again to the same URL."


class ChecksumDiffers(MalformedRequest):
    """What arrived is not what Content-MD5 or Content-Digest says. Nothing was kept."""

    code, title, retryable = "checksum_differs", "What arrived is not what was announced", True
    advice = "Send it again to the same URL; when it happens twice, compute the checksum again."


class RangeRefused(Problem):
    """The range begins behind the end of the file."""

    status, code, title = 416, "range_refused", "There are no bytes in that range"
    advice = "Content-Range says how long the file is."
