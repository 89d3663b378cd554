"""URLs of collections and records, below /v1/."""

from django.urls import path

from apps.core.endpoints import endpoint
from apps.data import collections, records, transfer

_COLLECTION = "collections/<slug:collection>"
_RECORDS = f"{_COLLECTION}/records"
_RECORD = f"{_RECORDS}/<rec:record_id>"

urlpatterns = [
    path("collections", endpoint(GET=collections.list_collections, POST=collections.create_collection)),
    path(
        _COLLECTION,
        endpoint(
            GET=collections.get_collection,
            PATCH=collections.update_collection,
            DELETE=collections.delete_collection,
        ),
    ),
    path(f"{_COLLECTION}/versions", endpoint(GET=collections.list_versions)),
    path(f"{_COLLECTION}/advance", endpoint(POST=collections.advance_collection, status=200)),
    path(f"{_COLLECTION}/cancel-change", endpoint(POST=collections.cancel_change, status=200)),
    path(_RECORDS, endpoint(GET=records.list_records, POST=records.create_record)),
    path(f"{_RECORDS}/count", endpoint(GET=records.count_records)),
    path(f"{_RECORDS}/bulk", endpoint(POST=records.write_records, status=200)),
    path(f"{_RECORDS}/upsert", endpoint(POST=records.upsert_record, status=200)),
    path(f"{_RECORDS}/export", endpoint(GET=transfer.export_records)),
    path(f"{_RECORDS}/import", endpoint(POST=transfer.import_records, status=200)),
    path(
        _RECORD,
        endpoint(
            GET=records.get_record,
            PATCH=records.update_record,
            PUT=records.replace_record,
            DELETE=records.delete_record,
        ),
    ),
    path(f"{_RECORD}/restore", endpoint(POST=records.restore_record, status=200)),
    path(f"{_RECORD}/purge", endpoint(POST=records.purge_record)),
]
