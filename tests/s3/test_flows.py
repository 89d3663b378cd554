"""What people do with files, whole, and the same on both stores: bytes go there by signed requests, and come back."""

from __future__ import annotations

import os
from io import BytesIO
from urllib.parse import unquote

import pytest
from PIL import Image

from apps.storage import stores
from apps.storage.images.tests.pictures import corners, encoded, exif
from apps.storage.models import Derivative
from apps.storage.tests.parcels import PNG, announce, sha256, stored
from apps.storage.uploads import PART_SIZE
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.s3.wire import another, content_of, send, send_half, sent, version_of
from tests.scratch import Scratch

pytestmark = pytest.mark.slow

OTHER = PNG + b"other"
#: What is asked for, and of an answer: its status, Content-Range, and the bytes.
RANGES = [
    ("bytes=0-7", 206, "bytes 0-7/264", PNG[:8]),
    ("bytes=8-", 206, "bytes 8-263/264", PNG[8:]),
    ("bytes=-5", 206, "bytes 259-263/264", PNG[-5:]),
    ("bytes=264-", 416, "bytes */264", None),
]


def complete(me: Api, path: str, **body: str) -> Answer:
    return me.post(f"{path}/complete", body)


def test_there_and_back(me: Api) -> None:
    made = announce(me, name="Füße & Katze.png", sha256=sha256(PNG))
    path = f"/v1/files/{made['id']}"
    assert complete(me, path).code == "upload_missing"
    assert send(made["upload"], PNG).status_code == 200
    assert send(made["upload"], PNG[::-1]).status_code in (409, 412), "its URL is good once"
    done = complete(me, path)
    assert (done["status"], done["size"], done["sha256"]) == ("ready", len(PNG), sha256(PNG))
    assert done["content_type"] == "image/png"
    got = send(me.get(f"{path}/content").body)
    assert (got.status_code, got.content) == (200, PNG)
    assert got.headers["content-type"] == "image/png"
    assert got.headers["content-disposition"].startswith("attachment; ")
    said = got.headers["content-disposition"].partition("filename*=UTF-8''")[2]
    assert unquote(said) == "Füße & Katze.png"
    assert stored(me) == {"photos": (len(PNG), 1)}


def test_a_browser_shows_what_is_safe_and_saves_the_rest(me: Api) -> None:
    picture = sent(me, PNG)
    page = sent(me, b"<!DOCTYPE html><script>alert(1)</script>", name="page.html", content_type="text/html")
    drawing = sent(
        me, b"<svg xmlns='http://www.w3.org/2000/svg'/>", name="a.svg", content_type="image/svg+xml"
    )
    how = {
        path: send(me.get(f"{path}/content?disposition=inline").body).headers["content-disposition"]
        for path in (picture, page, drawing)
    }
    assert how == {
        picture: 'inline; filename="cat.png"',
        page: 'attachment; filename="page.html"',
        drawing: 'attachment; filename="a.svg"',
    }


def test_ranges(me: Api) -> None:
    request = me.get(f"{sent(me, PNG)}/content").body
    for asked, status, said, expected in RANGES:
        got = send(request, range=asked)
        assert (got.status_code, got.headers["content-range"]) == (status, said), asked
        assert expected is None or got.content == expected
    kept = send(request, if_none_match=send(request).headers["etag"])
    assert (kept.status_code, kept.content) == (304, b"")


def test_an_upload_that_breaks_off_is_sent_again(me: Api, scratch: Scratch) -> None:
    content = os.urandom(3 * 2**20)
    made = announce(me, content, content_type="application/octet-stream")
    path = f"/v1/files/{made['id']}"
    send_half(made["upload"], content)
    assert complete(me, path).code == "upload_missing"
    assert stores.store().stat(version_of(scratch, path).blob) is None
    assert send(me.get(f"{path}/upload").body, content).status_code == 200
    assert complete(me, path)["sha256"] == sha256(content)


