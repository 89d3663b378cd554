"""Custom roles: what they allow, who may make, change and give them, and that nobody climbs by them."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Agent
from apps.core.ids import decode
from apps.orgs.models import Membership, Role
from apps.orgs.tests.post import joined, key_of, one
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import Party, World

SUPPORT = {"slug": "support", "name": "Support", "permissions": ["users:read", "agents:write"]}
LEADS = ["members:write", "roles:write", "users:read", "invitations:write", "agents:write", "keys:write"]


def made(api: Api, party: Party, slug: str, *permissions: str) -> str:
    body = {"slug": slug, "name": slug.title(), "permissions": list(permissions)}
    return str(api.post(f"{one(party)}/roles", body)["id"])


def seat_with(world: World, party: Party, slug: str) -> tuple[str, Api]:
    seat, key = joined(world.acorn, party, f"{slug}@north.test", slug)
    return f"{one(party)}/members/{seat}", Api(key)


def test_a_role_allows_what_it_lists_and_nothing_else(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    role = owner.post(f"{one(north)}/roles", SUPPORT)
    assert (role.status, role["slug"], role["built_in"], role["version"]) == (201, "support", False, 1)
    assert role["permissions"] == ["agents:write", "users:read"]
    _, support = seat_with(world, north, "support")
    assert support.get("/v1/whoami")["role"] == "support"
    assert support.get("/v1/users").status == 200
    assert support.post("/v1/agents", {"name": "Helper", "role": "support"}).status == 201
    assert support.get("/v1/agents").status == 200, "write includes read"
    refused = support.get("/v1/keys")
    assert (refused.status, refused.code, refused["rule"]) == (403, "role_missing", "keys:read")


def test_an_agent_and_a_service_account_hold_one_too(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    made(owner, north, "reader", "users:read")
    for room in ("agents", "service-accounts"):
        machine = owner.post(f"/v1/{room}", {"name": "Reader", "role": "reader"})
        key = owner.post(f"/v1/{room}/{machine['id']}/keys", {"name": "k", "scopes": ["*"]})["secret"]
        me = api.using(key)
        assert (me.get("/v1/users").status, me.get("/v1/agents").code) == (200, "role_missing")


def test_what_belongs_to_the_whole_tenant_takes_a_built_in_role(world: World, api: Api) -> None:
    north, root = world.acorn.parties["north"], api.using(world.acorn.root_key)
    made(root, north, "reader", "users:read")
    refused = root.post("/v1/service-accounts", {"name": "Wide", "role": "reader"})
    assert (refused.status, refused.code) == (422, "role_unknown")
    placed = {"name": "Placed", "role": "reader", "organization": north.id}
    assert root.post("/v1/service-accounts", placed)["role"] == "reader"
    south = {**placed, "organization": world.acorn.parties["south"].id}
    assert root.post("/v1/service-accounts", south).code == "role_unknown"


def test_the_list_offers_built_in_roles_and_ones_own(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    made(api.using(north.person_key), north, "reader", "users:read")
    admin = api.using(north.agent_key).get(f"{one(north)}/roles")["data"]
    assert [role["slug"] for role in admin] == ["owner", "admin", "developer", "viewer", "reader"]
    assert [role["grantable"] for role in admin] == [False, True, True, True, True]
    assert [role["built_in"] for role in admin] == [True, True, True, True, False]
    assert "users:read" in admin[3]["permissions"]
    assert not any(text.endswith(":write") for text in admin[3]["permissions"])
    assert "organizations:own" not in admin[1]["permissions"]
    viewer = api.using(north.viewer_key).get(f"{one(north)}/roles")["data"]
    assert [role["slug"] for role in viewer if role["grantable"]] == ["viewer", "reader"]


@pytest.mark.parametrize(
    ("permission", "code"),
    [
        ("*", "owners_only"),
        ("organizations:own", "owners_only"),
        ("organizations:*", "owners_only"),
        ("organizations:own@acorn", "owners_only"),
        ("rockets:read", "unknown_resource"),
        ("users:launch", "unknown_action"),
        ("self:write", "unknown_resource"),
    ],
)
def test_a_permission_that_no_role_can_hold_is_refused_by_name(
    world: World, api: Api, permission: str, code: str
) -> None:
    north = world.acorn.parties["north"]
    body = {**SUPPORT, "permissions": ["users:read", permission]}
    refused = api.using(north.person_key).post(f"{one(north)}/roles", body)
    assert (refused.status, refused["errors"][0]["code"]) == (422, code)
    assert refused["errors"][0]["field"] == "permissions[1]"
    if code != "owners_only":
        assert "there are: " in refused["detail"]


@pytest.mark.parametrize("slug", ["owner", "admin", "developer", "viewer", "none", "A b", "support"])
def test_a_slug_is_free_and_no_built_in_ones(world: World, api: Api, slug: str) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    made(owner, north, "support", "users:read")
    refused = owner.post(f"{one(north)}/roles", {**SUPPORT, "slug": slug})
    assert refused.status == (409 if slug == "support" else 422)
    assert (
        api.using(world.acorn.root_key).post(f"{one(world.acorn.parties['south'])}/roles", SUPPORT).status
        == 201
    ), "another organization's slugs are its own"


def test_another_organizations_roles_are_nowhere(world: World, api: Api) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    role = made(api.using(south.person_key), south, "reader", "users:read")
    me = api.using(north.person_key)
    for answer in (
        me.get(f"{one(south)}/roles"),
        me.post(f"{one(south)}/roles", SUPPORT),
        me.get(f"{one(south)}/roles/{role}"),
        me.get(f"{one(north)}/roles/{role}"),
        me.patch(f"{one(north)}/roles/{role}", {"permissions": ["users:*"]}),
        me.delete(f"{one(north)}/roles/{role}"),
    ):
        assert answer.code == "not_found"
    assert me.post("/v1/agents", {"name": "x", "role": "reader"}).code == "role_unknown"


def test_a_role_in_use_stays_and_the_refusal_names_who_holds_it(world: World, api: Api, post: Any) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    role = f"{one(north)}/roles/{made(owner, north, 'reader', 'users:read')}"
    seat, _ = seat_with(world, north, "reader")
    agent = owner.post("/v1/agents", {"name": "Bookworm", "role": "reader"})["id"]
    invitation = owner.post(f"{one(north)}/invitations", {"email": "new@far.test", "role": "reader"})["id"]
    refused = owner.delete(role)
    assert (refused.status, refused.code) == (409, "role_in_use")
    for name in ("reader@north.test", "Bookworm", "new@far.test"):
        assert name in refused["detail"]
    owner.delete(seat)
    owner.patch(f"/v1/agents/{agent}", {"role": "viewer"})
    assert owner.delete(role).code == "role_in_use"
    assert owner.delete(f"{one(north)}/invitations/{invitation}").status == 204
    assert owner.delete(role).status == 204
    assert owner.get(role).code == "not_found"


def test_who_holds_a_role_gets_and_loses_with_it_at_the_next_call(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    role = f"{one(north)}/roles/{made(owner, north, 'reader', 'users:read')}"
    _, reader = seat_with(world, north, "reader")
    assert reader.get("/v1/agents").status == 403
    assert owner.patch(role, {"permissions": ["users:read", "agents:read"]}, if_match='"v1"')["version"] == 2
    assert reader.get("/v1/agents").status == 200
    owner.patch(role, {"permissions": ["users:read"]})
    assert reader.get("/v1/agents").status == 403
    assert owner.patch(role, {"name": "Readers"}, if_match='"v1"').code == "version_mismatch"


# Climbing.


def test_nobody_makes_or_widens_a_role_beyond_their_own(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    made(owner, north, "lead", *LEADS)
    _, lead = seat_with(world, north, "lead")
    beyond = lead.post(f"{one(north)}/roles", {**SUPPORT, "permissions": ["policy:read", "users:read"]})
    assert (beyond.status, beyond.code, beyond["beyond"]) == (403, "role_exceeds_own", ["policy:read"])
    assert lead.post(f"{one(north)}/roles", {**SUPPORT, "permissions": ["users:*"]})["beyond"] == ["users:*"]
    small = made(lead, north, "small", "users:read", "agents:read")
    wider = lead.patch(f"{one(north)}/roles/{small}", {"permissions": ["users:write"]})
    assert wider.code == "role_exceeds_own"
    assert lead.patch(f"{one(north)}/roles/{small}", {"permissions": ["agents:write"]}).status == 200


def test_nobody_widens_the_role_that_they_hold(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    role = f"{one(north)}/roles/{made(owner, north, 'lead', *LEADS)}"
    _, lead = seat_with(world, north, "lead")
    for wanted in ([*LEADS, "users:write"], [*LEADS, "teams:*"], ["members:*"]):
        assert lead.patch(role, {"permissions": wanted}).code == "role_exceeds_own"
    assert lead.patch(role, {"permissions": LEADS[:2]}).status == 200, "less is no climbing"


def test_a_role_above_ones_own_is_neither_changed_nor_deleted_nor_given_nor_taken(
    world: World, api: Api
) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    made(owner, north, "lead", *LEADS)
    high = f"{one(north)}/roles/{made(owner, north, 'high', 'users:write')}"
    seat, _ = seat_with(world, north, "high")
    lead_seat, lead = seat_with(world, north, "lead")
    for refused in (
        lead.patch(high, {"permissions": ["users:read"]}),
        lead.patch(high, {"name": "Low"}),
        lead.delete(high),
        lead.patch(lead_seat, {"role": "high"}),
        lead.patch(seat, {"role": "lead"}),
        lead.delete(seat),
        lead.post("/v1/agents", {"name": "Puppet", "role": "high"}),
        lead.post(f"{one(north)}/invitations", {"email": "me@again.test", "role": "high"}),
    ):
        assert (refused.status, refused.code) == (403, "role_exceeds_own")


def test_a_custom_role_gives_no_built_in_one(world: World, api: Api) -> None:
    """What a built-in role allows grows with the platform, so no custom role includes one."""
    north = world.acorn.parties["north"]
    made(api.using(north.person_key), north, "lead", *LEADS)
    _, lead = seat_with(world, north, "lead")
    for name in ("viewer", "developer", "admin", "owner"):
        assert lead.post("/v1/agents", {"name": "x", "role": name}).code == "role_exceeds_own"


def test_an_agent_does_not_change_the_role_that_it_holds_nor_what_it_minted_does(
    world: World, api: Api
) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    role_id = made(owner, north, "lead", *LEADS)
    role = f"{one(north)}/roles/{role_id}"
    with enter(world.acorn.ref):
        Agent.objects.filter(pk=decode(north.agent, "agt")).update(role="lead")
    agent = api.using(north.agent_key)
    assert agent.patch(role, {"permissions": LEADS[:3]}).code == "self_widening"
    assert agent.patch(role, {"name": "Leads"}).status == 200
    puppet = agent.post("/v1/agents", {"name": "Puppet", "role": "lead"})["id"]
    strings = agent.post(f"/v1/agents/{puppet}/keys", {"name": "k", "scopes": LEADS})["secret"]
    owner.patch(f"/v1/agents/{puppet}", {"role": "admin"})
    assert api.using(strings).patch(role, {"permissions": ["users:read"]}).code == "self_widening"


def test_a_narrow_key_makes_and_gives_no_role_wider_than_itself(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    role = f"{one(north)}/roles/{made(owner, north, 'support', 'users:read', 'agents:write')}"
    narrow = api.using(key_of(world.acorn, north.person, ("roles:write", "members:write", "users:read")))
    wide = {"slug": "wide", "name": "Wide", "permissions": ["agents:write"]}
    seat, _ = joined(world.acorn, north, "plain@north.test", "viewer")
    for refused in (
        narrow.post(f"{one(north)}/roles", wide),
        narrow.patch(role, {"permissions": ["keys:write"]}),
        narrow.patch(f"{one(north)}/members/{seat}", {"role": "support"}),
    ):
        assert (refused.status, refused.code) == (403, "credential_too_narrow")
    assert narrow.patch(role, {"permissions": ["users:read"]}).status == 200
    assert narrow.patch(f"{one(north)}/members/{seat}", {"role": "support"}).status == 200


def test_a_machines_key_is_out_of_reach_of_a_lesser_role(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    made(owner, north, "lead", *LEADS)
    made(owner, north, "high", "users:write")
    machine = owner.post("/v1/agents", {"name": "High", "role": "high"})["id"]
    _, lead = seat_with(world, north, "lead")
    key = lead.post(f"/v1/agents/{machine}/keys", {"name": "k", "scopes": ["users:read"]})
    assert key.code == "role_exceeds_own"


def test_a_role_that_is_gone_allows_nothing(world: World, api: Api) -> None:
    """The last line of defence: a row that names a role that there is not is nobody's right."""
    north = world.acorn.parties["north"]
    with enter(world.acorn.ref):
        Membership.objects.filter(user__email="viewer@north.test").update(role="ghost")
    assert api.using(north.viewer_key).get("/v1/users").code == "role_missing"


