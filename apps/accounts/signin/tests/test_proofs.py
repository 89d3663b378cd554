"""Proving again who one is before sensitive changes, and second factors that a tenant asks for by role."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.accounts.models import User
from apps.accounts.signin.tests.headless import ADA, PASSWORD, Answer, Configure, FrontEnd, Travel, somebody
from apps.orgs.models import Membership, Role
from apps.tenancy.walls import enter
from tests.client import Api
from tests.standins.authenticator import totp
from tests.world import World

FACTORS = "account/authenticators"

#: What takes a proof: the call, and its body.
SENSITIVE = [
    ("POST", "account/email", {"email": "new@example.test"}),
    ("GET", f"{FACTORS}/recovery-codes", None),
    ("POST", f"{FACTORS}/recovery-codes", {}),
    ("DELETE", f"{FACTORS}/totp", None),
    ("GET", f"{FACTORS}/webauthn", None),
]


def sensitive(front: FrontEnd) -> list[Answer]:
    return [front.call(method, path, body) for method, path, body in SENSITIVE]


def with_app(world: World) -> tuple[FrontEnd, str]:
    """Somebody with an authenticator app, freshly signed in with it, and its secret."""
    secret = somebody(world.acorn).add_app()
    front = FrontEnd(world.acorn)
    front.sign_in()
    assert front.post("auth/2fa/authenticate", code=totp(secret)).status == 200
    return front, secret


def test_a_session_alone_changes_nothing_by_which_people_sign_in(world: World) -> None:
    front, _ = with_app(world)
    for refused in sensitive(front):
        assert (refused.status, refused.flows) == (401, {"reauthenticate", "mfa_reauthenticate"}), refused
        assert refused.body["meta"]["is_authenticated"] is True


@pytest.mark.parametrize(
    ("path", "wrong"),
    [("auth/reauthenticate", {"password": "a guess"}), ("auth/2fa/reauthenticate", {"code": "000000"})],
)
def test_a_wrong_proof_is_none(world: World, path: str, wrong: dict[str, str]) -> None:
    front, _ = with_app(world)
    assert front.post(path, **wrong).status == 400
    assert [refused.status for refused in sensitive(front)] == [401] * len(SENSITIVE)


@pytest.mark.parametrize("by_app", [True, False], ids=["by app", "by password"])
def test_a_proof_lasts_ten_minutes(world: World, travel: Travel, by_app: bool) -> None:
    front, secret = with_app(world)
    travel(timedelta(minutes=2))
    if by_app:
        assert front.post("auth/2fa/reauthenticate", code=totp(secret)).status == 200
    else:
        front.confirm_it_is_me()
    travel(timedelta(minutes=9))
    assert front.get(f"{FACTORS}/webauthn").status == 200
    travel(timedelta(minutes=2))
    assert front.get(f"{FACTORS}/webauthn").status == 401


def test_a_proof_counts_in_the_session_in_which_it_was_made(world: World) -> None:
    front = somebody(world.acorn)
    other = FrontEnd(world.acorn)
    other.sign_in()
    other.confirm_it_is_me()
    assert front.post("account/email", email="new@example.test").status == 401


def test_passwords_cannot_be_tried_out_by_proving(world: World) -> None:
    front = somebody(world.acorn)
    codes = [front.post("auth/reauthenticate", password=f"guess {n}").codes for n in range(6)]
    assert codes[:5] == [["incorrect_password"]] * 5
    assert codes[5] == ["too_many_login_attempts"]
    assert front.post("auth/reauthenticate", password=PASSWORD).status == 400


# What a tenant asks of a role.


def test_a_role_that_wants_a_second_factor_does_nothing_without_one(
    world: World, configure: Configure
) -> None:
    front = somebody(world.acorn)
    configure(second_factor_for=["owner"])
    refused = front.api.get("/v1/agents")
    assert (refused.status, refused.code) == (403, "second_factor_needed")
    assert refused["remedy"]["api"]["path"] == "/accounts/2fa/"
    assert (
        front.api.post("/v1/organizations", {"slug": "more", "name": "More"}).code == "second_factor_needed"
    )


def test_they_may_look_after_themselves_and_add_one(world: World, configure: Configure) -> None:
    front = somebody(world.acorn)
    configure(second_factor_for=["owner"])
    assert front.api.get("/v1/whoami")["role"] == "owner"
    assert front.api.get("/v1/sessions").status == 200
    front.add_app()
    assert front.api.get("/v1/agents").status == 200


def test_taking_it_away_again_closes_the_door(world: World, configure: Configure) -> None:
    front = somebody(world.acorn)
    configure(second_factor_for=["owner"])
    front.add_app()
    assert front.call("DELETE", f"{FACTORS}/totp").status == 200
    assert front.api.get("/v1/agents").code == "second_factor_needed"


def test_a_key_of_ones_own_is_no_way_around_it(world: World, configure: Configure) -> None:
    front = somebody(world.acorn)
    made = front.api.post("/v1/keys", {"name": "mine", "scopes": ["*"]})
    key = Api(made["secret"])
    assert key.get("/v1/agents").status == 200
    configure(second_factor_for=["owner"])
    refused = key.get("/v1/agents")
    assert (refused.status, refused.code) == (403, "second_factor_needed")
    assert key.get("/v1/whoami").status == 200
    front.add_app()
    assert key.get("/v1/agents").status == 200


def test_other_roles_and_tenants_are_not_asked(world: World, configure: Configure) -> None:
    front, twin = somebody(world.acorn), somebody(world.birch)
    configure(second_factor_for=["admin", "viewer"])
    assert front.api.get("/v1/agents").status == 200
    configure(second_factor_for=["owner"])
    assert twin.api.get("/v1/agents").status == 200


@pytest.mark.parametrize(
    ("named", "permissions", "asked"),
    [
        (["owner", "admin", "developer", "viewer"], ["agents:read"], True),
        (["owner", "admin"], ["agents:read", "members:write"], True),
        (["owner", "admin"], ["agents:write"], False),
        (["admin"], ["members:write"], True),
        (["owner"], ["members:write", "policy:write"], False),
        (["owner"], ["organizations:own"], True),
        ([], ["organizations:own"], False),
    ],
)
def test_an_organizations_own_role_is_asked_by_what_it_allows(
    world: World, configure: Configure, named: list[str], permissions: list[str], asked: bool
) -> None:
    """No tenant knows the roles of its customers by name, and none of them is a way around what it asks for."""
    north = world.acorn.parties["north"]
    front = somebody(world.acorn)
    with enter(world.acorn.ref):
        own = [*permissions, "agents:read"]
        Role.objects.create(organization_id=north.uuid, slug="boss", name="Boss", permissions=own)
        Membership.objects.create(organization_id=north.uuid, user=User.objects.get(email=ADA), role="boss")
    configure(second_factor_for=named)
    there = front.api.sending(packmule_organization=north.id)
    answer = there.get("/v1/agents")
    assert (answer.status, answer.code) == ((403, "second_factor_needed") if asked else (200, ""))


def test_recovery_codes_are_no_second_factor_by_themselves(world: World, configure: Configure) -> None:
    """Codes on paper stand in for the app; when that is gone, they are gone too."""
    front = somebody(world.acorn)
    front.add_app()
    shown: Any = front.get(f"{FACTORS}/recovery-codes")["unused_codes"]
    configure(second_factor_for=["owner"])
    front.call("DELETE", f"{FACTORS}/totp")
    fresh = FrontEnd(world.acorn)
    assert fresh.sign_in().status == 200
    assert fresh.post("auth/2fa/authenticate", code=shown[0]).status == 401
    assert fresh.api.get("/v1/agents").code == "second_factor_needed"
