"""Collections and records in the admin."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.utils.html import format_html

from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, site
from apps.core.admin_actions import Action, act_above, act_on
from apps.core.admin_story import Fact, Need, Related, badge, code, link, list_url, relate, watch, when, words
from apps.data import access, collections, records
from apps.data.access import Reach
from apps.data.models import ChangeState, Collection, Record, SchemaVersion

_MOST_SHOWN = 20
_MOST_CHARACTERS = 120
_TONES = {
    "ready": "good",
    "done": "good",
    "building": "info",
    "checking": "info",
    "moving": "info",
    "dropping": "plain",
    "cancelled": "plain",
    "failed": "bad",
    "refused": "bad",
    "blocked": "bad",
}


def _json(value: Any) -> Any:
    return format_html('<pre class="pm-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))


def _state(state: str) -> Any:
    return badge(state.capitalize(), _TONES[state])


@admin.register(Collection, site=site)
class CollectionAdmin(StoryAdmin):
    """What the tenant's records look like."""

    reads, reads_one = collections.list_collections, collections.get_collection
    headline = "Collections"
    intro = "Structured data of this tenant. Each has a schema that its records satisfy, and rules of access."
    empty = "No collections yet. Make one with a JSON Schema, and it takes records at once."
    list_display = ("name", "reach_shown", "schema_shown", "indexes_shown", "created_shown")
    search_fields = ("name",)
    list_filter = ("shared",)

    @admin.display(description="Records are")
    def reach_shown(self, row: Collection) -> Any:
        """Whether they are walled."""
        return _reach(row)

    @admin.display(description="Schema")
    def schema_shown(self, row: Collection) -> str:
        """Which version holds, and which one comes."""
        return f"version {row.schema_version}" + (
            f", on its way to {row.changing_to}" if row.changing_to else ""
        )

    @admin.display(description="Indexes")
    def indexes_shown(self, row: Collection) -> Any:
        """By which fields records are found."""
        return words(one["field"] for one in row.indexes)

    @admin.display(description="Since")
    def created_shown(self, row: Collection) -> Any:
        """Since when."""
        return when(row.created_at)

    def state(self, row: Collection) -> Any:
        """Whether its records are walled."""
        return _reach(row)

    def facts(self, row: Collection) -> Sequence[Fact]:
        """What it holds, and for whom."""
        rules = row.rules
        return [
            Fact("For", row.description or "—"),
            *(
                Fact(f"May {verb}", words(rules[verb]) or "actors of the tenant alone")
                for verb in access.VERBS
            ),
            Fact("Search", words(row.search["fields"]) if row.search else "—"),
            Fact(f"Schema, version {row.schema_version}", _json(row.schema)),
            Fact("Id", code(row.public_id)),
        ]

    def target(self, row: Collection) -> dict[str, Any]:
        """Its name."""
        return _named(None, row)


def _reach(row: Collection) -> Any:
    return badge("Shared", "warn") if row.shared else badge("Walled by organization", "good")


def _named(_actor: Actor | None, row: Collection) -> dict[str, Any]:
    return {"collection": row.name}


@admin.register(Record, site=site)
class RecordAdmin(StoryAdmin):
    """Records of all collections."""

    reads, reads_one = records.list_records, records.get_record
    headline = "Records"
    intro = (
        "What collections hold: the records that you may read, deleted ones that can be restored included."
    )
    empty = "No records yet. They are made with POST /v1/collections/NAME/records."
    list_display = ("collection_shown", "data_shown", "whose_shown", "updated_shown")
    list_filter = ("collection",)

    def rows(self, actor: Actor) -> QuerySet[Record]:
        """Those that the rules of each collection let the actor read."""
        self.reads.require(actor, {})
        found = Q(pk__in=[])
        for collection in Collection.objects.all():
            found |= _readable(actor, collection)
        return Record.objects.filter(found).select_related("collection", "organization", "owner")

    def list_target(self, actor: Actor) -> dict[str, Any]:  # noqa: ARG002
        """The API lists them by collection."""
        return {"collection": "COLLECTION"}

    @admin.display(description="Collection")
    def collection_shown(self, row: Record) -> str:
        """What it is one of."""
        return row.collection.name

    @admin.display(description="Data")
    def data_shown(self, row: Record) -> Any:
        """The beginning of what it holds."""
        return _glance(row)

    @admin.display(description="Belongs to")
    def whose_shown(self, row: Record) -> str:
        """Which organization it belongs to."""
        return _whose(row)

    @admin.display(description="Changed")
    def updated_shown(self, row: Record) -> Any:
        """When it changed last."""
        return when(row.updated_at)

    def state(self, row: Record) -> Any:
        """Whether it is deleted."""
        return badge("Deleted", "warn") if row.deleted_at else ""

    def facts(self, row: Record) -> Sequence[Fact]:
        """What it holds, and whose it is."""
        return [
            Fact("Collection", link(row.collection)),
            Fact("Belongs to", link(row.organization) if row.organization else _whose(row)),
            Fact("Owner", link(row.owner, row.owner.email) if row.owner else "—"),
            Fact("Data", _json(row.data)),
            Fact("Version", f"{row.version}, under version {row.schema_version} of the schema"),
            Fact("Made", when(row.created_at)),
            Fact("Changed", when(row.updated_at)),
            Fact("Id", code(row.public_id)),
        ]

    def target(self, row: Record) -> dict[str, Any]:
        """Its collection and its id."""
        return _record(None, row)


