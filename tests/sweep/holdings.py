"""Examples of what tenants keep: collections with records, buckets with files. See tests/sweep/examples.py."""

from __future__ import annotations

from datetime import timedelta

from apps.core import clock
from apps.core.ids import decode, encode
from apps.data.entering import enter
from apps.data.indexes import Index, documents
from apps.data.models import Collection, Record, SchemaVersion
from apps.storage import stores
from apps.storage.models import Bucket, Condemned, Derivative, File, FileVersion, Usage
from apps.storage.presets import BUILT_IN
from apps.storage.stores import keys
from tests.sweep.cells import Cell, example
from tests.sweep.examples import party_of, unlike
from tests.world import same_id


@example("collection")
def _collection(_cell: Cell) -> str:
    """A collection of the whole tenant, by its name: the same for everybody in it."""
    schema = {"type": "object", "properties": {"title": {"type": "string"}, "sku": {"type": "string"}}}
    known = {
        "id": same_id("sweep:collection"),
        "number": 1,
        "schema": schema,
        "indexes": documents([Index("title", False, 1), Index("sku", True, 2)]),
        # On its way to another schema, so that this can be given up.
        "change": {"number": 2, "state": "checking", "schema": schema, "steps": []},
    }
    made, fresh = Collection.objects.get_or_create(name="pool", defaults=known)
    if fresh:
        SchemaVersion.objects.create(
            id=same_id("sweep:schema version"), collection=made, number=2, schema=schema, state="checking"
        )
    return made.name


@example("empty_collection")
def _empty_collection(_cell: Cell) -> str:
    """One without records, which can be deleted."""
    return _bare_collection().name


@example("col")
def _collection_id(_cell: Cell) -> str:
    """The same one by its id, for pages; it is on its way to another schema, so that this can be given up."""
    return _bare_collection().public_id


def _bare_collection() -> Collection:
    schema = {"type": "object"}
    known = {"id": same_id("sweep:bare collection"), "number": 2, "schema": schema}
    known["change"] = {"number": 2, "state": "checking", "schema": schema, "steps": []}
    made, fresh = Collection.objects.get_or_create(name="hull", defaults=known)
    if fresh:
        changing = {"number": 2, "schema": schema, "state": "checking"}
        SchemaVersion.objects.create(id=same_id("sweep:bare version"), collection=made, **changing)
    return made


@example("rec")
def _record(cell: Cell) -> str:
    """A record of the party, as its person makes it."""
    made = Record.objects.create(
        id=unlike(cell, "record"),
        collection_id=same_id("sweep:collection"),
        organization_id=party_of(cell).uuid,
        owner_id=decode(party_of(cell).person, "usr"),
        data={"title": cell.mark, "sku": "the same"},
        schema_version=1,
        created_at=clock.now(),
        updated_at=clock.now(),
    )
    enter(Collection.objects.get(name="pool"), [made])
    return made.public_id


@example("bucket")
def _bucket(_cell: Cell) -> str:
    """An empty bucket of the whole tenant, by its name: the same for everybody in it, and a word that no id holds."""
    known = {"id": same_id("sweep:bucket")}
    return Bucket.objects.get_or_create(name="pile", defaults=known)[0].name


@example("bkt")
def _bucket_by_id(_cell: Cell) -> str:
    """The same bucket, by its id."""
    return encode("bkt", same_id("sweep:bucket"))


@example("file")
def _file(cell: Cell) -> str:
    """A file with a version that is ready, and with another one that is still uploaded in parts."""
    assert cell.space is not None
    bucket, _ = Bucket.objects.get_or_create(name="kept", defaults={"id": same_id("sweep:kept")})
    place = {
        "organization_id": party_of(cell).uuid,
        "size": 9,
        "sha256": "0" * 64,
        "content_type": "text/plain",
    }
    made = File.objects.create(
        id=unlike(cell, "file"),
        bucket=bucket,
        name=cell.mark,
        status="ready",
        scan="skipped",
        current=1,
        **place,
    )
    for number, status in ((1, "ready"), (2, "pending")):
        blob = keys.make(cell.space.ref, made.public_id, str(number))
        parts = {"upload_id": stores.store().start_multipart(blob), "part_size": 9} if number == 2 else {}
        FileVersion.objects.create(
            id=unlike(cell, f"version {number}"),
            file=made,
            number=number,
            status=status,
            blob=blob,
            scan="skipped",
            due_at=clock.now() + timedelta(days=1),
            **place,
            **parts,
        )
        if status == "ready":
            _derivative(cell, blob)
    # What lies there, and bytes that nothing belongs to: as if an organization could have any.
    Usage.objects.create(bucket=bucket, organization_id=party_of(cell).uuid, bytes=9, files=1)
    left = {"blob": f"{made.public_id} is gone", "due_at": clock.now() + timedelta(days=400)}
    Condemned.objects.create(organization_id=party_of(cell).uuid, **left)
    return made.public_id


def _derivative(cell: Cell, blob: str) -> None:
    """What the preset that every bucket has made of the version, as if it had been an image."""
    Derivative.objects.create(
        id=unlike(cell, "derivative"),
        version_id=unlike(cell, "version 1"),
        organization_id=party_of(cell).uuid,
        preset="preview",
        recipe=BUILT_IN["preview"].fingerprint,
        blob=f"{blob}-preview",
        content_type="image/webp",
    )


@example("preset")
def _preset(_cell: Cell) -> str:
    """The preset that every bucket has."""
    return "preview"


@example("number")
def _number(_cell: Cell) -> str:
    """Of a part, or of a version."""
    return "1"
