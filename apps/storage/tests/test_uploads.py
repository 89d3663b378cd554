"""Uploads: by signed requests straight to the store, whole or in parts, and what is refused when they are complete."""

from __future__ import annotations

from typing import Any

import pytest

from apps.storage import uploads
from apps.storage.tests.parcels import PNG, announce, arrive, content_of, make_bucket, send, sha256, stored
from tests.client import Answer, Api
from tests.world import World


@pytest.fixture
def me(world: World, api: Api) -> Api:
    make_bucket(world.acorn)
    return api.using(world.acorn.parties["north"].person_key)


def complete(me: Api, made: Answer, **body: Any) -> Answer:
    return me.post(f"/v1/files/{made['id']}/complete", body)


def test_by_the_signed_request_and_back(me: Api) -> None:
    made = announce(me)
    assert send(made["upload"], PNG).status_code < 300
    assert complete(me, made)["sha256"] == sha256(PNG)
    assert content_of(me, f"/v1/files/{made['id']}") == PNG


def test_in_parts_that_go_on_where_they_broke(me: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PART_SIZE", 100)
    monkeypatch.setattr(uploads, "MIB", 100)
    made = announce(me, multipart=True)
    path = f"/v1/files/{made['id']}"
    assert made["upload"]["multipart"] == {"part_size": 100, "parts": 3}
    assert me.get(f"{path}/parts")["missing"] == [1, 2, 3]
    for number in (3, 1):
        part = me.get(f"{path}/parts/{number}")
        assert send(part.body, PNG[(number - 1) * 100 : number * 100]).status_code < 300
    broken = me.get(f"{path}/parts")
    assert ([row["number"] for row in broken["arrived"]], broken["missing"]) == ([1, 3], [2])
    early = complete(me, made)
    assert (early.status, early.code, early["missing"]) == (409, "upload_missing", [2])
    assert me.get(f"{path}/parts/4").code == "part_unknown"
    assert send(me.get(f"{path}/parts/2").body, PNG[100:200]).status_code < 300
    assert complete(me, made)["sha256"] == sha256(PNG)
    assert content_of(me, path) == PNG
    assert me.get(f"{path}/parts").code == "no_open_upload"


@pytest.mark.parametrize(
    ("size", "wanted"), [(1, 8), (72_000 * 2**20, 8), (90_000 * 2**20, 10), (5 * 2**40, 583)]
)
def test_parts_are_whole_mebibytes_and_never_too_many(size: int, wanted: int) -> None:
    assert uploads.part_size(size) == wanted * 2**20
    assert -(-size // uploads.part_size(size)) <= 10_000


def test_a_large_file_goes_in_parts_by_itself(me: Api) -> None:
    assert announce(me, size=64 * 2**20)["upload"]["multipart"] is None
    assert announce(me, size=64 * 2**20 + 1)["upload"]["multipart"] == {"part_size": 8 * 2**20, "parts": 9}
    assert announce(me, size=64 * 2**20 + 1, multipart=False)["upload"]["multipart"] is None


def test_the_request_can_be_had_again(me: Api) -> None:
    made = announce(me)
    again = me.get(f"/v1/files/{made['id']}/upload")
    assert send(again.body, PNG).status_code < 300
    assert complete(me, made).status == 200
    assert me.get(f"/v1/files/{made['id']}/upload").code == "no_open_upload"


def test_another_number_of_bytes_is_refused(world: World, me: Api) -> None:
    made = announce(me, size=len(PNG) + 1)
    arrive(world.acorn, made["id"], PNG)
    refused = complete(me, made)
    assert (refused.status, refused.code) == (409, "size_mismatch")
    assert (refused["announced"], refused["arrived"]) == (len(PNG) + 1, len(PNG))
    assert stored(me) == {"photos": (0, 0)}


@pytest.mark.parametrize("when", ["announced", "completed"])
def test_other_bytes_are_refused(world: World, me: Api, when: str) -> None:
    other = sha256(b"something else")
    made = announce(me, sha256=other if when == "announced" else "")
    arrive(world.acorn, made["id"], PNG)
    refused = complete(me, made, sha256=other if when == "completed" else "")
    assert (refused.status, refused.code, refused["sha256"]) == (409, "checksum_mismatch", sha256(PNG))
    assert me.get(f"/v1/files/{made['id']}")["status"] == "pending"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"<!DOCTYPE html><script>alert(1)</script>", "text/html"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
        (b"alert(document.cookie)", "text/plain"),
        (b"\xff\xd8\xff\xe0 a photo", "image/jpeg"),
    ],
)
def test_what_is_no_png_is_not_kept_as_one(world: World, me: Api, content: bytes, found: str) -> None:
    made = announce(me, content)
    arrive(world.acorn, made["id"], content)
    refused = complete(me, made)
    assert (refused.status, refused.code, refused["found"]) == (422, "content_type_mismatch", found)
    assert me.get(f"/v1/files/{made['id']}/content").code == "file_not_ready"


