"""Minting, reading, rotating and revoking keys."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.apikeys.models import KeyIndex
from apps.apikeys.tests.making import machine_key
from apps.apikeys.tests.test_credentials import WHOAMI, refused
from apps.core import clock
from apps.core.ids import decode
from tests.client import Answer, Api
from tests.world import World

KEYS = "/v1/keys"
NEW = {"name": "deploy", "scopes": ["agents:read"]}


def minted(answer: Answer) -> Answer:
    assert answer.status == 201, answer
    assert answer["secret"].startswith("pmk_")
    return answer


def test_a_new_key_shows_its_secret_once(world: World, api: Api) -> None:
    agent = api.using(world.builders.agent_key)

    made = minted(agent.post(KEYS, {**NEW, "expires_in_days": 7}))

    assert made["kind"] == "agent"
    assert made["principal"] == world.builders.agent
    assert made["organization"] == world.builders.id
    assert made["scopes"] == ["agents:read"]
    assert api.using(made["secret"]).get(WHOAMI)["credential"]["id"] == made["id"]
    read = agent.get(f"{KEYS}/{made['id']}")
    assert read.status == 200
    assert "secret" not in read.body
    assert made["secret"] not in str(agent.get(KEYS).body)


def test_the_expiry_is_ninety_days_unless_said_and_a_year_at_most(world: World, api: Api) -> None:
    agent = api.using(world.builders.agent_key)
    with clock.frozen(clock.now()) as now:
        made = minted(agent.post(KEYS, NEW))

    assert made["expires_at"] == (now.at + timedelta(days=90)).isoformat(timespec="microseconds")[:-6] + "Z"
    for days in (0, -1, 366, 10**9):
        refused(agent.post(KEYS, {**NEW, "expires_in_days": days}), 422, "validation_failed")


def test_live_and_test_are_said_by_the_tenant(world: World, api: Api) -> None:
    console = minted(api.using(world.builders.agent_key).post(KEYS, NEW))

    assert console["secret"].startswith("pmk_live_ag_")
    assert minted(api.using(world.acorn.root_key).post(KEYS, NEW))["secret"].startswith("pmk_live_sk_")
    application = api.using(world.builders.agent_key).post(
        "/v1/applications", {"slug": "plum", "name": "Plum"}
    )
    assert application.status == 201, application
    open_key = api.using(world.builders.agent_key).post(
        "/v1/applications/plum/environments/development/keys", {"name": "x", "scopes": ["*"]}
    )
    assert minted(open_key)["secret"].startswith("pmk_test_sk_")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"scopes": "*"}, "scopes"),
        ({"scopes": ["agents:read@"]}, "scopes"),
        ({"name": ""}, "name"),
        ({"kind": "agent"}, "kind"),
        ({"allowed_ips": ["10.0.0.1/8"]}, "allowed_ips[0]"),
        ({"allowed_ips": ["10.0.0.1", "nowhere"]}, "allowed_ips[1]"),
        ({"kind": "publishable", "allowed_origins": ["https://a.example/path"]}, "allowed_origins[0]"),
        ({"kind": "publishable", "allowed_origins": ["*"]}, "allowed_origins[0]"),
        ({"scope": ["*"]}, "scope"),
    ],
)
def test_bad_input_is_named(world: World, api: Api, change: dict[str, object], field: str) -> None:
    answer = api.using(world.builders.agent_key).post(KEYS, {**NEW, **change})

    assert answer.status == 422, answer
    assert field in {error["field"].partition(".")[0] for error in answer["errors"]} or any(
        error["field"].startswith(field) for error in answer["errors"]
    ), answer


def test_origins_belong_to_publishable_keys(world: World, api: Api) -> None:
    answer = api.using(world.builders.agent_key).post(KEYS, {**NEW, "allowed_origins": ["https://a.example"]})

    refused(answer, 422, "validation_failed")


def test_nobody_grants_scopes_that_they_do_not_hold(world: World, api: Api) -> None:
    narrow = machine_key(world.console, world.builders, scopes=["keys:write", "agents:read"])

    answer = refused(
        api.using(narrow.secret).post(KEYS, {"name": "more", "scopes": ["agents:write", "agents:read", "*"]}),
        403,
        "scope_exceeded",
    )

    assert answer["missing"] == ["*", "agents:write"]
    minted(api.using(narrow.secret).post(KEYS, {"name": "less", "scopes": ["agents:read"]}))


def test_nobody_acts_through_a_higher_role(world: World, api: Api) -> None:
    owner = api.using(world.builders.person_key)
    lower = owner.post("/v1/service-accounts", {"name": "lower", "role": "developer"})
    key = minted(owner.post(f"/v1/service-accounts/{lower['id']}/keys", {"name": "x", "scopes": ["*"]}))

    answer = api.using(key["secret"]).post(
        f"/v1/service-accounts/{world.builders.service}/keys", {"name": "y", "scopes": ["*"]}
    )

    assert answer.status == 403, answer


def test_a_new_key_works_from_no_more_addresses_than_its_minters(world: World, api: Api) -> None:
    bound = api.using(machine_key(world.console, world.builders, allowed_ips=["127.0.0.0/8"]).secret)

    assert minted(bound.post(KEYS, NEW))["allowed_ips"] == ["127.0.0.0/8"]
    assert minted(bound.post(KEYS, {**NEW, "allowed_ips": ["127.0.0.1"]}))["allowed_ips"] == ["127.0.0.1/32"]
    refused(bound.post(KEYS, {**NEW, "allowed_ips": ["0.0.0.0/0"]}), 403, "ip_exceeded")


def test_an_agent_mints_for_itself_and_for_service_accounts(world: World, api: Api) -> None:
    agent = api.using(world.builders.agent_key)

    own = minted(agent.post(KEYS, {**NEW, "agent": world.builders.agent}))
    theirs = minted(agent.post(KEYS, {**NEW, "service_account": world.builders.service}))
    at_url = minted(agent.post(f"/v1/service-accounts/{world.builders.service}/keys", NEW))

    assert (own["kind"], theirs["kind"], at_url["kind"]) == ("agent", "secret", "secret")
    assert [link["kind"] for link in theirs["minted_by"]] == ["agent", "user"]
    assert theirs["minted_by"][0]["id"] == world.builders.agent


def test_an_agent_gets_no_identity_of_an_agent_that_answers_to_somebody_else(world: World, api: Api) -> None:
    viewer_id = api.using(world.builders.viewer_key).get(WHOAMI)["actor"]["id"]
    person = api.using(world.builders.person_key)
    with_other_owner = _agent_of(world, viewer_id)
    agent = api.using(world.builders.agent_key)

    refused(agent.post(f"/v1/agents/{with_other_owner}/keys", NEW), 403, "minting_refused")
    # Nor by way of a service account's key that it minted.
    through = minted(
        agent.post(KEYS, {"name": "x", "scopes": ["*"], "service_account": world.builders.service})
    )
    detour = api.using(through["secret"]).post(f"/v1/agents/{with_other_owner}/keys", NEW)
    refused(detour, 403, "minting_refused")
    minted(person.post(f"/v1/agents/{with_other_owner}/keys", NEW))


def _agent_of(world: World, owner: str) -> str:
    from apps.accounts.models import Agent
    from apps.tenancy.walls import enter

    with enter(world.console.ref):
        made = Agent.objects.create(
            name="of another",
            organization_id=world.builders.uuid,
            role="developer",
            owner_kind="user",
            owner_id=decode(owner, "usr"),
            owner_name="viewer",
        )
    return str(made.public_id)


def test_an_agent_mints_for_the_agents_that_it_made(world: World, api: Api) -> None:
    agent = api.using(world.builders.agent_key)
    helper = agent.post("/v1/agents", {"name": "helper", "role": "developer"})
    assert helper.status == 201, helper

    made = minted(agent.post(f"/v1/agents/{helper['id']}/keys", NEW))

    assert made["principal"] == helper["id"]
    assert made["minted_by"][0]["id"] == world.builders.agent


def test_a_chain_grows_with_every_minter(world: World, api: Api) -> None:
    first = minted(api.using(world.builders.person_key).post(KEYS, {"name": "a", "scopes": ["*"]}))
    second = minted(
        api.using(first["secret"]).post(KEYS, {"name": "b", "scopes": ["*"], "agent": world.builders.agent})
    )
    third = minted(
        api.using(second["secret"]).post(
            KEYS, {"name": "c", "scopes": ["*"], "service_account": world.builders.service}
        )
    )

    assert [link["kind"] for link in first["minted_by"]] == ["user"]
    assert [link["kind"] for link in third["minted_by"]] == ["user", "agent"]


def test_an_actor_from_the_console_names_whose_key_it_mints(world: World, api: Api) -> None:
    builder = api.using(world.builders.agent_key).sending(packmule_environment="acorn/production")

    refused(builder.post(KEYS, NEW), 403, "minting_refused")
    made = minted(builder.post(KEYS, {**NEW, "service_account": world.acorn.parties["north"].service}))

    assert api.using(made["secret"]).get(WHOAMI)["tenant"] == "acorn/production"
    refused(builder.post(KEYS, {**NEW, "service_account": world.builders.service}), 404, "not_found")


def test_a_machine_of_the_tenant_mints_for_itself_only_as_such(world: World, api: Api) -> None:
    root, north = api.using(world.acorn.root_key), world.acorn.parties["north"]
    within = root.sending(packmule_organization=north.id)

    minted(root.post(KEYS, NEW))
    refused(within.post(KEYS, NEW), 403, "minting_refused")
    assert minted(within.post(KEYS, {**NEW, "agent": north.agent}))["organization"] == north.id
    refused(within.post(KEYS, {**NEW, "agent": world.acorn.parties["south"].agent}), 404, "not_found")


def test_a_principal_is_named_once(world: World, api: Api) -> None:
    both = {**NEW, "service_account": world.builders.service, "agent": world.builders.agent}

    refused(api.using(world.builders.agent_key).post(KEYS, both), 422, "principal_ambiguous")


def test_an_organizations_keys_are_its_own_affair(world: World, api: Api) -> None:
    acorn, birch = api.using(world.builders.agent_key), api.using(world.rivals.agent_key)
    made = minted(acorn.post(KEYS, NEW))

    assert made["id"] in {key["id"] for key in acorn.get(KEYS)["data"]}
    assert made["id"] not in {key["id"] for key in birch.get(KEYS)["data"]}
    refused(birch.get(f"{KEYS}/{made['id']}"), 404, "not_found")
    refused(birch.post(f"{KEYS}/{made['id']}/rotate"), 404, "not_found")
    refused(birch.delete(f"{KEYS}/{made['id']}"), 404, "not_found")
    refused(birch.post(f"/v1/agents/{world.builders.agent}/keys", NEW), 404, "not_found")
    assert made["id"] in {key["id"] for key in api.using(world.console.root_key).get(KEYS)["data"]}


# Rotation


def test_rotation_keeps_the_id_and_ends_the_old_secret_at_once(world: World, api: Api) -> None:
    agent = api.using(world.builders.agent_key)
    old = minted(agent.post(KEYS, NEW))

    new = agent.post(f"{KEYS}/{old['id']}/rotate", {"overlap_seconds": 0})

    assert new.status == 200, new
    assert (new["id"], new["expires_at"]) == (old["id"], old["expires_at"])
    assert new["secret"] != old["secret"]
    assert api.using(new["secret"]).get(WHOAMI).status == 200
    refused(api.using(old["secret"]).get(WHOAMI), 401, "key_unknown")


def test_during_the_overlap_both_secrets_work(world: World, api: Api) -> None:
    agent = api.using(world.builders.agent_key)
    old = minted(agent.post(KEYS, NEW))
    with clock.frozen(clock.now()) as now:
        new = agent.post(f"{KEYS}/{old['id']}/rotate", {"overlap_seconds": 60})
        assert new["previous_secret_until"] is not None
        now.move(timedelta(seconds=59))
        assert api.using(old["secret"]).get(WHOAMI).status == 200
        assert api.using(new["secret"]).get(WHOAMI).status == 200
        now.move(timedelta(seconds=1))
        refused(api.using(old["secret"]).get(WHOAMI), 401, "key_unknown")
        assert api.using(new["secret"]).get(WHOAMI).status == 200


def test_a_second_rotation_ends_the_first_overlap(world: World, api: Api) -> None:
    agent = api.using(world.builders.agent_key)
    first = minted(agent.post(KEYS, NEW))
    second = agent.post(f"{KEYS}/{first['id']}/rotate", {"overlap_seconds": 600})
    third = agent.post(f"{KEYS}/{first['id']}/rotate", {"overlap_seconds": 600})

    refused(api.using(first["secret"]).get(WHOAMI), 401, "key_unknown")
    assert {api.using(one["secret"]).get(WHOAMI).status for one in (second, third)} == {200}


def test_a_key_rotates_itself_without_growing_its_chain(world: World, api: Api) -> None:
    narrow = {"name": "self", "scopes": ["keys:write"]}
    made = minted(api.using(world.builders.agent_key).post(KEYS, narrow))

    rotated = api.using(made["secret"]).post(f"{KEYS}/{made['id']}/rotate", {"overlap_seconds": 5})

    assert rotated.status == 200, rotated
    assert rotated["minted_by"] == made["minted_by"]


def test_rotating_takes_what_minting_would(world: World, api: Api) -> None:
    wide = minted(api.using(world.builders.agent_key).post(KEYS, {"name": "wide", "scopes": ["*"]}))
    narrow = machine_key(world.console, world.builders, scopes=["keys:write"])

    refused(api.using(narrow.secret).post(f"{KEYS}/{wide['id']}/rotate"), 403, "scope_exceeded")


def test_an_agent_cannot_take_over_a_persons_key_by_rotating_it(world: World, api: Api) -> None:
    persons = minted(api.using(world.builders.person_key).post(KEYS, {"name": "mine", "scopes": ["*"]}))

    answer = api.using(world.builders.agent_key).post(f"{KEYS}/{persons['id']}/rotate")

    refused(answer, 403, "minting_refused")


def test_whoever_rotates_a_key_joins_its_chain_and_takes_it_down_with_them(world: World, api: Api) -> None:
    person = api.using(world.builders.person_key)
    service = minted(
        person.post(KEYS, {"name": "backend", "scopes": ["*"], "service_account": world.builders.service})
    )
    rotator = minted(api.using(world.builders.agent_key).post(KEYS, {"name": "r", "scopes": ["*"]}))
    rotated = api.using(rotator["secret"]).post(f"{KEYS}/{service['id']}/rotate")

    assert "agent" in {link["kind"] for link in rotated["minted_by"]}
    assert person.delete(f"{KEYS}/{rotator['id']}").status == 204
    refused(api.using(rotated["secret"]).get(WHOAMI), 401, "key_revoked")


@pytest.mark.parametrize("seconds", [-1, 7 * 24 * 3600 + 1, "60", 1.5])
def test_an_overlap_has_bounds(world: World, api: Api, seconds: object) -> None:
    made = minted(api.using(world.builders.agent_key).post(KEYS, NEW))

    answer = api.using(world.builders.agent_key).post(
        f"{KEYS}/{made['id']}/rotate", {"overlap_seconds": seconds}
    )

    refused(answer, 422, "validation_failed")


def test_a_dead_key_is_not_rotated(world: World, api: Api) -> None:
    agent = api.using(world.builders.agent_key)
    made = minted(agent.post(KEYS, NEW))
    assert agent.delete(f"{KEYS}/{made['id']}").status == 204

    refused(agent.post(f"{KEYS}/{made['id']}/rotate"), 409, "key_not_alive")


def test_the_answer_to_a_repeated_minting_is_not_kept(world: World, api: Api) -> None:
    agent = api.using(world.builders.agent_key).sending(idempotency_key="mint-1")
    made = minted(agent.post(KEYS, NEW))

    answer = refused(agent.post(KEYS, NEW), 409, "secret_already_shown")

    assert made["id"] in answer["detail"]


# Revocation


def test_a_revoked_key_stays_in_the_list_and_says_so(world: World, api: Api) -> None:
    agent = api.using(world.builders.agent_key)
    made = minted(agent.post(KEYS, NEW))

    assert agent.delete(f"{KEYS}/{made['id']}").status == 204

    refused(api.using(made["secret"]).get(WHOAMI), 401, "key_revoked")
    read = agent.get(f"{KEYS}/{made['id']}")
    assert (read["status"], read["revoked_at"] is None) == ("revoked", False)
    assert agent.delete(f"{KEYS}/{made['id']}").status == 204


def test_revoking_takes_down_what_was_minted_in_every_tenant(world: World, api: Api) -> None:
    person = api.using(world.builders.person_key)
    root = minted(api.using(world.builders.agent_key).post(KEYS, {"name": "root", "scopes": ["*"]}))
    child = minted(api.using(root["secret"]).post(KEYS, {"name": "child", "scopes": ["*"]}))
    away = api.using(child["secret"]).sending(packmule_environment="acorn/production")
    backend = world.acorn.parties["north"].service
    abroad = minted(away.post(KEYS, {"name": "away", "scopes": ["*"], "service_account": backend}))
    beside = minted(api.using(world.builders.agent_key).post(KEYS, {"name": "beside", "scopes": ["*"]}))
    grandchild = minted(api.using(abroad["secret"]).post(KEYS, {"name": "grandchild", "scopes": ["*"]}))

    assert person.delete(f"{KEYS}/{root['id']}").status == 204

    for fallen in (root, child, abroad, grandchild):
        refused(api.using(fallen["secret"]).get(WHOAMI), 401, "key_revoked")
    assert api.using(beside["secret"]).get(WHOAMI).status == 200
    assert api.using(world.acorn.root_key).get(WHOAMI).status == 200


def test_a_circle_of_rotations_does_not_keep_revocation_busy(world: World, api: Api) -> None:
    agent = api.using(world.builders.agent_key)
    one = minted(agent.post(KEYS, {"name": "one", "scopes": ["*"]}))
    two = minted(api.using(one["secret"]).post(KEYS, {"name": "two", "scopes": ["*"]}))
    api.using(two["secret"]).post(f"{KEYS}/{one['id']}/rotate")

    assert agent.delete(f"{KEYS}/{one['id']}").status == 204
    refused(api.using(two["secret"]).get(WHOAMI), 401, "key_revoked")
    assert not KeyIndex.objects.filter(pk=decode(two["id"], "key"), revoked_at=None).exists()
