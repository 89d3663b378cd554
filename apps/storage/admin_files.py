"""Files in the admin: what is in them, whose they are, and every version with a way to get it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html

from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, site
from apps.core.admin_actions import Action, act_on
from apps.core.admin_story import Fact, Need, Related, badge, code, link, list_url, relate, watch, when, words
from apps.core.problems import Problem
from apps.core.strictjson import dumps
from apps.storage import admin_derivatives, downloads, files
from apps.storage.models import Bucket, File, FileStatus, FileVersion

_TONES = {
    "ready": "good",
    "pending": "info",
    "quarantined": "bad",
    "deleted": "warn",
    "clean": "good",
    "infected": "bad",
    "skipped": "plain",
}
_MOST_SHOWN = 20
COLUMNS = ("Name", "Status", "Size", "Type", "Since")


def _status(row: File | FileVersion) -> Any:
    return badge(row.get_status_display(), _TONES[row.status])


def _scan(row: File | FileVersion) -> Any:
    return badge(row.get_scan_display(), _TONES[row.scan])


@admin.register(File, site=site)
class FileAdmin(StoryAdmin):
    """Files of the organization."""

    reads, reads_one = files.list_files, files.get_file
    headline = "Files"
    intro = "What was uploaded, deleted files that can be restored included."
    empty = "No files yet. They are uploaded with POST /v1/files."
    list_display = ("name", "bucket_shown", "status_shown", "size_shown", "content_type", "created_shown")
    search_fields = ("name",)
    list_filter = ("status", "scan")

    def rows(self, actor: Actor) -> QuerySet[File]:
        """Those that the actor sees, deleted ones too."""
        self.reads.require(actor, {})
        return File.objects.visible_to(actor).select_related("bucket", "organization")

    @admin.display(description="Bucket")
    def bucket_shown(self, row: File) -> Any:
        """Where it lies."""
        return link(row.bucket)

    @admin.display(description="Status")
    def status_shown(self, row: File) -> Any:
        """Where it stands."""
        return _status(row)

    @admin.display(description="Size")
    def size_shown(self, row: File) -> str:
        """How large it is."""
        return filesizeformat(row.size)

    @admin.display(description="Since")
    def created_shown(self, row: File) -> Any:
        """Since when."""
        return when(row.created_at)

    def state(self, row: File) -> Any:
        """Where it stands."""
        return _status(row)

    def facts(self, row: File) -> Sequence[Fact]:
        """What is in it, whose it is, and when it goes."""
        return [
            Fact("Bucket", link(row.bucket)),
            Fact("Organization", link(row.organization) if row.organization else "The tenant itself"),
            Fact("Owner", code(row.owner) if row.owner else "—"),
            Fact("Type", code(row.content_type)),
            Fact("Size", f"{row.size} bytes"),
            Fact("SHA-256", code(row.sha256) if row.sha256 else "—"),
            Fact("Scan", _scan(row)),
            Fact("Tags", words(f"{name}: {text}" for name, text in row.tags.items())),
            Fact("Metadata", code(dumps(row.metadata).decode()) if row.metadata else "—"),
            *self._times(row),
            Fact("Id", code(row.public_id)),
        ]

    def _times(self, row: File) -> list[Fact]:
        told = [
            ("Deleted by itself", row.ends_at),
            ("Deleted", row.deleted_at),
            ("Gone for good", row.purged_at),
        ]
        return [Fact(label, when(moment)) for label, moment in told if moment is not None]

    def target(self, row: File) -> dict[str, Any]:
        """Its id."""
        return _file(None, row)


def newest_in(actor: Actor, row: Bucket) -> list[list[Any]]:
    """The newest files of a bucket that the actor sees, as COLUMNS says."""
    found = File.objects.visible_to(actor).filter(bucket=row).order_by("-id")[:_MOST_SHOWN]
    return [
        [link(one), _status(one), filesizeformat(one.size), code(one.content_type), when(one.created_at)]
        for one in found
    ]


def _file(_actor: Actor | None, row: File) -> dict[str, Any]:
    return {"file_id": row.pk}


def _named(row: File) -> Mapping[str, Any]:
    return {"name": row.name}


def _is_there(row: File) -> bool:
    return row.deleted_at is None


def _is_deleted(row: File) -> bool:
    return row.deleted_at is not None


def _versions_of(actor: Actor, row: File) -> list[list[Any]]:
    found = FileVersion.objects.filter(file=row).order_by("-number")[:_MOST_SHOWN]
    return [
        [
            f"{one.number} (current)" if one.number == row.current else one.number,
            _status(one),
            filesizeformat(one.size),
            _scan(one),
            when(one.created_at),
            _download(actor, row, one),
        ]
        for one in found
    ]


def _download(actor: Actor, row: File, version: FileVersion) -> Any:
    """A link that gets the bytes, good for as long as one looks at a page; a dash where there are none to get."""
    try:
        found = downloads.get_link(
            actor, file_id=row.pk, version=version.number, seconds=downloads.REDIRECT_SECONDS
        )
    except Problem:
        return "—"
    return format_html('<a class="pm-link" href="{}">Download</a>', found.url)


def _in_quarantine(actor: Actor) -> list[Need]:
    found = File.objects.visible_to(actor).alive().filter(status=FileStatus.QUARANTINED).count()
    where = f"{list_url(File)}?status__exact={FileStatus.QUARANTINED}"
    return [Need(f"{found} files are in quarantine", where, "bad")] if found else []


act_on(
    File,
    Action(
        files.update_file,
        "Rename",
        "Links that were handed out before still show the old name.",
        _file,
        initial=_named,
        applies=_is_there,
        fields=("name",),
    ),
    Action(files.restore_file, "Restore", "It is there again as it was.", _file, applies=_is_deleted),
    Action(
        files.delete_file,
        "Delete",
        "For 30 days it can be restored, and counts as stored.",
        _file,
        applies=_is_there,
    ),
    Action(files.purge_file, "Purge", "It is gone for good, with all its versions.", _file),
)
relate(
    File,
    Related("Images", admin_derivatives.COLUMNS, admin_derivatives.made_of, "None are made of it now."),
    Related(
        "Versions", ("Number", "Status", "Size", "Scan", "Since", "Content"), _versions_of, "No content yet."
    ),
)
watch(File, _in_quarantine)
