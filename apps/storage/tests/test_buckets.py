"""Buckets: who makes them, what their rules do, and what becomes of them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core import clock
from apps.storage import buckets
from apps.storage.models import File
from apps.storage.tests.parcels import (
    PNG,
    announce,
    another_version,
    lying,
    make_bucket,
    stored,
    uploaded,
)
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World

Commits = Any


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


def test_a_bucket_from_making_to_deletion(root: Api) -> None:
    rules = {"visibility": "private", "max_size": 1000, "content_types": ["image/*"], "retention_days": 30}
    made = root.post("/v1/buckets", {"name": "photos", **rules})
    assert (made.status, made["id"][:4], made["quota_bytes"]) == (201, "bkt_", None)
    assert {name: made[name] for name in rules} == rules
    assert root.post("/v1/buckets", {"name": "photos"}).code == "bucket_name_taken"
    assert root.get("/v1/buckets/photos").body == root.get(f"/v1/buckets/{made['id']}").body == made.body
    assert root.patch("/v1/buckets/photos", {"max_size": None}, if_match='"v1"')["max_size"] is None
    assert root.patch("/v1/buckets/photos", {"max_size": 1}, if_match='"v1"').code == "version_mismatch"
    assert [row["name"] for row in root.get("/v1/buckets")["data"]] == ["photos"]
    assert root.delete("/v1/buckets/photos").status == 204
    assert root.get("/v1/buckets/photos").code == "not_found"


def test_everybody_reads_the_rules_and_the_tenant_makes_them(world: World, api: Api, root: Api) -> None:
    make_bucket(world.acorn)
    owner = api.using(world.acorn.parties["north"].person_key)
    assert owner.get("/v1/buckets/photos").status == 200
    for refused in (
        owner.post("/v1/buckets", {"name": "mine"}),
        owner.patch("/v1/buckets/photos", {"visibility": "public"}),
        owner.post("/v1/buckets/photos/empty"),
        owner.delete("/v1/buckets/photos"),
        owner.post("/v1/storage/lifecycle"),
    ):
        assert (refused.status, refused.code) == (403, "configuration_of_tenant")
    assert api.using(world.birch.root_key).get("/v1/buckets/photos").code == "not_found"


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"content_types": ["png"]}, "content_types[0]"),
        ({"content_types": ["*/*"]}, "content_types[0]"),
        ({"visibility": "everybody"}, "visibility"),
        ({"max_size": 0}, "max_size"),
        ({"versions_kept": 0}, "versions_kept"),
        ({"retention_days": -1}, "retention_days"),
    ],
)
def test_rules_that_are_none(root: Api, rules: dict[str, Any], field: str) -> None:
    refused = root.post("/v1/buckets", {"name": "photos", **rules})
    assert (refused.status, refused["errors"][0]["field"]) == (422, field)


def test_a_bucket_with_files_stays_until_it_is_emptied(
    world: World,
    api: Api,
    root: Api,
    store_folder: Path,
    django_capture_on_commit_callbacks: Commits,
) -> None:
    make_bucket(world.acorn)
    paths = [uploaded(world.acorn, api.using(party.person_key)) for party in world.acorn.parties.values()]
    paths.append(uploaded(world.acorn, root))
    root.delete(paths[-1])
    refused = root.delete("/v1/buckets/photos")
    assert (refused.status, refused.code, refused["files"]) == (409, "bucket_not_empty", 3)
    with django_capture_on_commit_callbacks(execute=True):
        emptied = root.post("/v1/buckets/photos/empty")
    assert (emptied.status, emptied["purged"], emptied["left"]) == (200, 3, 0)
    assert [lying(store_folder, path) for path in paths] == [0, 0, 0]
    with enter(world.acorn.ref):
        assert not File.objects.exists()
    assert [row["bytes"] for row in root.get("/v1/storage/usage")["data"]] == [0, 0, 0]
    assert root.delete("/v1/buckets/photos").status == 204


def test_a_large_bucket_is_emptied_in_several_calls(
    world: World, api: Api, root: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "EMPTIED_AT_ONCE", 2)
    make_bucket(world.acorn)
    north = api.using(world.acorn.parties["north"].person_key)
    path = uploaded(world.acorn, north)
    another_version(world.acorn, north, path, PNG + b"1")
    uploaded(world.acorn, root)
    uploaded(world.acorn, north)
    first, second, third = (root.post("/v1/buckets/photos/empty") for _ in range(3))
    assert [(answer["purged"], answer["left"]) for answer in (first, second, third)] == [
        (2, 1),
        (1, 0),
        (0, 0),
    ]
    assert {(row["bytes"], row["files"]) for row in root.get("/v1/storage/usage")["data"]} == {(0, 0)}
    assert root.post("/v1/storage/reconcile")["data"] == []
    trail = root.get("/v1/audit?operation=buckets.empty")["data"]
    assert [entry["resource"]["id"] for entry in trail] == [root.get("/v1/buckets/photos")["id"]] * 3


def test_the_quota_is_each_organizations(world: World, api: Api, root: Api) -> None:
    make_bucket(world.acorn, quota_bytes=len(PNG) + 10)
    north, south = (api.using(party.person_key) for party in world.acorn.parties.values())
    path = uploaded(world.acorn, north)
    refused = announce(north)
    assert (refused.status, refused.code, refused["retryable"]) == (429, "storage_quota_exceeded", False)
    assert (refused["limit"], refused["used"], refused["asked"]) == (len(PNG) + 10, len(PNG), len(PNG))
    assert announce(south).status == 201
    north.delete(path)
    assert announce(north).code == "storage_quota_exceeded"
    north.post(f"{path}/purge")
    assert announce(north).status == 201


def test_versions_beyond_those_that_are_kept_go(
    world: World, api: Api, store_folder: Path, django_capture_on_commit_callbacks: Commits
) -> None:
    make_bucket(world.acorn, versions_kept=2)
    north = api.using(world.acorn.parties["north"].person_key)
    with django_capture_on_commit_callbacks(execute=True):
        path = uploaded(world.acorn, north)
        for extra in (b"1", b"22", b"333"):
            another_version(world.acorn, north, path, PNG + extra)
    assert [row["number"] for row in north.get(f"{path}/versions")["data"]] == [4, 3]
    assert stored(north) == {"photos": (2 * len(PNG) + 5, 1)}
    assert lying(store_folder, path) == 2


def test_an_organization_with_files_is_not_deleted_silently(world: World, api: Api, root: Api) -> None:
    make_bucket(world.acorn)
    east = root.post("/v1/organizations", {"name": "East"})["id"]
    path = uploaded(world.acorn, root, organization=east)
    refused = root.delete(f"/v1/organizations/{east}")
    assert (refused.status, refused.code) == (409, "organization_in_use")
    assert "1 files in the bucket photos" in refused["detail"]
    root.post(f"{path}/purge")
    assert root.delete(f"/v1/organizations/{east}").status == 204


def test_retention_counts_for_what_is_there(world: World, api: Api, root: Api) -> None:
    make_bucket(world.acorn)
    north = api.using(world.acorn.parties["north"].person_key)
    path = uploaded(world.acorn, north)
    assert north.get(path)["expires_at"] is None
    root.patch("/v1/buckets/photos", {"retention_days": 1})
    assert north.get(path)["expires_at"] is not None
    with clock.frozen(clock.now() + timedelta(days=1, seconds=1)):
        assert north.get(path).code == "not_found"
        assert north.get("/v1/files")["data"] == []
