"""What both stores refuse, and what of it is nobody's loss: other bytes, and requests that were signed for others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from apps.core import clock
from apps.storage import stores
from apps.storage.tests.parcels import PNG, announce, sha256, stored
from tests.client import Answer, Api
from tests.s3.wire import altered, at, content_of, send, sent, spliced, version_of
from tests.scratch import Scratch, scratch_tenant
from tests.world import World

pytestmark = pytest.mark.slow

WRONG = sha256(b"something else")
#: What does not say of itself what it is, and what it is.
NO_PNGS = [
    (b"<!DOCTYPE html><script>alert(1)</script>", "text/html"),
    (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
    (b"\xff\xd8\xff\xe0 a photo", "image/jpeg"),
]


@pytest.fixture
def other(me: Api) -> Iterator[Scratch]:
    """Another tenant, with a bucket of the same name."""
    with scratch_tenant() as made:
        assert Api(made.key).post("/v1/buckets", {"name": "photos"}).status == 201
        yield made


def path_of(made: Answer) -> str:
    return f"/v1/files/{made['id']}"


@pytest.mark.parametrize("multipart", [False, True])
def test_another_size(me: Api, multipart: bool) -> None:
    made = announce(me, multipart=multipart)
    for content in (PNG[:-1], PNG + b"!", b""):
        assert 400 <= send(made["upload"], content).status_code < 500
        refused = me.post(f"{path_of(made)}/complete")
        assert (refused.status, refused.code) == (409, "upload_missing")
    assert send(made["upload"], PNG).status_code == 200
    assert me.post(f"{path_of(made)}/complete")["status"] == "ready"


def test_other_bytes_than_the_header_says(me: Api) -> None:
    made = announce(me)
    assert send(made["upload"], PNG, content_md5="1B2M2Y8AsgTpgAmY7PhCfg==").status_code == 400
    assert me.post(f"{path_of(made)}/complete").code == "upload_missing"
    assert send(made["upload"], PNG).status_code == 200
    assert me.post(f"{path_of(made)}/complete")["status"] == "ready"


def test_other_bytes_than_were_announced(me: Api) -> None:
    made = announce(me, sha256=WRONG)
    assert send(made["upload"], PNG).status_code == 200
    path = path_of(made)
    for _ in range(2):
        refused = me.post(f"{path}/complete")
        assert (refused.status, refused.code, refused["sha256"]) == (409, "checksum_mismatch", sha256(PNG))
    assert me.get(f"{path}/content").code == "file_not_ready"
    assert stored(me) == {"photos": (0, 0)}
    again = me.post(f"{path}/versions", {"size": len(PNG), "content_type": "image/png"})
    assert send(again["upload"], PNG).status_code == 200
    assert me.post(f"{path}/complete")["current_version"] == 2


def test_other_parts_than_were_said_in_the_end(me: Api) -> None:
    made = announce(me, multipart=True)
    assert send(made["upload"], PNG).status_code == 200
    refused = me.post(f"{path_of(made)}/complete", {"sha256": WRONG})
    assert (refused.status, refused.code, refused["sha256"]) == (409, "checksum_mismatch", sha256(PNG))
    assert me.post(f"{path_of(made)}/complete", {"sha256": sha256(PNG)})["status"] == "ready"


def test_what_is_no_png(me: Api) -> None:
    for content, found in NO_PNGS:
        made = announce(me, content)
        assert send(made["upload"], content).status_code == 200
        refused = me.post(f"{path_of(made)}/complete")
        assert (refused.status, refused.code, refused["found"]) == (422, "content_type_mismatch", found)
        for way in ("content", "link"):
            assert me.get(f"{path_of(made)}/{way}").code == "file_not_ready"


def test_what_has_expired(me: Api, scratch: Scratch) -> None:
    path = sent(me, PNG)
    with at(clock.now() - timedelta(hours=2)):
        made = announce(me)
        links = [me.get(f"{path}/content").body, me.get(f"{path}/link?seconds=60").body]
    for link in links:
        assert send(link).status_code == 403
    assert send(made["upload"], PNG).status_code == 403
    assert stores.store().stat(version_of(scratch, path_of(made)).blob) is None
    assert send(me.get(f"{path_of(made)}/upload").body, PNG).status_code == 200, "it can be had anew"
    assert send(me.get(f"{path}/link?seconds=60").body).content == PNG


def test_what_was_altered(me: Api, scratch: Scratch) -> None:
    link, made = me.get(f"{sent(me, PNG)}/link").body, announce(me)
    for url in altered(link["url"]):
        assert send(link, url=url).status_code == 403, url
    for url in altered(made["upload"]["url"]):
        assert send(made["upload"], PNG, url=url).status_code == 403, url
    assert send({**link, "method": "PUT"}, PNG).status_code == 403
    assert send({**made["upload"], "method": "GET"}).status_code == 403
    assert stores.store().stat(version_of(scratch, path_of(made)).blob) is None
    assert send(made["upload"], PNG).status_code == 200


def test_what_was_signed_for_another_tenant(me: Api, other: Scratch, scratch: Scratch) -> None:
    theirs = Api(other.key)
    mine, their_link = me.get(f"{sent(me, PNG)}/link").body, theirs.get(f"{sent(theirs, PNG)}/link").body
    assert send(mine, url=spliced(mine["url"], their_link["url"])).status_code == 403
    opened, their_opened = announce(me), announce(theirs)
    url = spliced(opened["upload"]["url"], their_opened["upload"]["url"])
    assert send(opened["upload"], PNG, url=url).status_code == 403
    assert stores.store().stat(version_of(other, path_of(their_opened)).blob) is None
    assert send(mine, url=spliced(mine["url"], mine["url"])).content == PNG, "what is spliced right is good"
    for path in (path_of(their_opened), path_of(opened)):
        stranger = me if path == path_of(their_opened) else theirs
        assert stranger.get(f"{path}/upload").code == "not_found"


def test_what_is_used_on_a_host_of_another_tenant(
    me: Api, place: str, scratch: Scratch, committing: World
) -> None:
    """Our own edge asks whose the host is, and what S3 signs names the host."""
    link, made = me.get(f"{sent(me, PNG)}/link").body, announce(me)
    refusal = 401 if place == "local" else 403
    host = committing.acorn.host
    assert send(link, host=host).status_code == refusal
    assert send(made["upload"], PNG, host=host).status_code == refusal
    assert stores.store().stat(version_of(scratch, path_of(made)).blob) is None


def test_what_is_complete_is_not_changed_by_a_url_that_is_alive(me: Api) -> None:
    made = announce(me)
    assert send(made["upload"], PNG).status_code == 200
    assert me.post(f"{path_of(made)}/complete")["status"] == "ready"
    assert send(made["upload"], PNG[::-1]).status_code in (409, 412)
    assert content_of(me, path_of(made)) == PNG
