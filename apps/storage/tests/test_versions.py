"""Versions of a file, its name, tags and metadata, and bringing it back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.core.strictjson import timestamp
from apps.storage.tests.parcels import (
    PNG,
    announce,
    another_version,
    content_of,
    make_bucket,
    sha256,
    stored,
    uploaded,
)
from tests.client import Api
from tests.world import World

OTHER = PNG + b"other"


@pytest.fixture
def me(world: World, api: Api) -> Api:
    make_bucket(world.acorn)
    return api.using(world.acorn.parties["north"].person_key)


def test_another_version_and_back(world: World, me: Api) -> None:
    path = uploaded(world.acorn, me)
    opened = me.post(f"{path}/versions", {"size": len(OTHER), "content_type": "image/png"})
    assert (opened["sha256"], opened["upload"]["number"]) == (sha256(PNG), 2)
    changed = another_version(world.acorn, me, path, OTHER)
    assert (changed["current_version"], changed["sha256"]) == (3, sha256(OTHER))
    listed = me.get(f"{path}/versions")["data"]
    assert [(row["number"], row["status"]) for row in listed] == [(3, "ready"), (2, "pending"), (1, "ready")]
    assert content_of(me, path) == OTHER
    assert me.get(f"{path}/content?version=1")["url"] != me.get(f"{path}/content?version=3")["url"]
    assert me.get(f"{path}/content?version=2").code == "file_not_ready"
    assert me.get(f"{path}/content?version=9").code == "file_version_unknown"
    assert stored(me) == {"photos": (len(PNG) + len(OTHER), 1)}
    back = me.post(f"{path}/versions/1/restore")
    assert (back["current_version"], back["sha256"]) == (1, sha256(PNG))
    assert content_of(me, path) == PNG
    assert me.post(f"{path}/versions/2/restore").code == "file_not_ready"
    assert me.post(f"{path}/versions/9/restore").code == "file_version_unknown"


def test_a_restored_version_is_not_the_one_that_goes(world: World, me: Api, api: Api) -> None:
    api.using(world.acorn.root_key).patch("/v1/buckets/photos", {"versions_kept": 2})
    path = uploaded(world.acorn, me)
    another_version(world.acorn, me, path, OTHER)
    me.post(f"{path}/versions/1/restore")
    another_version(world.acorn, me, path, PNG + b"third")
    assert [row["number"] for row in me.get(f"{path}/versions")["data"]] == [3, 2]
    assert me.get(path)["current_version"] == 3


def test_what_is_said_about_a_file_changes(world: World, me: Api) -> None:
    path = uploaded(world.acorn, me, tags={"color": "red"})
    version = me.get(path).headers["ETag"]
    soon = timestamp(clock.now() + timedelta(hours=1))
    changed = me.patch(path, {"name": "dog.png", "tags": {"a": ""}, "expires_at": soon}, if_match=version)
    assert (changed["name"], changed["tags"], changed["expires_at"]) == ("dog.png", {"a": ""}, soon)
    assert me.patch(path, {"name": "x"}, if_match=version).code == "version_mismatch"
    assert me.patch(path, {"expires_at": "2020-01-01T00:00:00Z"})["errors"][0]["code"] == "in_the_past"
    assert me.patch(path, {"name": "a/b"}).code == "validation_failed"


@pytest.mark.parametrize(
    "tags", [{"a b": "x"}, {"a": 1}, {"a": "x" * 101}, {"a": "\u202e"}, {f"t{n}": "" for n in range(21)}, []]
)
def test_tags_that_are_none(me: Api, tags: object) -> None:
    refused = announce(me, tags=tags)
    assert (refused.status, refused["errors"][0]["field"].partition(".")[0]) == (422, "tags")


def test_metadata_is_kept_as_it_was_said_and_replaced_as_a_whole(world: World, me: Api) -> None:
    said = {"camera": {"make": "Leica", "iso": 400}, "places": ["Rome", None, 1.5], "raw": False, "Größe": ""}
    path = uploaded(world.acorn, me, metadata=said)
    assert me.get(path)["metadata"] == said
    assert [row["metadata"] for row in me.get("/v1/files")["data"]] == [said]
    assert me.patch(path, {"name": "dog.png"})["metadata"] == said
    assert me.patch(path, {"metadata": {"a": {"b": 1}}})["metadata"] == {"a": {"b": 1}}
    assert me.patch(path, {"metadata": {"a": {"c": 2}}})["metadata"] == {"a": {"c": 2}}
    assert me.patch(path, {"metadata": None})["metadata"] == {}
    assert announce(me, metadata=None)["metadata"] == announce(me)["metadata"] == {}


def nested(levels: int) -> dict[str, Any]:
    """An object of so many levels."""
    return {"a": nested(levels - 1)} if levels > 1 else {}


def test_metadata_is_bounded(me: Api) -> None:
    most = {"a": "x" * (4096 - len('{"a":""}'))}
    assert announce(me, metadata=most)["metadata"] == most
    assert announce(me, metadata=nested(5))["metadata"] == nested(5)


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"a": "x" * 4089}, "metadata_too_large"),
        ({"a": "ä" * 2045}, "metadata_too_large"),
        (nested(6), "metadata_too_deep"),
        ({"a": [[[[[]]]]]}, "metadata_too_deep"),
        ([], "invalid_type"),
        ("{}", "invalid_type"),
        (0, "invalid_type"),
    ],
)
def test_metadata_that_is_none(me: Api, metadata: object, code: str) -> None:
    refused = announce(me, metadata=metadata)
    assert (refused.status, refused["errors"][0]["field"], refused["errors"][0]["code"]) == (
        422,
        "metadata",
        code,
    )


def test_files_are_found_by_what_is_said_about_them(world: World, me: Api) -> None:
    make_bucket(world.acorn, "papers")
    cat = uploaded(world.acorn, me, tags={"color": "red", "kind": "cat"})
    announce(me, name="car.png", tags={"color": "red"})
    announce(me, name="dog.png", bucket="papers")

    def named(query: str) -> list[str]:
        return [row["name"] for row in me.get(f"/v1/files?{query}")["data"]]

    assert named("prefix=ca") == ["car.png", "cat.png"]
    assert named("bucket=papers") == ["dog.png"]
    assert named("bucket=nothing") == []
    assert named("status=ready") == ["cat.png"]
    assert named("tag[color]=red") == ["car.png", "cat.png"]
    assert named("tag[color]=red&tag[kind]=cat") == ["cat.png"]
    assert named(f"owner={world.acorn.parties['north'].person}&limit=1") == ["dog.png"]
    assert me.get("/v1/files?colour=red").code == "parameters_invalid"
    me.delete(cat)
    assert named("prefix=cat") == []
    assert named("status=deleted") == ["cat.png"]


def test_a_deleted_file_takes_nothing_until_it_is_restored(world: World, me: Api) -> None:
    path = uploaded(world.acorn, me)
    me.delete(path)
    for refused in (
        me.patch(path, {"name": "x"}),
        me.get(f"{path}/link"),
        me.get(f"{path}/versions"),
        me.post(f"{path}/versions", {"size": 1}),
        me.post(f"{path}/complete"),
        me.delete(path),
    ):
        assert refused.code == "not_found"
    assert stored(me) == {"photos": (len(PNG), 1)}
    assert me.post(f"{path}/restore")["deleted_at"] is None
    assert me.post(f"{path}/restore").status == 200
    assert content_of(me, path) == PNG


def test_what_the_bucket_keeps_no_longer_is_not_restored(world: World, me: Api, api: Api) -> None:
    path = uploaded(world.acorn, me)
    me.delete(path)
    root = api.using(world.acorn.root_key)
    root.patch("/v1/buckets/photos", {"retention_days": 1})
    with clock.frozen(clock.now() + timedelta(days=2)):
        assert me.post(f"{path}/restore").code == "retention_over"
        root.patch("/v1/buckets/photos", {"retention_days": None})
        assert me.post(f"{path}/restore").status == 200
