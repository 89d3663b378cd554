"""Examples of what tenants keep: collections with records, buckets with files. See tests/sweep/examples.py."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from io import BytesIO

from apps.core import clock
from apps.core.ids import decode, encode
from apps.core.strictjson import dumps
from apps.core.webhook_signing import SigningSecrets
from apps.data.entering import enter
from apps.data.indexes import Index, documents
from apps.data.models import Collection, Record, SchemaVersion
from apps.events.models import Event, EventType
from apps.events.webhooks.models import Delivery, WebhookEndpoint
from apps.jobs import pushing
from apps.jobs.ending import dispatch_of
from apps.jobs.models import Attempt, Firing, Job, Queue, Schedule, Step
from apps.jobs.registry import Dispatch
from apps.storage import stores
from apps.storage.models import Bucket, Condemned, Derivative, File, FileVersion, Usage
from apps.storage.presets import BUILT_IN
from apps.storage.stores import keys
from apps.storage.stores.errors import BlobExists
from apps.tenancy.walls import registry
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
    counted = {"bytes": 9, "files": 1, "reserved_bytes": 9, "open_uploads": 1}
    Usage.objects.create(bucket=bucket, organization_id=party_of(cell).uuid, **counted)
    left = {"blob": f"{made.public_id} is gone", "due_at": clock.now() + timedelta(days=400)}
    Condemned.objects.create(organization_id=party_of(cell).uuid, **left)
    return made.public_id


def _derivative(cell: Cell, blob: str) -> None:
    """What the preset that every bucket has made of the version, as if it had been an image."""
    with suppress(BlobExists):  # bytes stay where rows are rolled back
        stores.store().put(f"{blob}-preview", BytesIO(b"made up"))
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


@example("event_type")
def _event_type(_cell: Cell) -> str:
    """A type of events of the whole tenant, by its name: the same for everybody in it."""
    known = {"id": same_id("sweep:event type"), "schema": {"type": "object"}}
    return EventType.objects.get_or_create(name="pool_order.paid", defaults=known)[0].name


@example("evy")
def _event_type_by_id(_cell: Cell) -> str:
    """The same one by its id, for pages."""
    return encode("evy", same_id("sweep:event type"))


@example("evt")
def _event(cell: Cell) -> str:
    """Something that the party's person did."""
    made = Event.objects.create(
        id=unlike(cell, "happened"),
        at=clock.now(),
        type="agent.updated",
        subject=party_of(cell).agent,
        organization_id=party_of(cell).uuid,
        actor={"kind": "user", "id": party_of(cell).person, "name": cell.mark},
        data={"updated": [party_of(cell).agent]},
    )
    return made.public_id


@example("whe")
def _webhook_endpoint(cell: Cell) -> str:
    """An endpoint of the party, with what was sent to it and what failed."""
    made = WebhookEndpoint(
        id=unlike(cell, "endpoint"),
        organization_id=party_of(cell).uuid,
        url="https://93.184.215.14/",
        description=cell.mark,
        event_types=["nothing.*"],
    )
    made.secrets = made.sealed(SigningSecrets.new())
    made.save(force_insert=True)
    made.listen()
    return made.public_id


@example("dlv")
def _delivery(cell: Cell) -> str:
    """What failed to arrive there."""
    made = Delivery.objects.create(
        id=unlike(cell, "delivery"),
        endpoint_id=unlike(cell, "endpoint"),
        organization_id=party_of(cell).uuid,
        event=unlike(cell, "happened"),
        event_type="agent.updated",
        body=dumps({"type": "agent.updated", "data": {"name": cell.mark}}).decode(),
        state="failed",
        job=unlike(cell, "sending"),
        attempt=1,
        finished_at=clock.now(),
    )
    return made.public_id


@example("queue")
def _queue(_cell: Cell) -> str:
    """A queue of the whole tenant, by its name: the same for everybody in it."""
    return Queue.objects.get_or_create(name="hull", defaults={"id": same_id("sweep:queue")})[0].name


@example("que")
def _queue_by_id(cell: Cell) -> str:
    """The one whose jobs are sent to a URL, by its id, for pages."""
    _pushed_queue(cell)
    return encode("que", same_id("sweep:pushed queue"))


@example("job")
def _job(cell: Cell) -> str:
    """A job that a worker of the party holds, with a step that it remembers.

    Its lease is there in the first tenant of two with the same ids: the registry knows each id once.
    """
    assert cell.space is not None
    known = {"organization_id": party_of(cell).uuid, "started_at": clock.now()}
    token, until = unlike(cell, "lease"), clock.now() + timedelta(days=1)
    made = Job.objects.create(
        id=unlike(cell, "job"),
        queue="hull",
        kind="made",
        state="running",
        payload={"mark": cell.mark},
        attempt=1,
        lease_token=token,
        worker=cell.mark[:100],
        **known,
    )
    Attempt.objects.create(job=made, number=1, token=token, worker=cell.mark[:100], **known)
    Step.objects.create(
        job=made,
        name="made",
        kind="result",
        result=cell.mark,
        done_at=clock.now(),
        organization_id=party_of(cell).uuid,
    )
    row = dispatch_of(made)
    row.state, row.token, row.leased_until = "leased", token, until
    with registry():
        Dispatch.objects.bulk_create([row], ignore_conflicts=True)
    return made.public_id


@example("dead_job")
def _dead_job(cell: Cell) -> str:
    """One that is over and can be sent on its way again."""
    made = Job.objects.create(
        id=unlike(cell, "dead job"),
        organization_id=party_of(cell).uuid,
        queue="hull",
        kind="made",
        state="dead",
        error={"type": "made", "message": cell.mark},
        finished_at=clock.now(),
    )
    return made.public_id


@example("name")
def _step_name(_cell: Cell) -> str:
    """Of a step: the same for everybody."""
    return "made"


@example("sch")
def _schedule(cell: Cell) -> str:
    """A schedule of the party that is paused, and the time at which it last fired."""
    made = Schedule.objects.create(
        id=unlike(cell, "schedule"),
        organization_id=party_of(cell).uuid,
        name=cell.mark,
        every_seconds=3600,
        queue="swept",
        kind="swept",
        payload={"mark": cell.mark},
        paused_at=clock.now(),
    )
    known = {"schedule": made, "organization_id": party_of(cell).uuid, "at": clock.now()}
    Firing.objects.create(id=unlike(cell, "firing"), outcome="skipped", reason=cell.mark, **known)
    return made.public_id


@example("pushed_queue")
def _pushed_queue(_cell: Cell) -> str:
    """A queue of the whole tenant whose jobs are sent to a URL, by its name: the same for everybody in it."""
    made = Queue.objects.filter(name="pushed").first()
    if made is None:
        made = Queue(id=same_id("sweep:pushed queue"), name="pushed", push_url="https://93.184.215.14/")
        pushing.issue(made)
        made.save(force_insert=True)
    return made.name
