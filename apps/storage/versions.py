"""Operations on the versions of a file."""

from __future__ import annotations

from uuid import UUID

from apps.core.actor import Actor
from apps.core.operations import Risk, operation
from apps.storage import serializers as forms
from apps.storage.completing import show, tidy_versions
from apps.storage.finding import find_file, find_version, require_open
from apps.storage.models import File, FileVersion
from apps.storage.querysets import FileVersionQuerySet


@operation("files.versions", scope="files:read", risk=Risk.READ, output=forms.FileVersionOutput, lists=True)
def list_versions(actor: Actor, *, file_id: UUID) -> FileVersionQuerySet:
    """List the versions of a file, the newest first, with uploads that are still open."""
    return FileVersion.objects.filter(file=find_file(actor, file_id))


@operation(
    "files.restore-version",
    scope="files:write",
    risk=Risk.WRITE,
    output=forms.FileOutput,
    versioned=True,
)
def restore_version(actor: Actor, *, file_id: UUID, number: int, expected_version: int | None = None) -> File:
    """Make an earlier version the current one. The one that was current stays as a version.

    A newer one that waits for the scanner still becomes the current one when it is found clean.
    """
    files = File.objects.visible_to(actor).alive().select_related("bucket")
    file = File.locked(files, file_id, expected_version)
    version = find_version(file, number)
    require_open(version)
    show(file, version)
    tidy_versions(file)
    return file