def _readable(actor: Actor, collection: Collection) -> Q:
    """The records of one collection that the actor may read."""
    reached = access.reach(actor, collection, "read")
    if reached is Reach.NONE:
        return Q(pk__in=[])
    own = Q(owner_id=access.person_of(actor))
    inside = Q(pk__in=Record.objects.of(collection).visible_to(actor, collection).values("pk"))
    inside &= Q() if reached is Reach.ALL else own
    # A deleted record shows to those who could restore it.
    restores = access.reach(actor, collection, "change")
    if restores is Reach.ALL:
        return inside
    return inside & (Q(deleted_at=None) | own if restores is Reach.OWN else Q(deleted_at=None))


def _record(_actor: Actor | None, row: Record) -> dict[str, Any]:
    return {"collection": row.collection.name, "record_id": row.pk}


def _glance(row: Record) -> Any:
    text = json.dumps(row.data, ensure_ascii=False)
    return code(text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…")


def _whose(row: Record) -> str:
    if row.shared:
        return "everybody in the tenant"
    return str(row.organization) if row.organization else "the tenant itself"


def _newest(actor: Actor, row: Collection) -> list[list[Any]]:
    found = Record.objects.filter(_readable(actor, row)).alive().select_related("organization", "collection")
    return [
        [link(one), _glance(one), _whose(one), when(one.updated_at)]
        for one in found.order_by("-id")[:_MOST_SHOWN]
    ]


def _indexes(_actor: Actor, row: Collection) -> list[list[Any]]:
    return [
        [code(one["field"]), "yes" if one["unique"] else "no", _state(one["state"]), words(one["offending"])]
        for one in row.indexes
    ]


def _versions(_actor: Actor, row: Collection) -> list[list[Any]]:
    found = SchemaVersion.objects.filter(collection=row).order_by("-number")[:_MOST_SHOWN]
    return [
        [one.number, _state(one.state), one.done, words(one.offending), when(one.created_at)] for one in found
    ]


def _waiting(actor: Actor) -> list[Need]:
    """Changes of schemas that wait for somebody."""
    if not actor.is_tenant_wide:
        return []
    found = SchemaVersion.objects.filter(state=ChangeState.BLOCKED).select_related("collection")
    return [
        Need(
            f"{one.collection.name}: {len(one.offending)} records stand in the way of version {one.number}.",
            list_url(Collection),
            "bad",
        )
        for one in found
    ]


def _known(row: Record) -> Mapping[str, Any]:
    return {"data": json.dumps(row.data, ensure_ascii=False, indent=2)}


def _described(row: Collection) -> Mapping[str, Any]:
    return {"description": row.description}


def _is_changing(row: Collection) -> bool:
    return row.change is not None


def _is_there(row: Record) -> bool:
    return row.deleted_at is None


def _is_deleted(row: Record) -> bool:
    return row.deleted_at is not None


act_above(
    Collection,
    Action(
        collections.create_collection,
        "Make a collection",
        "It takes records at once. What it is called, and whether it is shared, stays so.",
        fields=("name", "schema", "description", "shared"),
    ),
)
act_on(
    Collection,
    Action(
        records.create_record,
        "Make a record",
        "It belongs to the organization that you act in, or to the tenant itself.",
        _named,
        fields=("data",),
    ),
    Action(
        collections.update_collection,
        "Describe",
        "Says what it is for. Schema, rules and indexes are changed by the API.",
        _named,
        initial=_described,
        fields=("description",),
    ),
    Action(
        collections.advance_collection,
        "Carry the change on",
        "Goes over the records that are not done, also those that stood in the way.",
        _named,
        applies=_is_changing,
    ),
    Action(
        collections.cancel_change,
        "Cancel the change",
        "Nothing has changed yet, and nothing will.",
        _named,
        applies=_is_changing,
    ),
    Action(
        collections.delete_collection,
        "Delete",
        "Only if it is empty, or if you say how many records go with it. They cannot be restored.",
        _named,
        labels={"with_records": "Records that go with it"},
    ),
)
act_on(
    Record,
    Action(
        records.replace_record,
        "Change",
        "The record holds this from now on, whole.",
        _record,
        initial=_known,
        applies=_is_there,
    ),
    Action(
        records.delete_record, "Delete", "It can be restored until it is purged.", _record, applies=_is_there
    ),
    Action(
        records.restore_record,
        "Restore",
        "It has to satisfy the schema of today, and its unique values have to be free.",
        _record,
        applies=_is_deleted,
    ),
    Action(records.purge_record, "Purge", "It is gone for good.", _record, applies=_is_deleted),
)
relate(
    Collection,
    Related("Records", ("Record", "Data", "Belongs to", "Changed"), _newest, "No records yet."),
    Related("Indexes", ("Field", "Unique", "State", "In the way"), _indexes, "No indexes."),
    Related("Schemas", ("Version", "State", "Records done", "In the way", "Since"), _versions, "None."),
)
watch(Collection, _waiting)
