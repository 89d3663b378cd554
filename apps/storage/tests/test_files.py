"""A file from its announcement to its end."""

from __future__ import annotations

from apps.storage.tests.parcels import PNG, announce, arrive, make_bucket, sha256, stored
from tests.client import Api
from tests.world import World


def test_a_file_from_announcement_to_purge(world: World, api: Api) -> None:
    make_bucket(world.acorn)
    me = api.using(world.acorn.parties["north"].person_key)
    made = announce(me, tags={"color": "red"})
    assert (made.status, made["status"], made["owner"]) == (
        201,
        "pending",
        world.acorn.parties["north"].person,
    )
    assert made["upload"]["method"] == "PUT"
    path = f"/v1/files/{made['id']}"
    assert me.post(f"{path}/complete").code == "upload_missing"
    assert me.get(f"{path}/content").code == "file_not_ready"
    arrive(world.acorn, made["id"], PNG)
    done = me.post(f"{path}/complete", {"sha256": sha256(PNG)})
    assert (done.status, done["status"], done["size"]) == (200, "ready", len(PNG))
    assert (done["sha256"], done["content_type"], done["scan"]) == (sha256(PNG), "image/png", "skipped")
    assert me.post(f"{path}/complete").body == done.body
    content = me.get(f"{path}/content")
    assert (content.status, content.headers["Location"]) == (302, content["url"])
    assert [row["id"] for row in me.get("/v1/files?tag[color]=red")["data"]] == [made["id"]]
    assert me.get("/v1/files?tag[color]=blue")["data"] == []
    assert stored(me) == {"photos": (len(PNG), 1)}
    assert me.delete(path).status == 204
    assert (me.get(path).status, me.get("/v1/files")["data"]) == (404, [])
    assert [row["status"] for row in me.get("/v1/files?status=deleted")["data"]] == ["deleted"]
    assert me.post(f"{path}/restore")["status"] == "ready"
    assert me.post(f"{path}/purge").status == 204
    assert me.get("/v1/files?status=deleted")["data"] == []
    assert stored(me) == {"photos": (0, 0)}
