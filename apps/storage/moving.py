"""The bytes of a tenant that moves: which its rows name, and the store from which and into which they go."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, cast

from django.db.models.functions import Collate

from apps.storage import beginning, stores
from apps.storage.models import FileVersion, VersionStatus
from apps.storage.stores import keys
from apps.storage.stores.errors import BlobMissing
from apps.tenancy.transfer import contents
from apps.tenancy.transfer.contents import Blob, Readable


class StoredBlobs:
    """See apps.tenancy.transfer.contents.Blobs for what its methods promise."""

    def begin(self) -> None:
        """Make the folder of an installation without any file. Raises StoreFull and StoreUnreachable."""
        beginning.begin()

    def is_of(self, key: str, schema: str) -> bool:
        """By the word with which it begins."""
        try:
            return keys.check(key).startswith(f"{schema}/")
        except ValueError:
            return False

    def named(self, alias: str) -> Iterator[Blob]:
        """Those of all versions of all files."""
        rows = FileVersion.objects.using(alias).order_by(Collate("blob", "C"))
        for blob, size, sha256, status in rows.values_list("blob", "size", "sha256", "status").iterator():
            yield Blob(blob, size, sha256, is_there=status != VersionStatus.PENDING)

    def read(self, key: str) -> Iterator[bytes] | None:
        """The bytes, as the store hands them out."""
        chunks = stores.store().read(key)
        try:
            first = next(chunks, b"")
        except BlobMissing:
            return None
        return chain([first], chunks)

    def put(self, key: str, content: Readable) -> None:
        """Write into the store. Raises BlobExists, StoreFull and StoreUnreachable."""
        stores.store().put(key, cast(BinaryIO, content))

    def delete(self, key: str) -> None:
        """Delete from the store."""
        stores.store().delete([key])


def register() -> None:
    """Register where bytes are, and which of them stay behind with their rows."""
    contents.leave_out(
        "storage.condemned", "bytes that are only to be deleted, which are left in the old store"
    )
    contents.leave_out(
        "storage.derivative", "images made of others, which are made again when they are asked for"
    )
    contents.register_blobs(StoredBlobs())
