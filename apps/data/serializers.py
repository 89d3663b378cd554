"""What goes in and out about collections and records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from rest_framework.serializers import ValidationError

from apps.core.parameters import ListParameters, Parameters
from apps.core.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    DictField,
    IdField,
    IntegerField,
    JSONField,
    ListField,
    NameField,
    Output,
    StrictSerializer,
    TimestampField,
)
from apps.data.filters import PARAMETER
from apps.data.indexes import LANGUAGES
from apps.data.intents import MOST_INTENTS
from apps.data.models import ChangeState
from apps.data.steps import KINDS, MEMBERS

NAME_PATTERN = r"^[a-z][a-z0-9]*([-_][a-z0-9]+)*$"
MOST_FIELDS = 50
_INDEX_STATES = ("building", "ready", "dropping", "failed")


class CollectionNameField(CharField):
    """The name of a collection: lower case, digits, single hyphens and underscores; it stands in URLs."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 63, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        name = str(super().to_internal_value(data))
        if not re.fullmatch(NAME_PATTERN, name):
            rule = "lower-case letters and digits, with single hyphens or underscores between them"
            self.refuse("invalid_name", f"A collection's name has {rule}, such as menu-items.")
        return name


class PathField(CharField):
    """A field of the schema, by its dotted path."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 200, **kwargs})


class WhoField(ListField):
    """Whom a rule lets."""

    child = CharField(max_length=60)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 20, "required": False, **kwargs})


class AccessInput(StrictSerializer):
    """Who may do what: `public`, `everyone`, `organization`, `owner`, `role:NAME`. What is left out is as usual."""

    read = WhoField()  # type: ignore[assignment]
    create = WhoField()  # type: ignore[assignment]
    change = WhoField()


class IndexInput(StrictSerializer):
    """A field that records are found or put in order by."""

    field = PathField()
    unique = BooleanField(default=False, help_text="No two records of an organization share a value.")


class SearchInput(StrictSerializer):
    """Full-text search."""

    fields = ListField(child=PathField(), min_length=1, max_length=20)  # type: ignore[assignment]
    language = ChoiceField(choices=LANGUAGES, default="simple", help_text="Whose word endings count.")


class StepInput(StrictSerializer):
    """What is done to each record when the schema changes; `do` says which other members there are."""

    do = ChoiceField(choices=list(MEMBERS))
    field = PathField()
    to = CharField(required=False, max_length=200, help_text="rename: the new name; convert: the new type.")
    value = JSONField(required=False, help_text="default: the value for records that have none.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse members that the step does not have, and the lack of one that it has."""
        # In a PATCH nothing inside is required by itself.
        if "do" not in attrs:
            self._refuse(f"A step says what it does: {', '.join(MEMBERS)}.")
        wanted, given = set(MEMBERS[attrs["do"]]), set(attrs) - {"do"}
        if wanted != given:
            self._refuse(f"{attrs['do']} has the members: {', '.join(sorted(wanted))}.")
        if attrs["do"] == "convert" and attrs["to"] not in KINDS:
            self._refuse(f"convert makes: {', '.join(KINDS)}.")
        return attrs

    def _refuse(self, detail: str) -> NoReturn:
        raise ValidationError({"do": ValidationError(detail, code="step_unfit").detail})


class CollectionInput(StrictSerializer):
    """A new collection."""

    name = CollectionNameField(help_text="Unique in the tenant; part of the URL of its records.")
    schema = DictField(help_text="A JSON Schema (2020-12) of an object.")
    description = NameField(default="", allow_blank=True, max_length=500)
    shared = BooleanField(
        default=False,
        help_text="Records are everybody's in the tenant, not walled by organization. It stays so.",
    )
    access = AccessInput(required=False)
    indexes = ListField(child=IndexInput(), default=list, max_length=MOST_FIELDS)
    search = SearchInput(default=None, allow_null=True)


