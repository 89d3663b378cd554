"""A tenant's data keys on the way: wrapped by a key of the operator's instead of the installation's master key."""

from __future__ import annotations

import binascii
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import UUID

from apps.core.commands import BadUsage
from apps.core.problems import show
from apps.core.sealing import KEY_BYTES, SealBroken, decrypt, encrypt
from apps.tenancy.models import DataKey
from apps.tenancy.sealing import bare_key, data_key
from apps.tenancy.transfer.errors import ArchiveInvalid, DataKeysLocked


def read_key(path: Path) -> bytes:
    """The key in a file: 32 random bytes in base64. Raises BadUsage."""
    try:
        key = b64decode(path.read_text().strip(), validate=True)
    except OSError as failure:
        raise BadUsage(f"{show(str(path))} cannot be read ({os.strerror(failure.errno or 0)}).") from None
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise BadUsage(
            f"{show(str(path))} holds no key: 32 random bytes in base64. Make one: openssl rand -base64 32"
        )
    return key


def locked(rows: Iterable[DataKey], tenant: UUID, key: bytes) -> dict[str, str]:
    """The data keys by their numbers, each wrapped by `key` and bound to the tenant and its number."""
    return {
        str(row.version): b64encode(encrypt(key, bare_key(row, tenant), _bound(tenant, row.version))).decode()
        for row in rows
    }


def unlocked(carried: Mapping[str, str], tenant: UUID, key: bytes) -> list[DataKey]:
    """The rows of those data keys here, wrapped by this installation's master key. Raises DataKeysLocked."""
    return [
        data_key(tenant, _number(name), _opened(text, tenant, _number(name), key))
        for name, text in carried.items()
    ]


def _opened(text: str, tenant: UUID, version: int, key: bytes) -> bytes:
    try:
        return decrypt(key, b64decode(text, validate=True), _bound(tenant, version))
    except (SealBroken, ValueError):
        raise DataKeysLocked(
            f"The key does not open the tenant's data keys. {DataKeysLocked.advice}"
        ) from None


def _number(name: str) -> int:
    if not (name.isascii() and name.isdigit() and 1 <= int(name[:9]) == int(name)):
        raise ArchiveInvalid(f"{show(name)} is no number of a data key.")
    return int(name)


def _bound(tenant: UUID, version: int) -> str:
    return f"packmule carried data key|{version}|{tenant}"
