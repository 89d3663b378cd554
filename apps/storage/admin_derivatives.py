"""Derivatives in the admin: an image in small, and what else was made of it."""

from __future__ import annotations

from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html

from apps.core.actor import Actor
from apps.core.admin_story import badge, code, when
from apps.core.problems import Problem
from apps.storage import derivatives
from apps.storage.models import Derivative, File, FileStatus
from apps.storage.presets import BUILT_IN

COLUMNS = ("Image", "Preset", "Pixels", "Size", "Of version", "Since")
_PREVIEW = next(iter(BUILT_IN))
_MOST_SHOWN = 20


def made_of(actor: Actor, row: File) -> list[list[Any]]:
    """The derivatives of an image, as COLUMNS says: first its preview, which is made now where nobody looked before."""
    if row.status != FileStatus.READY or not row.content_type.startswith("image/"):
        return []
    picture = _image(actor, row, _PREVIEW, row.current)
    found = list(
        Derivative.objects.filter(version__file=row).select_related("version").order_by("-id")[:_MOST_SHOWN]
    )
    first = [one for one in found if _is_preview(row, one)]
    others = [one for one in found if not _is_preview(row, one)]
    return [
        *([picture, *_told(one)] for one in first),
        *([_image(actor, row, one.preset, one.version.number), *_told(one)] for one in others),
    ]


def _is_preview(file: File, row: Derivative) -> bool:
    return row.preset == _PREVIEW and row.version.number == file.current


def _told(row: Derivative) -> list[Any]:
    return [
        code(row.preset),
        f"{row.width} x {row.height}" if row.width else "—",
        filesizeformat(row.size) if row.size else "—",
        row.version.number,
        when(row.created_at),
    ]


def _image(actor: Actor, file: File, preset: str, number: int) -> Any:
    """The preview itself, of others a link; it is good for as long as one looks at a page. Or why there is none."""
    try:
        found = derivatives.get_derivative(actor, file_id=file.pk, preset=preset, version=number)
    except Problem as problem:
        return badge(problem.title, "warn")
    if preset == _PREVIEW:
        return format_html('<img class="pm-picture" src="{}" alt="Preview of {}">', found.url, file)
    return format_html('<a class="pm-link" href="{}">Open</a>', found.url)