class CollectionPatch(StrictSerializer):
    """What may be changed about a collection. Indexes and search are given whole."""

    description = NameField(allow_blank=True, max_length=500)
    schema = DictField(help_text="The new JSON Schema.")
    steps = ListField(
        child=StepInput(), max_length=20, help_text="What is done to each record, with a new schema."
    )
    access = AccessInput()
    indexes = ListField(child=IndexInput(), max_length=MOST_FIELDS)
    search = SearchInput(allow_null=True)


class CollectionDeletion(Parameters):
    """How many records go with it."""

    with_records = IntegerField(
        default=0, min_value=0, help_text="How many records it has, if they are to go with it."
    )


class IndexOutput(Output):
    """A declared index, and how far it is."""

    field = CharField()
    unique = BooleanField()
    state = ChoiceField(choices=_INDEX_STATES)
    offending = ListField(child=CharField(), help_text="Records that share a value that has to be unique.")


class SearchOutput(Output):
    """Full-text search, and how far it is."""

    fields = ListField(child=CharField())  # type: ignore[assignment]
    language = CharField()
    state = ChoiceField(choices=_INDEX_STATES)


class AccessOutput(Output):
    """The rules that hold."""

    read = ListField(child=CharField())
    create = ListField(child=CharField())  # type: ignore[assignment]
    change = ListField(child=CharField())


class CollectionOutput(Output):
    """A collection: what its records look like, who may do what, and by what they are found."""

    id = CharField(source="public_id")
    name = CharField()
    description = CharField()
    schema = JSONField()
    schema_version = IntegerField()
    shared = BooleanField()
    access = AccessOutput(source="rules")
    indexes = IndexOutput(many=True)
    search = SearchOutput(allow_null=True)
    changing_to = IntegerField(allow_null=True, help_text="The version of a change that is under way.")
    version = IntegerField()
    created_at = TimestampField()


class VersionOutput(Output):
    """A schema that the collection had, has, or is to have."""

    number = IntegerField()
    schema = JSONField()
    steps = ListField(child=JSONField())
    state = ChoiceField(choices=ChangeState.choices)
    done = IntegerField(help_text="Records that were checked, or changed.")
    offending = ListField(child=CharField(), help_text="Records that stand in the way, the first of them.")
    created_at = TimestampField()


class RecordParameters(ListParameters):
    """What to look for: `filter[field]=`, `filter[field][gte]=`, an order, words, and which fields to answer."""

    families: ClassVar[Mapping[str, str]] = {"filter": PARAMETER}

    order = CharField(
        default="-id", max_length=201, help_text="A field, or `id`; with - in front, descending."
    )
    search = CharField(default="", allow_blank=True, max_length=200, help_text="Words that have to be there.")
    fields = ListField(  # type: ignore[assignment]
        child=PathField(), default=list, max_length=MOST_FIELDS, help_text="Which fields of `data` to answer."
    )
    scan = BooleanField(default=False, help_text="Look at every record where no index helps.")


class CountParameters(Parameters):
    """What to count."""

    families: ClassVar[Mapping[str, str]] = {"filter": PARAMETER}

    search = CharField(default="", allow_blank=True, max_length=200, help_text="Words that have to be there.")
    scan = BooleanField(default=False, help_text="Look at every record where no index helps.")


class NoticeOutput(Output):
    """What is worth knowing about how an answer came about."""

    code = CharField()
    detail = CharField()
    fields = ListField(child=CharField())  # type: ignore[assignment]


class CountOutput(Output):
    """How many there are."""

    count = IntegerField()
    notice = NoticeOutput(required=False)


class FieldsParameters(Parameters):
    """Which fields to answer."""

    fields = ListField(  # type: ignore[assignment]
        child=PathField(), default=list, max_length=MOST_FIELDS, help_text="Which fields of `data` to answer."
    )


class RecordInput(StrictSerializer):
    """A new record."""

    data = DictField(help_text="What the schema describes.")  # type: ignore[assignment]
    owner = IdField(
        "usr", default=None, allow_null=True, help_text="Whose it is; only actors of the tenant say so."
    )