def test_the_buckets_types_are_held_against_the_bytes(world: World, me: Api) -> None:
    make_bucket(world.acorn, "scans", content_types=["image/*", "application/pdf"])
    early = announce(me, bucket="scans", content_type="text/html")
    assert (early.status, early.code) == (422, "content_type_refused")
    made = announce(me, b"<html>", bucket="scans", content_type="application/octet-stream")
    arrive(world.acorn, made["id"], b"<html>")
    assert complete(me, made).code == "content_type_refused"
    spoke = announce(me, bucket="scans", content_type="application/octet-stream")
    arrive(world.acorn, spoke["id"], PNG)
    assert complete(me, spoke)["content_type"] == "image/png"


def test_the_largest_that_the_bucket_takes(world: World, me: Api) -> None:
    make_bucket(world.acorn, "small", max_size=10)
    refused = announce(me, bucket="small")
    assert (refused.status, refused.code, refused["max_size"]) == (413, "file_too_large", 10)
    assert announce(me, b"0123456789", bucket="small").status == 201


def test_an_empty_file_is_one(world: World, me: Api) -> None:
    made = announce(me, b"", name="empty.txt", content_type="text/plain")
    assert send(made["upload"]).status_code < 300
    done = complete(me, made)
    assert (done["status"], done["size"], done["sha256"]) == ("ready", 0, sha256(b""))


def test_after_a_refusal_another_upload_is_opened(world: World, me: Api) -> None:
    made = announce(me, b"<html>")
    arrive(world.acorn, made["id"], b"<html>")
    assert complete(me, made).status == 422
    again = me.post(f"/v1/files/{made['id']}/versions", {"size": len(PNG), "content_type": "image/png"})
    assert (again.status, again["upload"]["number"]) == (201, 2)
    assert send(again["upload"], PNG).status_code < 300
    assert complete(me, made)["current_version"] == 2


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../etc/passwd", "path_separator"),
        ("a\\b", "path_separator"),
        ("..", "reserved"),
        (".", "reserved"),
        ("a\x07b", "invalid_character"),
        ("photo\u202egpj.exe", "invalid_character"),
        ("x" * 256, "max_length"),
        ("", "blank"),
    ],
)
def test_names_that_are_none(me: Api, name: str, code: str) -> None:
    refused = announce(me, name=name)
    assert (refused.status, refused["errors"][0]["field"], refused["errors"][0]["code"]) == (
        422,
        "name",
        code,
    )


@pytest.mark.parametrize("name", ["日本語.png", "Grüße, 2026.pdf", "a" * 255, "…", "👩‍👩‍👧.png", "con.txt"])
def test_names_that_people_give(me: Api, name: str) -> None:
    assert announce(me, name=name)["name"] == name


def test_a_name_with_nul_is_no_json_that_is_kept(me: Api) -> None:
    assert announce(me, name="a\0b").code == "malformed_request"