def test_in_parts_that_go_on_where_they_broke(me: Api) -> None:
    content = os.urandom(2 * PART_SIZE + 77)
    made = announce(me, content, content_type="application/octet-stream", multipart=True)
    path = f"/v1/files/{made['id']}"
    assert made["upload"]["multipart"] == {"part_size": PART_SIZE, "parts": 3}
    pieces = {number: content[(number - 1) * PART_SIZE : number * PART_SIZE] for number in (1, 2, 3)}
    for number in (3, 1):
        assert send(me.get(f"{path}/parts/{number}").body, pieces[number]).status_code == 200
    send_half(me.get(f"{path}/parts/2").body, pieces[2])
    broken = me.get(f"{path}/parts")
    assert ([row["number"] for row in broken["arrived"]], broken["missing"]) == ([1, 3], [2])
    early = complete(me, path)
    assert (early.status, early.code, early["missing"]) == (409, "upload_missing", [2])
    assert send(me.get(f"{path}/parts/2").body, pieces[2]).status_code == 200
    done = complete(me, path, sha256=sha256(content))
    assert (done["status"], done["size"], done["sha256"]) == ("ready", len(content), sha256(content))
    across = send(me.get(f"{path}/content").body, range=f"bytes={PART_SIZE - 3}-{PART_SIZE + 2}")
    assert across.content == content[PART_SIZE - 3 : PART_SIZE + 3]
    assert content_of(me, path) == content


def test_a_part_that_is_sent_again_replaces_itself(me: Api) -> None:
    made = announce(me, multipart=True)
    path = f"/v1/files/{made['id']}"
    for content in (PNG[::-1], PNG):
        assert send(made["upload"], content).status_code == 200
    assert complete(me, path)["sha256"] == sha256(PNG)
    assert send(made["upload"], PNG[::-1]).status_code == 404, "it is over"
    assert content_of(me, path) == PNG


def test_versions(me: Api) -> None:
    path = sent(me, PNG)
    assert another(me, path, OTHER)["current_version"] == 2
    assert (content_of(me, path), content_of(me, path, "?version=1")) == (OTHER, PNG)
    back = me.post(f"{path}/versions/1/restore")
    assert (back["current_version"], back["sha256"]) == (1, sha256(PNG))
    assert content_of(me, path) == PNG
    assert stored(me) == {"photos": (len(PNG) + len(OTHER), 1)}


def test_derivatives(me: Api, scratch: Scratch) -> None:
    me.patch("/v1/buckets/photos", {"presets": {"thumb": {"width": 60, "height": 60, "fit": "cover"}}})
    path = sent(me, encoded(corners((600, 400)), "JPEG", exif=exif(6)), content_type="image/jpeg")
    answer = me.get(f"{path}/derivatives/thumb")
    assert answer.status == 302, answer
    got = send(answer.body)
    assert got.headers["content-type"] == "image/webp"
    assert got.headers["content-disposition"] == 'inline; filename="cat-thumb.webp"'
    image = Image.open(BytesIO(got.content))
    assert (image.format, image.size, dict(image.getexif())) == ("WEBP", (60, 60), {})
    assert [row["preset"] for row in me.get(f"{path}/derivatives")["data"]] == ["thumb"]
    with enter(scratch.ref):
        blob = Derivative.objects.get().blob
    me.patch("/v1/buckets/photos", {"presets": {}})
    assert send(answer.body).status_code == 404, "what a preset made goes with it"
    assert stores.store().stat(blob) is None


def test_a_public_file_is_everybodys_and_no_other_is(me: Api) -> None:
    key = me.post("/v1/keys", {"name": "site", "kind": "publishable", "scopes": ["*"], "expires_in_days": 1})
    visitor = Api(headers={"Packmule-Key": key["secret"]})
    assert me.post("/v1/buckets", {"name": "shown", "visibility": "public"}).status == 201
    shown, hidden = sent(me, PNG, bucket="shown"), sent(me, PNG)
    assert visitor.get(shown)["status"] == "ready"
    assert content_of(visitor, shown) == PNG
    for way in ("", "/content", "/link"):
        assert visitor.get(f"{hidden}{way}").code == "not_found"
    me.patch("/v1/buckets/shown", {"visibility": "private"})
    assert visitor.get(f"{shown}/content").code == "not_found"


def test_an_empty_file_and_one_without_a_word_about_its_type(me: Api) -> None:
    empty = sent(me, b"", name="empty.txt", content_type="text/plain")
    assert content_of(me, empty) == b""
    spoke = sent(me, PNG, content_type="application/octet-stream")
    assert me.get(spoke)["content_type"] == "image/png"
