"""Sealing for the tenant that stands: each has a data key of its own, wrapped by the master key.

A sealed text opens only in the tenant, and under the name, for which it was sealed. Keys are numbered, and a text says
the number of its key, so that a tenant's key can be changed while old texts still open.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import sealing
from apps.core.sealing import SealError
from apps.tenancy.master_key import master_key
from apps.tenancy.models import DataKey
from apps.tenancy.walls import current_schema, outside, registry

FIRST_VERSION = 1


class DataKeyMissing(SealError):  # noqa: N818 - said as a sentence
    """The text was sealed under a key that this tenant does not have."""


def seal(name: str, text: str) -> str:
    """`text` sealed for the tenant that stands, under `name`; makes the tenant's key when it is the first time.

    Raises MasterKeyMissing, and RuntimeError outside of a tenant.
    """
    tenant = _standing()
    row = _newest(tenant) or _first(tenant)
    return sealing.seal_text(bare_key(row, tenant), text, version=row.version, bound_to=_bound(tenant, name))


def open_sealed(name: str, sealed: str) -> str:
    """The text that was sealed under `name` for the tenant that stands.

    Raises SealMalformed, SealBroken (it is another tenant's, another name's, or was changed), DataKeyMissing and
    MasterKeyMissing, all of them SealError; RuntimeError outside of a tenant.
    """
    tenant, version = _standing(), sealing.version_of(sealed)
    with outside():
        row = DataKey.objects.filter(tenant_id=tenant, version=version).first()
    if row is None:
        raise DataKeyMissing(f"This tenant has no key with the number {version}.")
    return sealing.open_text(bare_key(row, tenant), sealed, bound_to=_bound(tenant, name))


def fingerprint(name: str, text: str) -> str:
    """16 hexadecimal digits that are the same for the same text under the same name in the same tenant.

    They may be shown: without the tenant's key nobody can try out which text they stand for.
    """
    tenant = _standing()
    row = _newest(tenant) or _first(tenant)
    return sealing.keyed_fingerprint(bare_key(row, tenant), text, bound_to=_bound(tenant, name))


def bare_key(row: DataKey, tenant: UUID) -> bytes:
    """The data key in `row`, to be wrapped by another key at once. Raises MasterKeyMissing and SealBroken."""
    return sealing.decrypt(master_key(), bytes(row.wrapped), _wrapping(tenant, row.version))


def data_key(tenant: UUID, version: int, key: bytes) -> DataKey:
    """The row of a data key, not saved yet. Raises MasterKeyMissing."""
    wrapped = sealing.encrypt(master_key(), key, _wrapping(tenant, version))
    return DataKey(tenant_id=tenant, version=version, wrapped=wrapped)


def _standing() -> UUID:
    """The id of the tenant that stands."""
    tenant: Any = connection.tenant  # type: ignore[attr-defined]
    if not current_schema():
        raise RuntimeError("Sealing needs a tenant to stand in.")
    return UUID(str(tenant.id))


def _bound(tenant: UUID, name: str) -> str:
    return f"{tenant}|{name}"


def _wrapping(tenant: UUID, version: int) -> str:
    return f"packmule data key|{version}|{tenant}"


def _newest(tenant: UUID) -> DataKey | None:
    with outside():
        return DataKey.objects.filter(tenant_id=tenant).order_by("-version").first()


def _first(tenant: UUID) -> DataKey:
    """The tenant's first key. When two calls make one at once the first that commits is it, for both."""
    made = data_key(tenant, FIRST_VERSION, sealing.new_key())
    with registry():
        DataKey.objects.bulk_create([made], ignore_conflicts=True)
        return DataKey.objects.get(tenant_id=tenant, version=FIRST_VERSION)
