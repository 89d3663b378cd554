"""Blobs in a bucket of any S3. The only module that knows boto3 and django-storages, imported where there is an S3.

What a client may send is in the signature: method, key, exact Content-Length, and `If-None-Match: *`, by which a blob
is written once. A server that does not know conditional writes would let the holder of a live URL write again, so that
it is tried before the first upload.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import BytesIO
from typing import Any, BinaryIO
from uuid import UUID, uuid4

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

from apps.core import clock
from apps.core.ids import encode
from apps.core.problems import Problem
from apps.storage.stores import disk, keys
from apps.storage.stores.base import Disposition, Part, SignedRequest, Stat, nobody
from apps.storage.stores.disposition import content_disposition, content_type
from apps.storage.stores.errors import (
    BlobExists,
    BlobMissing,
    PartsDiffer,
    StoreOverwrites,
    StoreUnreachable,
    UploadGone,
)

logger = logging.getLogger("packmule.storage")

_ONCE = {"IfNoneMatch": "*"}
_ONCE_HEADER = {"If-None-Match": "*"}
#: Where the server is tried. No tenant has an id of nothing.
_NOBODY = f"{encode('t', UUID(int=0))}/proof"
#: How many blobs one call deletes (a limit of S3).
_BATCH = 1000
#: From here on `put` sends parts of this size.
_PUT_BYTES = 8 * 1024 * 1024
#: A web thread waits for it, so a store that hangs is given up early; the caller may try again.
_PATIENCE = {
    "connect_timeout": 3,
    "read_timeout": 20,
    "retries": {"total_max_attempts": 2, "mode": "standard"},
}
_REFUSALS: dict[str, type[Problem]] = {
    "NoSuchKey": BlobMissing,
    "NoSuchUpload": UploadGone,
    "InvalidPart": PartsDiffer,
    "InvalidPartOrder": PartsDiffer,
    "EntityTooSmall": PartsDiffer,
    "PreconditionFailed": BlobExists,
    "ConditionalRequestConflict": BlobExists,
}
_RETRY_SECONDS = 2


class S3Store:
    """A Store in one bucket. See base.Store for what its methods promise. One may be used by several threads."""

    #: S3 joins in one call, which is tried again, and for which it may need minutes where there are many parts.
    joins_within = timedelta(minutes=10)

    def __init__(
        self, bucket: str, endpoint: str, region: str, access_key: str, secret_key: str, path_style: bool
    ) -> None:
        """`endpoint` is '' for Amazon's own; without keys boto3 looks for credentials where it always does."""
        style = {"addressing_style": "path" if path_style else "virtual"}
        # Checksums that older servers do not know are left out where S3 itself does not insist on them.
        sums = {
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        storage = S3Storage(
            bucket_name=bucket,
            endpoint_url=endpoint or None,
            region_name=region,
            access_key=access_key or None,
            secret_key=secret_key or None,
            client_config=Config(signature_version="s3v4", s3=style, **_PATIENCE, **sums),
        )
        self._bucket = bucket
        self._writes_once = False
        # One for all threads: it is made for that, and costs megabytes.
        self._client = storage.connection.meta.client

    def require_writes_once(self) -> None:
        """Write twice under a key of nobody's; what came of it is remembered where it went well."""
        if self._writes_once:
            return
        key = f"{_NOBODY}/{uuid4().hex}"
        self.put(key, BytesIO(b"first"))
        try:
            self.put(key, BytesIO(b"second"))
        except BlobExists:
            self._writes_once = True
        finally:
            self.delete([key])
        if not self._writes_once:
            raise StoreOverwrites(
                f"The S3 of the bucket {self._bucket} wrote over a blob. {StoreOverwrites.advice}"
            )

    def upload_url(self, key: str, *, size: int, seconds: int) -> SignedRequest:
        """A presigned PutObject."""
        self.require_writes_once()
        return self._signed("PUT", "put_object", key, seconds, ContentLength=size, **_ONCE)

    def start_multipart(self, key: str) -> str:
        """CreateMultipartUpload."""
        with _refusals():
            return str(self._client.create_multipart_upload(**self._at(key))["UploadId"])

    def part_url(self, key: str, upload_id: str, number: int, *, size: int, seconds: int) -> SignedRequest:
        """A presigned UploadPart."""
        return self._signed(
            "PUT", "upload_part", key, seconds, UploadId=upload_id, PartNumber=number, ContentLength=size
        )

    def parts(self, key: str, upload_id: str) -> Sequence[Part]:
        """ListParts, all pages."""
        with _refusals():
            pages = self._client.get_paginator("list_parts").paginate(**self._at(key), UploadId=upload_id)
            found = [part for page in pages for part in page.get("Parts", [])]
        return [Part(part["PartNumber"], part["Size"], part["ETag"]) for part in found]

    def finish_multipart(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[Part],
        going_on: Callable[[], None] = nobody,  # noqa: ARG002 - nothing is heard until it is done
    ) -> None:
        """CompleteMultipartUpload."""
        if not parts:
            raise PartsDiffer
        named = {"Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]}
        try:
            with _refusals():
                self._client.complete_multipart_upload(
                    **self._at(key), UploadId=upload_id, MultipartUpload=named, **_ONCE
                )
        except UploadGone:
            if self.stat(key) is not None:
                raise BlobExists from None
            raise

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """AbortMultipartUpload."""
        with suppress(UploadGone), _refusals():
            self._client.abort_multipart_upload(**self._at(key), UploadId=upload_id)

    def put(self, key: str, content: BinaryIO) -> int:
        """PutObject, or a multipart upload of our own where it is large: one part in memory at a time."""
        first = _filled(content)
        if len(first) < _PUT_BYTES:
            with _refusals():
                self._client.put_object(**self._at(key), Body=first, **_ONCE)
            return len(first)
        upload_id = self.start_multipart(key)
        try:
            parts = [self._put_part(key, upload_id, part) for part in enumerate(_pieces(first, content), 1)]
            self.finish_multipart(key, upload_id, parts)
        except BaseException:
            self.abort_multipart(key, upload_id)
            raise
        return sum(part.size for part in parts)

    def _put_part(self, key: str, upload_id: str, part: tuple[int, bytes]) -> Part:
        number, piece = part
        with _refusals():
            answer = self._client.upload_part(
                **self._at(key), UploadId=upload_id, PartNumber=number, Body=piece
            )
        return Part(number, len(piece), answer["ETag"])

    def stat(self, key: str) -> Stat | None:
        """HeadObject."""
        try:
            with _refusals():
                return Stat(self._client.head_object(**self._at(key))["ContentLength"])
        except BlobMissing:
            return None

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """GetObject with a range."""
        end = "" if length is None else str(start + length - 1)
        ranged = {"Range": f"bytes={start}-{end}"} if start or length is not None else {}
        with _refusals():
            body = self._body(key, ranged) if length != 0 else None
            if body is not None:
                with body:
                    yield from body.iter_chunks(disk.CHUNK)

    def download_url(self, key: str, shown: Disposition, *, seconds: int) -> SignedRequest:
        """A presigned GetObject that says how it is shown. There is no way to have S3 send other headers."""
        headers = {
            "ResponseContentDisposition": content_disposition(shown),
            "ResponseContentType": content_type(shown),
            "ResponseCacheControl": f"private, max-age={seconds}",
        }
        return self._signed("GET", "get_object", key, seconds, **headers)

    def delete(self, keys: Sequence[str]) -> None:
        """DeleteObjects."""
        for first in range(0, len(keys), _BATCH):
            named = [{"Key": self._at(key)["Key"]} for key in keys[first : first + _BATCH]]
            with _refusals():
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": named, "Quiet": True}
                )
            if answer.get("Errors"):
                logger.error("S3 did not delete everything: %s", answer["Errors"][:3])
                raise StoreUnreachable(retry_after=_RETRY_SECONDS)

    def tidy(self, *, older_than: timedelta) -> int:
        """Abort multipart uploads that were begun before; those of `put` too, which have no other end."""
        with _refusals():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix="t_"
            )
            begun = [upload for page in pages for upload in page.get("Uploads", [])]
        stale = [upload for upload in begun if upload["Initiated"] < clock.now() - older_than]
        for upload in stale:
            self.abort_multipart(upload["Key"], upload["UploadId"])
        return len(stale)

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": keys.check(key)}

    def _signed(
        self, method: str, operation: str, key: str, seconds: int, **parameters: Any
    ) -> SignedRequest:
        with _refusals():
            url = self._client.generate_presigned_url(
                operation, Params={**self._at(key), **parameters}, ExpiresIn=seconds
            )
        return SignedRequest(method, url, _ONCE_HEADER if "IfNoneMatch" in parameters else {})

    def _body(self, key: str, ranged: dict[str, str]) -> Any:
        """The stream of an object, or None where the range begins behind its end."""
        try:
            return self._client.get_object(**self._at(key), **ranged)["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidRange":
                raise
            return None


def _filled(content: BinaryIO) -> bytes:
    """The next _PUT_BYTES of a stream, however little it gives at a time; fewer at its end."""
    filled = bytearray()
    while chunk := content.read(_PUT_BYTES - len(filled)):
        filled += chunk
    return bytes(filled)


def _pieces(first: bytes, content: BinaryIO) -> Iterator[bytes]:
    """`first`, and what comes after it, in pieces of the same size."""
    piece = first
    while piece:
        yield piece
        piece = _filled(content)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what S3 refuses into our problems; what nobody foresaw is logged and becomes StoreUnreachable."""
    try:
        yield
    except ClientError as error:
        answered = error.response
        code, status = answered["Error"]["Code"], answered["ResponseMetadata"]["HTTPStatusCode"]
        # The answer to HEAD has no body that could say NoSuchKey.
        known = BlobMissing if code == "404" else _REFUSALS.get(code)
        if known is not None:
            raise known from error
        logger.error("S3 answered %s (%s) to %s.", code, status, error.operation_name)  # noqa: TRY400 - see below
        raise StoreUnreachable(retry_after=_RETRY_SECONDS) from error
    except (BotoCoreError, KeyError) as error:  # KeyError: what came is no answer of an S3
        logger.error("S3 does not answer: %s.", type(error).__name__)  # noqa: TRY400 - one line is enough
        raise StoreUnreachable(retry_after=_RETRY_SECONDS) from error
