"""Service accounts and agents: who makes them, who answers for them, and that none widens itself."""

from typing import Any

import pytest

from tests.client import Api
from tests.world import Party, World

KINDS = ["agents", "service-accounts"]
MANY = pytest.mark.parametrize("kind", KINDS)


def one_of(party: Party, kind: str) -> str:
    return party.agent if kind == "agents" else party.service


@MANY
def test_made_in_the_actors_organization(world: World, api: Api, kind: str) -> None:
    north = world.acorn.parties["north"]
    made = api.using(north.person_key).post(f"/v1/{kind}", {"name": "Reader", "role": "viewer"})
    assert made.status == 201
    assert (made["name"], made["role"], made["status"], made["organization"]) == (
        "Reader",
        "viewer",
        "active",
        north.id,
    )
    assert made.headers["ETag"] == '"v1"'
    assert api.using(north.agent_key).get(f"/v1/{kind}/{made['id']}").body == made.body


@MANY
def test_the_whole_tenant_says_where(world: World, api: Api, kind: str) -> None:
    root, north = api.using(world.acorn.root_key), world.acorn.parties["north"]
    assert root.post(f"/v1/{kind}", {"name": "Everywhere"})["organization"] is None
    made = root.post(f"/v1/{kind}", {"name": "North's", "organization": north.id})
    assert made["organization"] == north.id
    listed = root.get(f"/v1/{kind}?organization={north.id}")["data"]
    assert {made["id"], one_of(north, kind)} == {machine["id"] for machine in listed}


@MANY
def test_an_organization_that_is_not_ones_own_is_not_found(world: World, api: Api, kind: str) -> None:
    south, rivals = world.acorn.parties["south"], world.rivals
    north = api.using(world.acorn.parties["north"].person_key)
    assert north.post(f"/v1/{kind}", {"name": "x", "organization": south.id}).code == "not_found"
    root = api.using(world.acorn.root_key)
    assert root.post(f"/v1/{kind}", {"name": "x", "organization": rivals.id}).code == "not_found"


@MANY
def test_another_organizations_machine_is_nowhere(world: World, api: Api, kind: str) -> None:
    me, other = api.using(world.acorn.parties["north"].person_key), world.acorn.parties["south"]
    path = f"/v1/{kind}/{one_of(other, kind)}"
    assert other.id not in str(me.get(f"/v1/{kind}").body)
    assert me.get(path).code == "not_found"
    assert me.patch(path, {"name": "Mine"}).code == "not_found"
    assert me.post(f"{path}/suspend", {"reason": "x"}).code == "not_found"
    assert me.delete(path).code == "not_found"
    assert api.using(other.person_key).get(path)["name"] != "Mine"


@MANY
def test_the_same_id_in_another_tenant_is_another_machine(world: World, api: Api, kind: str) -> None:
    """Identical ids, so a leak between tenants would show as the other one's change."""
    path = f"/v1/{kind}/{one_of(world.acorn.parties['north'], kind)}"
    api.using(world.acorn.root_key).patch(path, {"name": "Acorn's"})
    assert api.using(world.birch.root_key).get(path)["name"] != "Acorn's"


@MANY
@pytest.mark.parametrize(("role", "status"), [("owner", 403), ("admin", 201), ("viewer", 201)])
def test_nobody_gives_a_role_above_their_own(
    world: World, api: Api, kind: str, role: str, status: int
) -> None:
    admin = api.using(world.acorn.parties["north"].agent_key)
    made = admin.post(f"/v1/{kind}", {"name": "x", "role": role})
    assert (made.status, made.code) == (status, "role_exceeds_own" if status == 403 else "")


@MANY
def test_nobody_touches_a_machine_with_a_role_above_their_own(world: World, api: Api, kind: str) -> None:
    north = world.acorn.parties["north"]
    body = {"name": "Chief", "role": "owner"}
    path = f"/v1/{kind}/{api.using(north.person_key).post(f'/v1/{kind}', body)['id']}"
    admin = api.using(north.service_key)
    for refused in (
        admin.patch(path, {"role": "viewer"}),
        admin.patch(path, {"name": "x"}),
        admin.post(f"{path}/suspend", {"reason": "x"}),
        admin.delete(path),
    ):
        assert (refused.status, refused.code) == (403, "role_exceeds_own")


