"""Who reads and changes a file: its owner, its organization, everybody, and nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.core import clock
from apps.core.strictjson import timestamp
from apps.storage.tests.parcels import PNG, announce, another_version, content_of, make_bucket, uploaded
from tests.client import Api
from tests.world import World, promote


def visitor(world: World) -> Api:
    return Api(headers={"Packmule-Key": world.acorn.publishable_key})


def test_a_private_file_is_its_owners(world: World, api: Api) -> None:
    make_bucket(world.acorn, visibility="private")
    north = world.acorn.parties["north"]
    path = uploaded(world.acorn, api.using(north.agent_key))
    assert api.using(north.agent_key).get(path)["owner"] == north.agent
    for admin in (north.person_key, north.service_key, world.acorn.root_key):
        assert api.using(admin).get(path).status == 200
    for other in (north.viewer_key, world.acorn.parties["south"].person_key, world.birch.root_key):
        assert api.using(other).get(path).code == "not_found"
        assert api.using(other).get(f"{path}/content").code == "not_found"
        assert api.using(other).get("/v1/files")["data"] == []
    assert visitor(world).get(path).code == "not_found"


def test_an_owner_is_named(world: World, api: Api) -> None:
    make_bucket(world.acorn, visibility="private")
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    backend = api.using(north.service_key)
    viewer = api.using(north.viewer_key).get("/v1/whoami")["actor"]["id"]
    path = uploaded(world.acorn, backend, owner=viewer)
    assert api.using(north.viewer_key).get(path)["owner"] == viewer
    assert [row["owner"] for row in backend.get(f"/v1/files?owner={viewer}")["data"]] == [viewer]
    assert announce(backend, owner=south.person).code == "not_found"


def test_who_answers_for_nobody_names_nobody(world: World, api: Api) -> None:
    make_bucket(world.acorn)
    north = world.acorn.parties["north"]
    promote(world.acorn, north, "developer")
    member = api.using(north.viewer_key)
    own = member.get("/v1/whoami")["actor"]["id"]
    assert announce(member, owner=own)["owner"] == own
    for other in (north.person, world.acorn.parties["south"].person):
        refused = announce(member, owner=other)
        assert (refused.status, refused["errors"][0]["code"]) == (422, "not_yours")
    promote(world.acorn, north, "admin")
    assert announce(member, owner=north.person)["owner"] == north.person


def test_the_owner_of_an_organizations_file_is_one_of_its_members(world: World, api: Api) -> None:
    make_bucket(world.acorn)
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    root = api.using(world.acorn.root_key)
    assert announce(root, organization=north.id, owner=north.person)["owner"] == north.person
    refused = announce(root, organization=north.id, owner=south.person)
    assert (refused.status, refused["errors"][0]["code"]) == (422, "not_a_member")
    assert announce(root, owner=south.person)["owner"] == south.person


def test_an_organizations_file_is_its_members(world: World, api: Api) -> None:
    make_bucket(world.acorn)
    north = world.acorn.parties["north"]
    path = uploaded(world.acorn, api.using(north.person_key))
    assert content_of(api.using(north.viewer_key), path) == PNG
    assert api.using(north.viewer_key).delete(path).code == "role_missing"
    for other in (world.acorn.parties["south"].person_key, world.birch.parties["north"].person_key):
        for call in (api.using(other).get, api.using(other).delete):
            assert call(path).code == "not_found"
        for verb in ("complete", "restore", "purge"):
            assert api.using(other).post(f"{path}/{verb}").code == "not_found"
    assert visitor(world).get(path).code == "not_found"


def test_a_public_file_is_read_by_everybody_and_changed_by_its_own(world: World, api: Api) -> None:
    make_bucket(world.acorn, visibility="public")
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    path = uploaded(world.acorn, api.using(north.person_key))
    for reader in (visitor(world), api.using(south.viewer_key), api.using(world.acorn.root_key)):
        assert reader.get(path)["status"] == "ready"
        assert content_of(reader, path) == PNG
    assert visitor(world).get("/v1/files").code == "secret_key_needed"
    assert api.using(south.person_key).get("/v1/files")["data"] == []
    assert api.using(south.person_key).patch(path, {"name": "mine"}).code == "not_found"
    assert api.using(south.person_key).delete(path).code == "not_found"
    assert api.using(world.birch.root_key).get(path).code == "not_found"
    api.using(north.person_key).delete(path)
    assert visitor(world).get(path).code == "not_found"


def test_a_file_of_the_tenant_itself(world: World, api: Api) -> None:
    make_bucket(world.acorn)
    make_bucket(world.acorn, "logos", visibility="public")
    root = api.using(world.acorn.root_key)
    hidden, shown = uploaded(world.acorn, root), uploaded(world.acorn, root, bucket="logos")
    assert root.get(hidden)["organization"] is None
    north = api.using(world.acorn.parties["north"].person_key)
    assert north.get(hidden).code == "not_found"
    assert content_of(north, shown) == PNG
    assert content_of(visitor(world), shown) == PNG


def test_the_tenant_makes_a_file_for_an_organization(world: World, api: Api) -> None:
    make_bucket(world.acorn)
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    path = uploaded(world.acorn, api.using(world.acorn.root_key), organization=north.id)
    assert api.using(north.viewer_key).get(path)["organization"] == north.id
    assert announce(api.using(north.person_key), organization=south.id).code == "not_found"


def test_a_builder_in_an_environment_sees_all_of_it(world: World, api: Api) -> None:
    make_bucket(world.acorn, visibility="private")
    path = uploaded(world.acorn, api.using(world.acorn.parties["north"].person_key))
    builder = api.using(world.builders.agent_key).sending(packmule_environment="acorn/production")
    assert builder.get(path).status == 200
    rival = api.using(world.rivals.agent_key).sending(packmule_environment="birch/production")
    assert rival.get(path).code == "not_found"


def test_a_link_is_good_for_whoever_holds_it(world: World, api: Api) -> None:
    make_bucket(world.acorn, visibility="public")
    path = uploaded(world.acorn, api.using(world.acorn.parties["north"].person_key), name="cat <3.png")
    link = api.using(world.acorn.parties["north"].person_key).get(
        f"{path}/link?disposition=inline&seconds=60"
    )
    assert (link.status, link["method"]) == (200, "GET")
    assert visitor(world).get(f"{path}/link?seconds=86400").status == 200
    assert visitor(world).get(f"{path}/link?seconds=86401").code == "parameters_invalid"


@pytest.mark.parametrize("accept", ["image/avif,image/webp,*/*;q=0.8", "image/png", "text/html"])
def test_a_browser_may_ask_for_content_as_it_likes(world: World, api: Api, accept: str) -> None:
    make_bucket(world.acorn)
    me = api.using(world.acorn.parties["north"].person_key)
    assert me.get(f"{uploaded(world.acorn, me)}/content", accept=accept).status == 302


def test_who_acts_for_a_person_has_that_persons_files(world: World, api: Api) -> None:
    make_bucket(world.acorn, visibility="private")
    north = world.acorn.parties["north"]
    promote(world.acorn, north, "developer")
    viewer = api.using(north.viewer_key)
    person = viewer.get("/v1/whoami")["actor"]["id"]
    path = uploaded(world.acorn, api.using(north.person_key), owner=person)
    hidden = uploaded(world.acorn, api.using(north.person_key))
    until = timestamp(clock.now() + timedelta(days=1))
    asked = {"actor": north.agent, "scopes": ["files:read"], "expires_at": until}
    assert viewer.post("/v1/delegations", asked).status == 201
    agent = api.using(north.agent_key).sending(packmule_on_behalf_of=person)
    assert content_of(agent, path) == PNG
    assert agent.get(hidden).code == "not_found"
    assert [row["owner"] for row in agent.get("/v1/files")["data"]] == [person]


def test_what_a_public_file_held_before_is_nobodys_to_see(world: World, api: Api) -> None:
    make_bucket(world.acorn, visibility="public")
    north = world.acorn.parties["north"]
    me = api.using(north.person_key)
    path = uploaded(world.acorn, me)
    assert another_version(world.acorn, me, path, PNG + b"another").status == 200
    assert me.get(f"{path}/link?version=1").status == 200
    for other in (visitor(world), api.using(world.acorn.parties["south"].person_key)):
        assert other.get(f"{path}/link?version=2").status == 200
        assert other.get(f"{path}/link?version=1").code == "file_version_unknown"
        assert other.get(f"{path}/content?version=1").code == "file_version_unknown"


def test_a_key_of_the_tenant_sees_private_files_within_an_organization_too(world: World, api: Api) -> None:
    make_bucket(world.acorn, visibility="private")
    north = world.acorn.parties["north"]
    path = uploaded(world.acorn, api.using(north.agent_key))
    root = api.using(world.acorn.root_key)
    made = root.post("/v1/service-accounts", {"name": "reader", "role": "viewer"})
    scopes = {"name": "key", "scopes": ["files:read"], "expires_in_days": 1}
    key = root.post(f"/v1/service-accounts/{made['id']}/keys", scopes)["secret"]
    assert api.using(key).sending(packmule_organization=north.id).get(path).status == 200