class RecordPatch(StrictSerializer):
    """What changes: a JSON merge patch (RFC 7396), in which null removes a member."""

    data = DictField(help_text="Members to change; null removes one.")  # type: ignore[assignment]


class RecordReplacement(StrictSerializer):
    """The record's new data, whole."""

    data = DictField(help_text="What the schema describes.")  # type: ignore[assignment]


class UpsertInput(StrictSerializer):
    """A record to change if its unique value is there, or else to make."""

    by = PathField(help_text="A field with a unique index.")
    data = DictField(help_text="All of a new record; of one that is there, what changes.")  # type: ignore[assignment]


class RecordOutput(Output):
    """A record."""

    id = CharField(source="public_id")
    data = JSONField()  # type: ignore[assignment]
    version = IntegerField()
    schema_version = IntegerField()
    organization = IdField("org", source="organization_id", allow_null=True)
    owner = IdField("usr", source="owner_id", allow_null=True)
    created_at = TimestampField()
    updated_at = TimestampField()
    deleted_at = TimestampField(allow_null=True)


class UpsertOutput(Output):
    """The record, and whether it was made."""

    record = RecordOutput()
    result = ChoiceField(choices=["created", "updated", "unchanged"])


class BulkItem(StrictSerializer):
    """One thing to do."""

    do = ChoiceField(choices=["create", "replace", "patch", "upsert", "delete", "restore"])
    id = IdField("rec", default=None, allow_null=True, help_text="The record, except for create and upsert.")
    data = DictField(default=None, allow_null=True, help_text="Except for delete and restore.")  # type: ignore[assignment]
    by = PathField(default="", allow_blank=True, help_text="upsert: the unique field.")
    version = IntegerField(
        default=None, allow_null=True, min_value=1, help_text="Only if the record is at this version."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse an id where the record is not named by one."""
        if attrs["id"] is not None and attrs["do"] in ("create", "upsert"):
            detail = f"{attrs['do']} takes no id: a new record gets one."
            raise ValidationError({"id": ValidationError(detail, code="id_unfit").detail})
        return attrs


class BulkInput(StrictSerializer):
    """Several things to do, in their order."""

    items = ListField(child=BulkItem(), min_length=1, max_length=MOST_INTENTS)
    atomic = BooleanField(default=False, help_text="All of it or, if one item is refused, nothing.")


class BulkProblemOutput(Output):
    """Why an item was refused."""

    status = IntegerField()
    code = CharField()
    title = CharField()
    detail = CharField()
    errors = ListField(child=JSONField())  # type: ignore[assignment]


class BulkResultOutput(Output):
    """What came of an item: the record, or why not."""

    result = ChoiceField(choices=["created", "updated", "unchanged", "deleted", "restored", "refused"])
    record = RecordOutput(allow_null=True)
    problem = BulkProblemOutput(allow_null=True)


class BulkOutput(Output):
    """What came of each item, in their order."""

    done = IntegerField()
    refused = IntegerField()
    results = BulkResultOutput(many=True)


class ExportParameters(Parameters):
    """From where on, and how many."""

    after = IdField("rec", default=None, allow_null=True, help_text="The id of the last line that arrived.")
    limit = IntegerField(
        default=None, allow_null=True, min_value=1, help_text="How many lines at most; all if left out."
    )


class LineErrorOutput(Output):
    """Why a line was refused."""

    line = IntegerField()
    code = CharField()
    detail = CharField()
    errors = ListField(child=JSONField())  # type: ignore[assignment]


class ImportResultsOutput(Output):
    """How many lines did what."""

    created = IntegerField()
    updated = IntegerField()
    unchanged = IntegerField()


class ImportOutput(Output):
    """What came of an import."""

    results = ImportResultsOutput()
    errors = LineErrorOutput(many=True)  # type: ignore[assignment]
