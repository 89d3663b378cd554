"""Holding an archive against its manifest, and its manifest against the code, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from apps.core.problems import show
from apps.tenancy.models import ENVIRONMENT
from apps.tenancy.schema import fingerprint
from apps.tenancy.transfer import blobs, contents, folder, manifest
from apps.tenancy.transfer.contents import Table
from apps.tenancy.transfer.copying import Measure
from apps.tenancy.transfer.errors import ArchiveInvalid, ArchiveOfOtherCode
from apps.tenancy.transfer.manifest import Manifest, Part
from apps.tenancy.transfer.writing import part_of

#: What ends the rows of a COPY where it stands alone on a line. No row is written so.
_END = b"\\.\n"


def checked(root: Path, sha256: str | None = None) -> Manifest:
    """The manifest of the archive at `root`, all parts of which are as it says and belong to this code.

    With `sha256` it has to be the very archive that an export named so. Reads every byte, in little memory.
    Raises ArchiveInvalid and ArchiveOfOtherCode.
    """
    found = manifest.read(root)
    if sha256 not in (None, found.root):
        raise ArchiveInvalid(f"This is another archive: its SHA-256 is {found.root}.")
    _require_this_code(found)
    tables = contents.tables(ENVIRONMENT)
    registry = {name: table for name, (table, _) in contents.registry_tables().items()}
    names = {folder.MANIFEST, folder.TABLES, folder.REGISTRY, folder.BLOBS, folder.BLOB_LIST}
    folder.require_only(root, names)
    _check_tables(root, folder.TABLES, tables, found.tables)
    _check_tables(root, folder.REGISTRY, registry, found.registry)
    blobs.check(root, found, contents.blobs())
    return found


def _require_this_code(found: Manifest) -> None:
    if found.kind != ENVIRONMENT:
        raise ArchiveInvalid(f"It is of the kind {show(found.kind)}; environments alone are imported.")
    if found.fingerprint != fingerprint(ENVIRONMENT):
        raise ArchiveOfOtherCode(f"It has the tables of another version. {ArchiveOfOtherCode.advice}")


def _check_tables(root: Path, where: str, tables: Mapping[str, Table], parts: Mapping[str, Part]) -> None:
    if different := sorted(tables.keys() ^ parts.keys()):
        raise ArchiveInvalid(f"The table {show(different[0])} is missing, or is none of a tenant's.")
    folder.require_only(root, set(tables), where)
    for name, table in tables.items():
        if parts[name].columns != list(table.columns):
            raise ArchiveInvalid(f"The table {name} has other columns: {show(parts[name].columns, 200)}.")
        _check_rows(root, where, table, parts[name])


def _check_rows(root: Path, where: str, table: Table, part: Part) -> None:
    shown = f"{where}/{table.name}"
    with folder.opened(root, where, table.name) as file:
        if folder.size_of(file) != part.bytes:
            raise ArchiveInvalid(f"{shown} has not {part.bytes} bytes. {ArchiveInvalid.advice}")
        found = Measure()
        for line in found.of(folder.lines_of(file, shown)):
            if line == _END:
                raise ArchiveInvalid(f"{shown} ends before its end.")
    if part_of(table, found) != part:
        raise ArchiveInvalid(f"{shown} is not what the manifest says. {ArchiveInvalid.advice}")
