"""Keys of blobs: words between slashes, of which the first names the tenant, as in `t_01k…/bkt_01k…/file_01k…/1`."""

from __future__ import annotations

import re
from uuid import UUID

from apps.core.actor import TenantRef
from apps.core.ids import decode

#: No word begins with a dot: `..` is none, and neither are the folders that the local store keeps for itself.
_KEY = re.compile(r"t_[a-z0-9]{26}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){1,8}")
MAX_LENGTH = 500


def make(tenant: TenantRef, *words: str) -> str:
    """The key of the blob that `words` name in `tenant`. Raises ValueError for words that no key takes."""
    return check("/".join([tenant.schema_name, *words]))


def check(key: str) -> str:
    """`key`, when it is one. Raises ValueError."""
    if len(key) > MAX_LENGTH or not _KEY.fullmatch(key):
        raise ValueError(f"no key of a blob: {key[:MAX_LENGTH]!r}")
    return key


def tenant_of(key: str) -> UUID:
    """The id of the tenant whose blob `key` is. Raises ValueError for what is no key."""
    return decode(check(key).partition("/")[0], "t")
