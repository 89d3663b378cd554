"""The contents of a tenant that moves go through either store alike."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Any

import pytest

from apps.core.ids import encode, uuid7
from apps.storage.moving import StoredBlobs
from apps.storage.stores.errors import BlobExists
from apps.storage.stores.local import LocalStore
from apps.tenancy.transfer.blobs import Summed

#: More than S3 takes in one piece.
CONTENT = bytes(range(256)) * 4 * 1024 * 12


@pytest.fixture(params=["disk", pytest.param("s3", marks=pytest.mark.slow)])
def stored(request: pytest.FixtureRequest, settings: Any, tmp_path: Any) -> StoredBlobs:
    """Contents in the one store, and in the other."""
    if request.param == "s3":
        for name, value in request.getfixturevalue("s3_server").settings().items():
            setattr(settings, name, value)
    else:
        settings.PACKMULE_S3_BUCKET, settings.PACKMULE_STORAGE_DIR = "", tmp_path / "files"
        LocalStore(settings.PACKMULE_STORAGE_DIR).begin()
    return StoredBlobs()


@pytest.fixture
def schema() -> str:
    """The schema of a tenant that is nowhere else."""
    return encode("t", uuid7())


def test_contents_come_back_as_they_were_put(stored: StoredBlobs, schema: str) -> None:
    key, source = f"{schema}/photo/1", Summed(BytesIO(CONTENT))
    assert stored.read(key) is None

    stored.put(key, source)

    assert source.sum.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert b"".join(stored.read(key) or ()) == CONTENT
    with pytest.raises(BlobExists):
        stored.put(key, Summed(BytesIO(b"other")))
    stored.delete(key)
    assert stored.read(key) is None


def test_contents_without_bytes_are_contents(stored: StoredBlobs, schema: str) -> None:
    stored.put(f"{schema}/empty", Summed(BytesIO()))

    assert b"".join(stored.read(f"{schema}/empty") or (b"none",)) == b""


@pytest.mark.parametrize(
    "key", ["", "{own}", "{own}/", "{own}/../x", "{own}/.x", "{own}x/y", "../{own}/x", "{own}/a\0"]
)
def test_keys_are_one_tenants_alone(schema: str, key: str) -> None:
    assert not StoredBlobs().is_of(key.format(own=schema), schema)
    assert not StoredBlobs().is_of(f"{encode('t', uuid7())}/x", schema)
    assert StoredBlobs().is_of(f"{schema}/x", schema)
