"""The manifest of an archive: whose it is, what it was made from, and the size and SHA-256 of all its parts.

`root` is the SHA-256 of everything else in it, so that one value stands for the whole archive.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import orjson

from apps.core.ids import decode, encode
from apps.core.problems import MalformedRequest, show
from apps.core.strictjson import loads
from apps.tenancy.transfer import folder
from apps.tenancy.transfer.errors import ArchiveInvalid

FORMAT, VERSION = "packmule-tenant", 1
_MOST_BYTES = 2**20
_HASH = re.compile(r"[0-9a-f]{64}")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one table: how many, of which columns, in how many bytes. `sealed` ones open with a data key alone."""

    columns: list[str]
    rows: int
    bytes: int
    sha256: str
    sealed: int


@dataclass(frozen=True, slots=True)
class BlobPart:
    """The bytes that rows name: how many, their size, and the SHA-256 of the list of them."""

    count: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says of itself."""

    tenant_id: UUID
    name: str
    kind: str
    protected: bool
    events_kept_days: int
    fingerprint: str
    made_at: str
    tables: Mapping[str, Part]
    registry: Mapping[str, Part]
    blobs: BlobPart
    data_keys: Mapping[str, str] | None
    left_out: Mapping[str, str]

    @property
    def schema(self) -> str:
        """The name of the tenant's schema, with which the keys of its bytes begin."""
        return encode("t", self.tenant_id)

    @property
    def root(self) -> str:
        """What stands for the whole archive."""
        return hashlib.sha256(orjson.dumps(self._said(), option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def rows(self) -> int:
        """How many rows of the tenant it holds."""
        return sum(part.rows for part in self.tables.values())

    @property
    def sealed(self) -> dict[str, int]:
        """In how many rows of which tables something is sealed."""
        return {name: part.sealed for name, part in self.tables.items() if part.sealed}

    def document(self) -> bytes:
        """The manifest as it is kept."""
        whole = {**self._said(), "root": self.root}
        return orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"

    def _said(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "tenant": {
                "id": encode("ten", self.tenant_id),
                "name": self.name,
                "kind": self.kind,
                "protected": self.protected,
                "events_kept_days": self.events_kept_days,
            },
            "fingerprint": self.fingerprint,
            "made_at": self.made_at,
            "tables": {name: asdict(part) for name, part in self.tables.items()},
            "registry": {name: asdict(part) for name, part in self.registry.items()},
            "blobs": asdict(self.blobs),
            "data_keys": self.data_keys,
            "left_out": dict(self.left_out),
        }


def read(root: Path) -> Manifest:
    """The manifest of the archive at `root`, well-formed and agreeing with its own hash. Raises ArchiveInvalid."""
    with folder.opened(root, folder.MANIFEST) as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ArchiveInvalid(f"manifest.json has more than {_MOST_BYTES} bytes.")
    try:
        document = loads(text)
        if document.get("format") == FORMAT and document.get("version") != VERSION:
            raise ArchiveInvalid(
                f"The archive has the form {show(document.get('version'))}; {VERSION} is read here."
            )
        found = _parsed(document)
    except (MalformedRequest, TypeError, ValueError, KeyError, AttributeError) as wrong:
        raise ArchiveInvalid(f"manifest.json is not a tenant's: {show(str(wrong), 200)}.") from None
    if document["root"] != found.root:
        raise ArchiveInvalid("manifest.json was changed: its root is not the hash of what it says.")
    return found


def _parsed(document: Mapping[str, Any]) -> Manifest:
    names = {
        "format",
        "version",
        "tenant",
        "fingerprint",
        "made_at",
        "tables",
        "registry",
        "blobs",
        "data_keys",
    }
    _require_names(document, names | {"left_out", "root"})
    tenant, blobs = _mapping(document["tenant"]), _mapping(document["blobs"])
    _require_names(tenant, {"id", "name", "kind", "protected", "events_kept_days"})
    _require_names(blobs, {"count", "bytes", "sha256"})
    if document["format"] != FORMAT:
        raise ValueError(f"its format is {show(document['format'])}")
    keys = document["data_keys"]
    return Manifest(
        tenant_id=decode(_typed(tenant["id"], str), "ten"),
        name=_typed(tenant["name"], str),
        kind=_typed(tenant["kind"], str),
        protected=_typed(tenant["protected"], bool),
        events_kept_days=_count(tenant["events_kept_days"]),
        fingerprint=_typed(document["fingerprint"], str),
        made_at=_typed(document["made_at"], str),
        tables=_parts(document["tables"]),
        registry=_parts(document["registry"]),
        blobs=BlobPart(_count(blobs["count"]), _count(blobs["bytes"]), _hash(blobs["sha256"])),
        data_keys=None if keys is None else _texts(keys),
        left_out=_texts(document["left_out"]),
    )


def _parts(value: Any) -> dict[str, Part]:
    return {name: _part(_mapping(part)) for name, part in _mapping(value).items()}


def _part(value: Mapping[str, Any]) -> Part:
    _require_names(value, {"columns", "rows", "bytes", "sha256", "sealed"})
    columns = [_typed(name, str) for name in _typed(value["columns"], list)]
    rows, size, sealed = (_count(value[name]) for name in ("rows", "bytes", "sealed"))
    return Part(columns, rows, size, _hash(value["sha256"]), sealed)


def _require_names(value: Mapping[str, Any], names: set[str]) -> None:
    if different := sorted(set(value) ^ names):
        raise ValueError(f"{different[0]} is missing or unknown")


def _typed(value: Any, kind: type[T]) -> T:
    if type(value) is not kind:
        raise TypeError(f"{show(value)} is not what stands there")
    return value


def _count(value: Any) -> int:
    if _typed(value, int) < 0:
        raise ValueError(f"{value} is no number of things")
    return int(value)


def _hash(value: Any) -> str:
    if not _HASH.fullmatch(_typed(value, str)):
        raise ValueError(f"{show(value)} is no SHA-256")
    return str(value)


def _mapping(value: Any) -> dict[str, Any]:
    return _typed(value, dict)


def _texts(value: Any) -> dict[str, str]:
    return {name: _typed(text, str) for name, text in _mapping(value).items()}