def test_viewers_make_nothing(world: World, api: Api) -> None:
    viewer = api.using(world.acorn.parties["north"].viewer_key)
    assert viewer.post("/v1/agents", {"name": "x", "role": "viewer"}).status == 403
    assert viewer.get("/v1/agents").status == 200


@pytest.mark.parametrize("role", ["owner", "viewer"])
def test_an_agent_does_not_change_its_own_role(world: World, api: Api, role: str) -> None:
    north = world.acorn.parties["north"]
    me, path = api.using(north.agent_key), f"/v1/agents/{north.agent}"
    assert me.patch(path, {"role": role}).code == "self_widening"
    assert me.patch(path, {"role": "admin", "name": "Menu reader"})["name"] == "Menu reader"


def test_a_key_that_an_agent_minted_does_not_widen_the_agent(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    body = {"name": "Errands", "scopes": ["agents:write"], "expires_in_days": 1}
    minted = api.using(north.agent_key).post(f"/v1/service-accounts/{north.service}/keys", body)
    puppet = api.using(minted["secret"])
    assert puppet.patch(f"/v1/agents/{north.agent}", {"role": "viewer"}).code == "self_widening"


@MANY
def test_a_suspension_bites_at_the_next_call_and_is_ended_by_another(
    world: World, api: Api, kind: str
) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    me = api.using(north.agent_key if kind == "agents" else north.service_key)
    path = f"/v1/{kind}/{one_of(north, kind)}"
    assert owner.post(f"{path}/suspend", {"reason": "runs wild"})["status"] == "suspended"
    assert me.get("/v1/whoami").status == 401
    assert me.post(f"{path}/activate", {"reason": "please"}).status == 401
    listed = owner.get(f"/v1/{kind}?status=suspended")["data"]
    assert [(machine["id"], machine["status_reason"]) for machine in listed] == [
        (one_of(north, kind), "runs wild")
    ]
    assert owner.post(f"{path}/activate", {"reason": "mended"})["status"] == "active"
    assert me.get("/v1/whoami").status == 200


def test_an_agent_is_owned_by_whoever_made_it(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    made = api.using(north.person_key).post("/v1/agents", {"name": "First"})
    assert made["owner"] == {"kind": "user", "id": north.person, "name": "owner"}
    by_machine = api.using(north.service_key).post("/v1/agents", {"name": "Second"})
    assert by_machine["owner"] == {"kind": "service_account", "id": north.service, "name": "north's backend"}


def test_an_agents_agent_is_owned_by_the_first_ones_owner(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    made = api.using(north.agent_key).post("/v1/agents", {"name": "Second"})
    assert (made["owner"]["kind"], made["owner"]["id"]) == ("user", north.person)


def test_a_builder_who_acts_in_an_environment_owns_what_they_make_there(world: World, api: Api) -> None:
    away = api.using(world.builders.person_key).sending(packmule_environment="acorn/production")
    made = away.post("/v1/agents", {"name": "Helper"})
    assert made["owner"]["id"] == world.builders.person
    assert made["organization"] is None


@MANY
def test_deleting_ends_the_keys_too(world: World, api: Api, kind: str) -> None:
    north = world.acorn.parties["north"]
    owner, path = api.using(north.person_key), f"/v1/{kind}/{one_of(north, kind)}"
    gone = owner.delete(path)
    assert (gone.status, gone.body) == (204, None)
    assert owner.get(path).code == "not_found"
    assert (
        api.using(north.agent_key if kind == "agents" else north.service_key).get("/v1/whoami").status == 401
    )


@MANY
def test_a_list_costs_the_same_however_long_it_is(
    world: World, api: Api, kind: str, django_assert_max_num_queries: Any
) -> None:
    root = api.using(world.acorn.root_key)
    for number in range(5):
        root.post(f"/v1/{kind}", {"name": f"Number {number}"})
    root.get(f"/v1/{kind}")
    with django_assert_max_num_queries(4):
        page = root.get(f"/v1/{kind}?limit=3")
    assert len(page["data"]) == 3
    assert page["next_cursor"]
