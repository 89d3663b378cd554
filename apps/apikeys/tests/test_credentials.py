"""Every way in which a key opens nothing, with its own code, and that no answer repeats a secret."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.accounts.models import Agent, ServiceAccount, User
from apps.apikeys.keyformat import compose
from apps.apikeys.models import Key, KeyKind
from apps.apikeys.tests.making import change_index, key_for, machine_key, seat_in_another
from apps.core import clock
from apps.core.ids import decode, uuid7
from apps.orgs.models import Membership
from apps.tenancy.models import Tenant
from apps.tenancy.provisioning import soft_delete
from apps.tenancy.walls import enter, registry
from tests.client import Answer, Api
from tests.world import World

WHOAMI = "/v1/whoami"


def refused(answer: Answer, status: int, code: str) -> Answer:
    assert (answer.status, answer.code) == (status, code), answer
    assert answer["detail"]
    assert answer["title"]
    return answer


def test_without_a_credential_there_is_no_actor(world: World, api: Api) -> None:
    answer = refused(api.get(WHOAMI), 401, "credential_missing")

    assert "WWW-Authenticate" in answer.headers
    assert "Packmule-Tenant" not in answer.headers


@pytest.mark.parametrize("sent", ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "pmk_test_sk_", "Token x"])
def test_another_scheme_is_refused(world: World, api: Api, sent: str) -> None:
    refused(api.sending(authorization=sent).get(WHOAMI), 401, "credential_malformed")


@pytest.mark.parametrize("text", ["x", "sk_live_abc", "pmk_test_zz_123", "null", "pmk_live_sk_" + "!" * 90])
def test_what_is_no_key_is_malformed(world: World, api: Api, text: str) -> None:
    answer = refused(api.using(text).get(WHOAMI), 401, "key_malformed")

    assert text == "x" or text not in answer["detail"]


def test_a_cut_key_is_truncated_and_not_repeated(world: World, api: Api) -> None:
    cut = world.builders.agent_key[:-3]

    answer = refused(api.using(cut).get(WHOAMI), 401, "key_truncated")

    assert cut[-20:] not in str(answer.body)
    assert answer["remedy"]["api"]["path"] == "/v1/keys"


def test_an_altered_key_is_truncated_too(world: World, api: Api) -> None:
    key = world.builders.agent_key
    altered = key[:-10] + ("a" if key[-10] != "a" else "b") + key[-9:]

    refused(api.using(altered).get(WHOAMI), 401, "key_truncated")


def test_a_key_of_nobody_and_a_wrong_secret_read_the_same(world: World, api: Api) -> None:
    real = decode(world.builders.agent_key_id, "key")

    unknown = refused(api.using(compose(uuid7(), "ag", live=True)).get(WHOAMI), 401, "key_unknown")
    wrong = refused(api.using(compose(real, "ag", live=True)).get(WHOAMI), 401, "key_unknown")

    assert unknown["detail"] == wrong["detail"]


def test_an_expired_key_is_refused_to_the_second(world: World, api: Api) -> None:
    made = machine_key(world.console, world.builders, expires_at=clock.now() + timedelta(days=1))
    with clock.frozen(made.key.index.expires_at - timedelta(seconds=1)):
        assert api.using(made.secret).get(WHOAMI).status == 200
    with clock.frozen(made.key.index.expires_at):
        refused(api.using(made.secret).get(WHOAMI), 401, "key_expired")


def test_a_revoked_key_is_refused(world: World, api: Api) -> None:
    made = machine_key(world.console, world.builders)
    change_index(made.key, revoked_at=clock.now())

    answer = refused(api.using(made.secret).get(WHOAMI), 401, "key_revoked")

    assert made.key.public_id in answer["detail"]


@pytest.mark.parametrize(
    ("model", "who", "prefix"),
    [(Agent, "agent", "agt"), (ServiceAccount, "service", "svc"), (User, "person", "usr")],
)
def test_a_suspended_principal_is_refused_whatever_it_shows(
    world: World, api: Api, model: Any, who: str, prefix: str
) -> None:
    with enter(world.console.ref):
        model.objects.filter(pk=decode(getattr(world.builders, who), prefix)).update(status="suspended")

    refused(api.using(getattr(world.builders, f"{who}_key")).get(WHOAMI), 401, "principal_suspended")


def test_a_publishable_key_falls_with_its_suspended_principal(world: World, api: Api) -> None:
    with enter(world.acorn.ref):
        ServiceAccount.objects.filter(pk=decode(world.acorn.root, "svc")).update(status="suspended")

    refused(api.using(world.acorn.publishable_key).get(WHOAMI), 401, "principal_suspended")


def test_a_key_whose_row_is_gone_is_revoked(world: World, api: Api) -> None:
    made = machine_key(world.console, world.builders)
    with enter(world.console.ref):
        Key.objects.filter(pk=made.key.pk).delete()

    refused(api.using(made.secret).get(WHOAMI), 401, "key_revoked")


def test_the_keys_of_a_deleted_tenant_are_refused(world: World, api: Api) -> None:
    soft_delete(Tenant.objects.get(pk=world.acorn.ref.id))

    refused(api.using(world.acorn.root_key).get(WHOAMI), 401, "tenant_deleted")


def test_a_tenant_that_is_behind_says_what_an_operator_has_to_do(world: World, api: Api) -> None:
    with registry():
        Tenant.objects.filter(pk=world.acorn.ref.id).update(fingerprint="of another age")

    answer = refused(api.using(world.acorn.root_key).get(WHOAMI), 503, "tenant_behind")

    assert answer["remedy"]["command"] == "manage.py prepare"
    assert answer["retryable"] is True


def test_a_key_is_refused_from_an_address_outside_of_its_networks(world: World, api: Api) -> None:
    near = machine_key(world.console, world.builders, allowed_ips=["127.0.0.0/8"])
    far = machine_key(world.console, world.builders, allowed_ips=["203.0.113.0/24", "2001:db8::/32"])

    assert api.using(near.secret).get(WHOAMI).status == 200
    answer = refused(api.using(far.secret).get(WHOAMI), 403, "ip_not_allowed")
    assert "127.0.0.1" in answer["detail"]
    # Nobody becomes somebody else by a header.
    refused(api.using(far.secret).get(WHOAMI, x_forwarded_for="203.0.113.9"), 403, "ip_not_allowed")


def test_two_credentials_at_once_are_refused(world: World, api: Api) -> None:
    both = api.using(world.acorn.root_key).sending(packmule_key=world.acorn.publishable_key)

    refused(both.get(WHOAMI), 400, "malformed_request")


def test_a_secret_key_has_no_place_in_packmule_key(world: World, api: Api) -> None:
    refused(api.sending(packmule_key=world.acorn.root_key).get(WHOAMI), 401, "publishable_key_needed")
    refused(api.sending(packmule_key="").get(WHOAMI), 401, "publishable_key_needed")


@pytest.mark.parametrize("header", ["packmule_key", "authorization"])
def test_a_publishable_key_makes_a_visitor(world: World, api: Api, header: str) -> None:
    key = world.acorn.publishable_key
    answer = api.sending(**{header: key if header == "packmule_key" else f"Bearer {key}"}).get(WHOAMI)

    assert answer.status == 200
    assert answer["actor"]["kind"] == "visitor"
    assert answer["credential"]["kind"] == "publishable"
    assert answer["tenant"] == world.acorn.name


def test_a_visitor_may_call_only_what_is_meant_for_everybody(world: World, api: Api) -> None:
    answer = refused(api.using(world.acorn.publishable_key).get("/v1/keys"), 403, "secret_key_needed")

    assert answer["gate"] == "credential"


def test_a_missing_scope_is_named_with_the_call_that_gets_further(world: World, api: Api) -> None:
    made = machine_key(world.console, world.builders, scopes=["agents:read"])

    assert api.using(made.secret).get(WHOAMI).status == 200
    answer = refused(api.using(made.secret).get("/v1/keys"), 403, "scope_missing")

    assert answer["gate"] == "scope"
    assert "keys:read" in answer["detail"]
    assert answer["remedy"]["api"]["body"]["scopes"] == ["keys:read"]
    assert "keys:read" in answer["remedy"]["command"]


def test_a_role_bounds_what_all_scopes_would_allow(world: World, api: Api) -> None:
    viewer = api.using(world.builders.viewer_key)

    assert viewer.get("/v1/keys").status == 200
    answer = refused(viewer.post("/v1/keys", {"name": "more", "scopes": ["*"]}), 403, "role_missing")
    assert answer["gate"] == "permit"


def test_a_key_may_also_be_shown_by_another_name_of_the_scheme(world: World, api: Api) -> None:
    assert api.sending(authorization=f"bearer  {world.acorn.root_key} ").get(WHOAMI).status == 200


# Organizations


def test_a_person_in_one_organization_acts_there(world: World, api: Api) -> None:
    answer = api.using(world.builders.person_key).get(WHOAMI)

    assert answer["organization"] == {"id": world.builders.id, "slug": "acorn"}
    assert answer["role"] == "owner"


def test_a_person_in_none_acts_in_none(world: World, api: Api) -> None:
    answer = api.using(world.acorn.stranger_key).get(WHOAMI)

    assert answer["organization"] is None
    assert answer["role"] == "none"


def test_a_person_in_several_has_to_say_in_which(world: World, api: Api) -> None:
    other = seat_in_another(world.console, world.builders)
    person = api.using(world.builders.person_key)

    assert person.get(WHOAMI)["organization"] is None
    answer = refused(person.get("/v1/agents"), 400, "organization_required")
    assert {choice["id"] for choice in answer["organizations"]} == {world.builders.id, other.public_id}

    chosen = person.get(WHOAMI, packmule_organization=other.public_id)
    assert (chosen["organization"]["slug"], chosen["role"]) == ("another", "viewer")
    refused(person.get(WHOAMI, packmule_organization=world.rivals.id), 404, "not_found")


def test_an_organizations_actor_names_its_own_or_none(world: World, api: Api) -> None:
    agent = api.using(world.builders.agent_key)

    assert agent.get(WHOAMI, packmule_organization=world.builders.id).status == 200
    theirs = refused(agent.get(WHOAMI, packmule_organization=world.rivals.id), 404, "not_found")
    nobodys = refused(agent.get(WHOAMI, packmule_organization="org_" + "0" * 26), 404, "not_found")
    assert theirs["detail"].replace(world.rivals.id, "") == nobodys["detail"].replace("org_" + "0" * 26, "")


def test_a_malformed_organization_is_a_bad_request(world: World, api: Api) -> None:
    refused(
        api.using(world.acorn.root_key).get(WHOAMI, packmule_organization="acme"), 400, "malformed_request"
    )


def test_a_tenant_wide_machine_may_narrow_itself_to_one_organization(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    root = api.using(world.acorn.root_key)

    assert root.get(WHOAMI)["organization"] is None
    assert root.get(WHOAMI, packmule_organization=north.id)["organization"]["slug"] == "north"
    refused(root.get(WHOAMI, packmule_organization=world.builders.id), 404, "not_found")


def test_a_visitor_names_no_organization(world: World, api: Api) -> None:
    visitor = api.using(world.acorn.publishable_key)

    refused(visitor.get(WHOAMI, packmule_organization=world.acorn.parties["north"].id), 404, "not_found")


def test_a_key_bound_to_an_organization_that_its_person_left_is_refused(world: World, api: Api) -> None:
    with enter(world.console.ref):
        user = User.objects.get(pk=decode(world.builders.person, "usr"))
    bound = key_for(world.console, user, kind=KeyKind.USER, organization_id=world.builders.uuid)
    assert api.using(bound.secret).get(WHOAMI)["organization"]["slug"] == "acorn"
    with enter(world.console.ref):
        Membership.objects.filter(user=user).delete()

    refused(api.using(bound.secret).get(WHOAMI), 403, "not_a_member")


def test_the_last_use_is_noted_once_a_minute(world: World, api: Api) -> None:
    made = machine_key(world.console, world.builders)
    noted = []
    for later in (0, 30, 61):
        with clock.frozen(made.key.created_at + timedelta(seconds=later)):
            assert api.using(made.secret).get(WHOAMI).status == 200
        key = api.using(world.builders.person_key).get(f"/v1/keys/{made.key.public_id}")
        noted.append(key["last_used_at"])

    assert noted[0] == noted[1] != noted[2]
