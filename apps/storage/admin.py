"""Buckets in the admin, and with them the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.template.defaultfilters import filesizeformat

from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, site
from apps.core.admin_actions import Action, act_above, act_on
from apps.core.admin_story import Fact, Related, badge, code, link, relate, when, words
from apps.orgs.models import Organization
from apps.storage import admin_files, buckets
from apps.storage.models import Bucket, Usage, Visibility

_TONES = {Visibility.PUBLIC: "warn", Visibility.PRIVATE: "info"}
#: What a form can hold; presets are written by the API.
_RULES = ("visibility", "max_size", "content_types", "retention_days", "quota_bytes", "versions_kept")
_MOST_SHOWN = 50
_FIGURES = ("Bytes", "Files", "Announced", "Open uploads")


def _bytes(number: int | None) -> str:
    return "—" if number is None else filesizeformat(number)


def _visibility(row: Bucket) -> Any:
    return badge(row.get_visibility_display(), _TONES.get(Visibility(row.visibility), "plain"))


@admin.register(Bucket, site=site)
class BucketAdmin(StoryAdmin):
    """Places for files, and their rules."""

    reads, reads_one = buckets.list_buckets, buckets.get_bucket
    headline = "Buckets"
    intro = "Places for files, with the rules that they keep: who reads them, of which type and size, and for how long."
    empty = "No buckets yet. Make one, and files can be uploaded to it."
    list_display = ("name", "visibility_shown", "types_shown", "largest_shown", "created_shown")
    search_fields = ("name",)
    list_filter = ("visibility",)

    @admin.display(description="Read by")
    def visibility_shown(self, row: Bucket) -> Any:
        """Who may read."""
        return _visibility(row)

    @admin.display(description="Types")
    def types_shown(self, row: Bucket) -> Any:
        """What it takes."""
        return words(row.content_types) if row.content_types else "any"

    @admin.display(description="Up to")
    def largest_shown(self, row: Bucket) -> str:
        """How large a file may be."""
        return _bytes(row.max_size)

    @admin.display(description="Since")
    def created_shown(self, row: Bucket) -> Any:
        """Since when."""
        return when(row.created_at)

    def state(self, row: Bucket) -> Any:
        """Who may read."""
        return _visibility(row)

    def facts(self, row: Bucket) -> Sequence[Fact]:
        """Its rules."""
        kept = f"{row.retention_days} days" if row.retention_days else "until somebody deletes them"
        return [
            Fact("Takes", words(row.content_types) if row.content_types else "any type"),
            Fact("Up to", _bytes(row.max_size)),
            Fact("Quota of each organization", _bytes(row.quota_bytes)),
            Fact("Keeps files", kept),
            Fact("Keeps versions", row.versions_kept),
            Fact("Presets", words(row.presets)),
            Fact("Id", code(row.public_id)),
        ]

    def target(self, row: Bucket) -> dict[str, Any]:
        """Its name."""
        return _bucket(None, row)


def _bucket(_actor: Actor | None, row: Bucket) -> dict[str, Any]:
    return {"bucket": row.name}


def _rules(row: Bucket) -> Mapping[str, Any]:
    return {name: getattr(row, name) for name in _RULES} | {"content_types": " ".join(row.content_types)}


def _usage_of(actor: Actor, row: Bucket) -> list[list[Any]]:
    found = (
        Usage.objects.visible_to(actor).filter(bucket=row).select_related("organization").order_by("-bytes")
    )
    return [[_whose(one), *_figures(one)] for one in found[:_MOST_SHOWN]]


def _figures(one: Usage) -> list[Any]:
    return [_bytes(one.bytes), one.files, _bytes(one.reserved_bytes), one.open_uploads]


def _whose(row: Usage) -> Any:
    return link(row.organization) if row.organization else "The tenant itself"


def _usage_of_organization(actor: Actor, row: Organization) -> list[list[Any]]:
    found = Usage.objects.visible_to(actor).filter(organization_id=row.pk).select_related("bucket")
    return [[link(one.bucket), *_figures(one)] for one in found.order_by("-bytes")[:_MOST_SHOWN]]


act_above(
    Bucket,
    Action(
        buckets.create_bucket,
        "Make a bucket",
        "Everybody in the tenant may read its rules; who may read its files is said by them.",
        fields=("name", *_RULES),
    ),
)
act_on(
    Bucket,
    Action(
        buckets.update_bucket,
        "Change",
        "Who may read, and how long files are kept, counts at once for all files that are there.",
        _bucket,
        initial=_rules,
        fields=_RULES,
    ),
    Action(
        buckets.empty_bucket,
        "Empty",
        "Every file of every organization in it is gone for good, up to 1000 at a time.",
        _bucket,
    ),
    Action(buckets.delete_bucket, "Delete", "It has to be empty.", _bucket),
)
relate(
    Bucket,
    Related("Stored here", ("Organization", *_FIGURES), _usage_of, "Nothing yet."),
    Related("Newest files", admin_files.COLUMNS, admin_files.newest_in, "No files yet."),
)
relate(
    Organization,
    Related("Files", ("Bucket", *_FIGURES), _usage_of_organization, "Nothing stored."),
)