def test_a_role_counts_in_its_own_organization_alone(world: World, api: Api) -> None:
    """The same slug in two organizations is two roles."""
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    made(api.using(north.person_key), north, "mixed", "users:read")
    made(api.using(south.person_key), south, "mixed", "agents:read")
    joined(world.acorn, north, "both@far.test", "mixed")
    _, key = joined(world.acorn, south, "both@far.test", "mixed")
    me = api.using(key)
    in_north, in_south = (me.sending(packmule_organization=party.id) for party in (north, south))
    assert (in_north.get("/v1/users").status, in_north.get("/v1/agents").status) == (200, 403)
    assert (in_south.get("/v1/users").status, in_south.get("/v1/agents").status) == (403, 200)


def test_in_the_console_a_role_counts_in_the_environments_too(world: World, api: Api) -> None:
    """The builders' own roles bound what they do away; a key for a whole environment takes a built-in role."""
    company = world.builders
    owner = api.using(company.person_key)
    made(owner, company, "watcher", "users:read", "keys:write")
    _, key = joined(world.console, company, "watcher@acorn.test", "watcher")
    away = api.using(key).sending(packmule_environment=world.acorn.name)
    assert (away.get("/v1/users").status, away.get("/v1/agents").code) == (200, "role_missing")
    body = {"name": "k", "kind": "secret", "scopes": ["users:read"], "expires_in_days": 1}
    refused = api.using(key).post("/v1/applications/acorn/environments/production/keys", body)
    assert (refused.status, refused.code) == (403, "role_exceeds_own")


def test_there_are_so_many_roles_and_no_more(world: World, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    monkeypatch.setattr("apps.orgs.roles.MOST_ROLES", 1)
    made(owner, north, "first", "users:read")
    assert owner.post(f"{one(north)}/roles", SUPPORT).code == "too_many_roles"


def test_the_wall_keeps_roles_of_another_organization_out(world: World, api: Api) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    made(api.using(south.person_key), south, "reader", "users:read")
    with enter(world.acorn.ref, north.uuid):
        assert not Role.objects.exists()
