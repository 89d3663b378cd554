"""How files end on both stores: deleted and brought back, purged, expired, given up; and no bytes stay behind."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.core import clock
from apps.core.strictjson import timestamp
from apps.storage import chores, stores
from apps.storage.images.tests.pictures import corners, encoded
from apps.storage.models import Condemned, Derivative
from apps.storage.stores.errors import UploadGone
from apps.storage.tests.parcels import PNG, announce, stored
from apps.tenancy.walls import enter
from tests.client import Api
from tests.s3.wire import another, content_of, send, sent, version_of
from tests.scratch import Scratch

pytestmark = pytest.mark.slow

DAY = timedelta(days=1, seconds=1)


def lies(blob: str) -> bool:
    return stores.store().stat(blob) is not None


def run(me: Api, **did: int) -> None:
    """Have the lifecycle run, which says that it `did` so much."""
    report = me.post("/v1/storage/lifecycle")
    assert report.status == 200, report
    assert {name: report[name] for name in did} == did


def test_deleted_and_brought_back(me: Api, scratch: Scratch) -> None:
    path = sent(me, PNG)
    link = me.get(f"{path}/link").body
    assert me.delete(path).status == 204
    assert me.get(f"{path}/content").code == "not_found"
    assert send(link).content == PNG, "what was handed out before is good until it expires"
    assert stored(me) == {"photos": (len(PNG), 1)}
    assert me.post(f"{path}/restore")["status"] == "ready"
    assert content_of(me, path) == PNG


def test_purged_with_all_that_was_made_of_it(me: Api, scratch: Scratch) -> None:
    me.patch("/v1/buckets/photos", {"presets": {"thumb": {"width": 60}}})
    path = sent(me, encoded(corners()))
    assert another(me, path, encoded(corners((300, 200))))["current_version"] == 2
    thumb, link = me.get(f"{path}/derivatives/thumb").body, me.get(f"{path}/link?version=1").body
    assert (send(thumb).status_code, send(link).status_code) == (200, 200)
    with enter(scratch.ref):
        blobs = [version_of(scratch, path, number).blob for number in (1, 2)]
        blobs.append(Derivative.objects.get().blob)
    assert [lies(blob) for blob in blobs] == [True] * 3
    assert me.post(f"{path}/purge").status == 204
    assert [lies(blob) for blob in blobs] == [False] * 3
    assert (send(thumb).status_code, send(link).status_code) == (404, 404)
    assert me.post(f"{path}/restore").code == "not_found"
    assert stored(me) == {"photos": (0, 0)}


def test_what_is_sent_again_after_a_purge_goes_too(me: Api, scratch: Scratch) -> None:
    """Its URL is good for a while yet, and the place is free again."""
    made = announce(me)
    path = f"/v1/files/{made['id']}"
    assert send(made["upload"], PNG).status_code == 200
    assert me.post(f"{path}/complete").status == 200
    blob = version_of(scratch, path).blob
    assert me.post(f"{path}/purge").status == 204
    assert send(made["upload"], PNG).status_code == 200
    assert lies(blob)
    with clock.frozen(clock.now() + timedelta(hours=26)):
        run(me)
    assert not lies(blob)


def test_a_file_that_expires(me: Api, scratch: Scratch) -> None:
    path = sent(me, PNG, expires_at=timestamp(clock.now() + timedelta(hours=1)))
    blob = version_of(scratch, path).blob
    with clock.frozen(clock.now()) as moved:
        run(me, expired=0, purged=0)
        moved.move(timedelta(hours=2))
        run(me, expired=1)
        assert me.get(path).code == "not_found"
        assert lies(blob)
        moved.move(timedelta(days=31))
        run(me, purged=1)
    assert not lies(blob)
    assert stored(me) == {"photos": (0, 0)}


def test_a_file_that_its_bucket_keeps_no_longer(me: Api, scratch: Scratch) -> None:
    me.patch("/v1/buckets/photos", {"retention_days": 1})
    path = sent(me, PNG)
    with clock.frozen(clock.now() + DAY):
        run(me, expired=1)
        assert me.post(f"{path}/restore").code == "retention_over"
        me.patch("/v1/buckets/photos", {"retention_days": None})
        assert me.post(f"{path}/restore")["status"] == "ready"
        assert content_of(me, path) == PNG


def test_uploads_that_nobody_completes(me: Api, scratch: Scratch) -> None:
    whole, parts = announce(me), announce(me, multipart=True)
    for made in (whole, parts):
        assert send(made["upload"], PNG).status_code == 200
    versions = [version_of(scratch, f"/v1/files/{made['id']}") for made in (whole, parts)]
    with clock.frozen(clock.now() + DAY) as moved:
        run(me, abandoned=2)
        moved.move(timedelta(hours=1))
        run(me)
    assert [lies(version.blob) for version in versions] == [False, False]
    with pytest.raises(UploadGone):
        stores.store().parts(versions[1].blob, versions[1].upload_id)
    assert send(parts["upload"], PNG).status_code == 404
    row = me.get("/v1/storage/usage")["data"][0]
    assert (row["bytes"], row["reserved_bytes"], row["open_uploads"]) == (0, 0, 0)


@pytest.mark.parametrize("multipart", [False, True])
def test_an_upload_that_is_given_up(me: Api, scratch: Scratch, multipart: bool) -> None:
    path = sent(me, PNG)
    made = me.post(
        f"{path}/versions", {"size": len(PNG), "content_type": "image/png", "multipart": multipart}
    )
    assert send(made["upload"], PNG).status_code == 200
    version = version_of(scratch, path, 2)
    assert me.delete(f"{path}/upload").status == 204
    with clock.frozen(clock.now() + DAY + timedelta(hours=1)):
        run(me)
    assert not lies(version.blob)
    assert me.post(f"{path}/complete", {"version": 2}).code == "file_version_unknown"
    assert content_of(me, path) == PNG


def test_a_refused_content_is_given_up(me: Api, scratch: Scratch) -> None:
    content = b"<!DOCTYPE html>"
    made = announce(me, content)
    assert send(made["upload"], content).status_code == 200
    assert me.post(f"/v1/files/{made['id']}/complete").code == "content_type_mismatch"
    blob = version_of(scratch, f"/v1/files/{made['id']}").blob
    assert lies(blob)
    with clock.frozen(clock.now() + DAY + timedelta(hours=1)) as moved:
        run(me)
        moved.move(timedelta(hours=1))
        run(me)
    assert not lies(blob)


def test_versions_that_are_kept_no_longer(me: Api, scratch: Scratch) -> None:
    me.patch("/v1/buckets/photos", {"versions_kept": 2})
    path = sent(me, PNG)
    first = version_of(scratch, path).blob
    link = me.get(f"{path}/link").body
    for more in (b"2", b"3"):
        assert another(me, path, PNG + more).status == 200
    assert (lies(first), send(link).status_code) == (False, 404)
    assert [row["number"] for row in me.get(f"{path}/versions")["data"]] == [3, 2]
    assert stored(me) == {"photos": (2 * len(PNG) + 2, 1)}


def test_a_bucket_that_is_emptied(me: Api, scratch: Scratch) -> None:
    paths = [sent(me, PNG + str(number).encode()) for number in range(3)]
    blobs = [version_of(scratch, path).blob for path in paths]
    me.delete(paths[0])
    assert me.post("/v1/buckets/photos/empty")["purged"] == 3
    assert [lies(blob) for blob in blobs] == [False] * 3
    assert me.delete("/v1/buckets/photos").status == 204


def test_what_was_begun_and_is_nobodys_is_tidied_away(me: Api, scratch: Scratch) -> None:
    """A process that dies between the store and the database leaves an upload of which no row tells."""
    made = announce(me, multipart=True)
    version = version_of(scratch, f"/v1/files/{made['id']}")
    orphan = stores.store().start_multipart(version.blob)
    assert chores.tidy() == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chores, "BROKEN_FOR", timedelta(seconds=-5))
        assert chores.tidy() >= 1
    with pytest.raises(UploadGone):
        stores.store().parts(version.blob, orphan)


def test_nothing_waits_to_be_deleted_in_the_end(me: Api, scratch: Scratch) -> None:
    for _ in range(3):
        path = sent(me, PNG)
        assert me.post(f"{path}/purge").status == 204
    with enter(scratch.ref):
        assert Condemned.objects.count() >= 3, "their URLs are good for a while yet"
    with clock.frozen(clock.now() + timedelta(hours=26)):
        run(me)
    with enter(scratch.ref):
        assert Condemned.objects.count() == 0
