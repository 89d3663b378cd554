"""What this room refuses."""

from apps.core.problems import (
    Conflict,
    Forbidden,
    NotFound,
    ParametersInvalid,
    ValidationFailed,
)


class CollectionNameTaken(Conflict):
    """The tenant has a collection with that name already."""

    code, title = "collection_name_taken", "There is a collection with that name already"
    advice = "Choose another name, or change the collection that has it."


class CollectionUnknown(NotFound):
    """The tenant has no collection with that name."""

    code, title = "collection_unknown", "There is no such collection"
    advice = "`GET /v1/collections` lists those that there are."


class CollectionInUse(Conflict):
    """The collection still has records, deleted ones included."""

    code, title = "collection_in_use", "The collection still has records"
    advice = "Purge its records first, or name how many go with it: `?with_records=N`."


class DefinitionInvalid(ValidationFailed):
    """Something that a collection declares about its fields does not fit its schema."""

    code, title = "definition_invalid", "The definition does not fit the schema"
    advice = "`errors` names what does not fit."


class TooManyIndexes(Conflict):
    """The collection would have more indexes than it can."""

    code, title = "too_many_indexes", "There are too many indexes"
    advice = "Drop those that no query uses. Those that are being dropped count until they are gone."


class RecordInvalid(ValidationFailed):
    """The record does not satisfy the collection's schema; `errors` lists each violation with its JSON pointer."""

    code, title = "record_invalid", "The record does not satisfy its schema"
    advice = "Correct what `errors` points at; `field` is a JSON pointer into the record."


class RecordDeleted(Conflict):
    """The record was deleted and not yet purged."""

    code, title = "record_deleted", "The record is deleted"
    advice = "Restore it first."


class NotUnique(Conflict):
    """Another record has the value that no two may have."""

    code, title = "not_unique", "Another record has that value"
    advice = "Choose another value, or change the record that has it."


class RecordIdTaken(Conflict):
    """A record was to be made under an id that another record of the tenant has, perhaps in another collection."""

    code, title = "record_id_taken", "Another record has that id"
    advice = "Leave the id out, or use that of a record of this collection."


class WriteConflict(Conflict):
    """Other writers took the same unique values, or the same ids, in the same moment."""

    code, title = "write_conflict", "Somebody else wrote the same in the same moment"
    retryable = True
    advice = "Try again."


class UpsertFieldNotUnique(ValidationFailed):
    """An upsert finds the record by a field of which no two records have the same value."""

    code, title = "upsert_field_not_unique", "An upsert needs a unique field"
    advice = "Declare a unique index on the field, and give the record a value for it."


class RecordAccessDenied(Forbidden):
    """The collection's access rules do not let the caller do this; `rule` says whom they would let."""

    code, title = "record_access_denied", "The collection's access rules do not allow it"
    advice = "Ask one of those whom `allowed` names, or whoever administers the collection."


class OrganizationNeeded(Forbidden):
    """A record of this collection belongs to an organization, and the caller acts in none."""

    code, title = "record_organization_needed", "A record needs an organization to belong to"
    advice = "Act in an organization, or ask for a shared collection."


class FilterInvalid(ParametersInvalid):
    """A filter, or the order, names a field or an operator that there is none of, or a value of another type."""

    code, title = "filter_invalid", "A filter was refused"
    advice = (
        "`errors` names each; the operators are eq, ne, gt, gte, lt, lte, in, contains, prefix and exists."
    )


class IndexNeeded(Conflict):
    """Without an index the query would look at each of many records."""

    code, title = "index_needed", "The query needs an index"
    advice = (
        "Declare an index on the field, or add `scan=true` to look at every record, which takes its time. "
        "No index serves `contains` on a text; `search` finds words."
    )


class ScanRefused(Forbidden):
    """A publishable key, which anybody can read, asked to have every record looked at."""

    code, title = "scan_refused", "A publishable key may not have every record looked at"
    advice = "Leave `scan` out and filter by fields that have an index, or ask through your own backend."


class IndexBuilding(Conflict):
    """The index that the query needs is being built."""

    code, title = "index_building", "The index is being built"
    retryable = True
    advice = "Try again in a moment; `GET /v1/collections/{name}` says how far it is."


class SchemaIncompatible(Conflict):
    """Records that are there would violate the new schema; `records` names the first of them."""

    code, title = "schema_incompatible", "Records stand against the new schema"
    advice = "Change those records first, or say with `steps` what is to be done to each record."


class ChangeUnderWay(Conflict):
    """The collection's schema is being changed."""

    code, title = "schema_change_under_way", "A change of the schema is under way"
    retryable = True
    advice = "Wait until it is done, carry it on (`advance`), or cancel it while it is being checked."


class NoChangeUnderWay(Conflict):
    """There is no change of the schema to carry on or to cancel."""

    code, title = "no_schema_change", "No change of the schema is under way"
    advice = "There is nothing left to do."


class ChangeNotCancellable(Conflict):
    """Records were changed already, so that there is no way back."""

    code, title = "schema_change_not_cancellable", "The change has begun to change records"
    advice = "Correct the records in `offending` and carry it on."


class Undone(Conflict):
    """The item of an atomic bulk write was fine, and another one was not."""

    code, title = "undone", "Undone with the others"
    advice = "Correct the items that were refused, and send all of them again."


class TooManyLines(ValidationFailed):
    """An import takes some lines at a time."""

    code, title = "too_many_lines", "There are too many lines for one call"
    advice = "Send the lines in several calls; `manage.py records import` does so by itself."
