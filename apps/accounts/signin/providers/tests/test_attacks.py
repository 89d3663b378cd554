"""Somebody who wants into another's account, or another tenant, by way of an account elsewhere."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import rsa

from apps.accounts.models import User
from apps.accounts.oauth.signing import private_keys
from apps.accounts.signin.providers.tests.elsewhere import BACK, BEGIN, Surfer, Wire, address_of
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.sessions import person_of
from tests.world import Space, World


def refused(answer: Any, *, because: str = "did not work") -> bool:
    """Whether the page says that it did not work, and why."""
    text = answer.content.decode()
    return bool(answer.status_code == 401 and "did not work" in text and because in text)


def is_in(surfer: Surfer, space: Space) -> bool:
    """Whether the browser's session in the tenant is anybody's."""
    return bool(surfer.whoami(space).status == 200)


def own(world: World, slug: str = "birch", **changes: Any) -> Answer:
    """A provider of birch's own that is called as acorn's is."""
    body = {"slug": slug, "kind": "openid_connect", "name": "Ours", "client_id": "x", "client_secret": "y"}
    answer = Api(world.birch.root_key).post(
        "/v1/sign-in-providers", body | {"server_url": address_of(world.acorn)} | changes
    )
    assert answer.status == 201, answer
    return answer


def test_a_callback_opens_nothing_on_another_tenants_host(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    own(world)
    callback = carla.go(world.acorn, world.birch)
    stranger = Surfer().signed_in(world.birch, carla.token(world.acorn))
    assert refused(stranger.come_back(world.birch, callback), because="another browser")
    assert not is_in(stranger, world.birch)
    assert "POST /identity/o/api/token" not in wire.calls
    carla.come_back(world.acorn, callback)
    assert is_in(carla, world.acorn)


def test_a_callback_counts_once(world: World, wire: Wire, provider: Answer, carla: Surfer) -> None:
    callback = carla.go(world.acorn, world.birch)
    carla.come_back(world.acorn, callback)
    assert refused(carla.come_back(world.acorn, callback), because="was used already")
    assert wire.calls.count("POST /identity/o/api/token") == 1


def test_a_callback_counts_in_the_browser_that_began(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    """The attacker's own callback, opened by somebody else, must not sign them in as the attacker."""
    callback = carla.go(world.acorn, world.birch)
    victim = Surfer()
    assert refused(victim.come_back(world.acorn, callback))
    victim.post(world.acorn, BEGIN)
    assert refused(victim.come_back(world.acorn, callback))
    assert not is_in(victim, world.acorn)
    owner = Surfer().as_person(world.acorn, person_of(world.acorn, world.acorn.parties["north"]))
    assert refused(owner.come_back(world.acorn, callback))
    with enter(world.acorn.ref):
        assert not SocialAccount.objects.exists()


def test_a_code_without_the_browsers_own_proof_is_worth_nothing(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    code = parse_qs(urlsplit(carla.go(world.acorn, world.birch)).query)["code"][0]
    thief = Surfer()
    state = parse_qs(urlsplit(thief.post(world.acorn, BEGIN)["Location"]).query)["state"][0]
    assert refused(thief.get(world.acorn, f"{BACK}?{urlencode({'code': code, 'state': state})}"))
    assert not is_in(thief, world.acorn)


def test_a_state_of_one_provider_opens_no_other(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    twin = {"slug": "twin", "kind": "openid_connect", "name": "Twin", "client_id": provider["client_id"]}
    made = Api(world.acorn.root_key).post(
        "/v1/sign-in-providers", twin | {"server_url": address_of(world.birch)}
    )
    assert made.status == 201
    callback = carla.go(world.acorn, world.birch)
    assert refused(carla.come_back(world.acorn, callback.replace("/birch/", "/twin/")))


def test_a_code_of_another_issuer_is_not_exchanged(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    callback = carla.go(world.acorn, world.birch)
    forged = callback.replace(urlencode({"iss": address_of(world.birch)}), "iss=http%3A%2F%2Fevil.example")
    assert forged != callback
    assert refused(carla.come_back(world.acorn, forged))
    assert "POST /identity/o/api/token" not in wire.calls


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_sent_on_to_another_website(
    world: World, wire: Wire, provider: Answer, carla: Surfer, target: str
) -> None:
    callback = carla.go(world.acorn, world.birch, next=target)
    assert carla.come_back(world.acorn, callback)["Location"] == "/accounts/"


def test_people_go_on_to_the_page_that_they_wanted(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    callback = carla.go(world.acorn, world.birch, next="/accounts/email/")
    assert carla.come_back(world.acorn, callback)["Location"] == "/accounts/email/"


def test_an_address_asks_the_provider_for_no_more_than_the_tenant_set(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    wish = urlencode(
        {
            "scope": "users:write,*",
            "auth_params": "redirect_uri=https://evil.example&client_id=evil&state=mine",
            "process": "redirect",
        }
    )
    asked = parse_qs(urlsplit(carla.post(world.acorn, f"{BEGIN}?{wish}")["Location"]).query)
    assert set(asked["scope"][0].split()) == {"openid", "profile", "email"}
    assert asked["redirect_uri"] == [provider["callback_url"]]
    assert (asked["client_id"], asked["state"] == ["mine"]) == ([provider["client_id"]], False)


# What a provider could claim.


def part(token: str, place: int) -> dict[str, Any]:
    """The header (0) or the claims (1) of a JWT."""
    text = token.split(".")[place]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return read


def with_id_token(wire: Wire, change: Any) -> None:
    """Let the token endpoint answer with what `change` makes of the id token."""

    def answered(request: Any) -> Any:
        really = wire.really(request)
        return really | {"id_token": change(really["id_token"])}

    wire.instead["/identity/o/api/token"] = answered


def resigned(**changes: Any) -> Any:
    """Make of an id token one with other claims, by the key that birch signs with."""

    def change(token: str) -> str:
        key = private_keys()[-1].pem
        return jwt.encode(part(token, 1) | changes, key, "RS256", headers={"kid": part(token, 0)["kid"]})

    return change


def by_another_key(token: str) -> str:
    """The same claims, signed by somebody else under the same key's name."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(part(token, 1), key, "RS256", headers={"kid": part(token, 0)["kid"]})


def by_nobody(token: str) -> str:
    """The same claims without a signature."""
    return jwt.encode(part(token, 1), "", "none", headers={"kid": part(token, 0)["kid"]})


CLAIMS = {
    "another audience": {"aud": "somebody else"},
    "several audiences, made for another": {"aud": ["somebody else", "me"], "azp": "somebody else"},
    "another issuer": {"iss": "http://evil.example"},
    "expired": {"exp": 1_700_000_000},
    "from the future": {"iat": 9_000_000_000},
    "about nobody": {"sub": ""},
    "about somebody else than userinfo": {"sub": "usr_00000000000000000000000000"},
    "without an end": {"exp": None},
}


@pytest.mark.parametrize("claims", list(CLAIMS.values()), ids=list(CLAIMS))
def test_an_id_token_that_is_not_for_us_now_lets_nobody_in(
    world: World, wire: Wire, provider: Answer, carla: Surfer, claims: dict[str, Any]
) -> None:
    if isinstance(claims.get("aud"), list):
        claims = claims | {"aud": ["somebody else", provider["client_id"]]}
    with_id_token(wire, lambda token: _in_birch(world, resigned(**claims), token))
    assert refused(carla.come_back(world.acorn, carla.go(world.acorn, world.birch)))
    assert not is_in(carla, world.acorn)


@pytest.mark.parametrize("forge", [by_another_key, by_nobody, lambda _token: "no token"])
def test_an_id_token_that_the_provider_did_not_sign_lets_nobody_in(
    world: World, wire: Wire, provider: Answer, carla: Surfer, forge: Any
) -> None:
    with_id_token(wire, forge)
    assert refused(carla.come_back(world.acorn, carla.go(world.acorn, world.birch)))
    assert not is_in(carla, world.acorn)


def _in_birch(world: World, change: Any, token: str) -> str:
    with enter(world.birch.ref):
        return str(change(token))


def test_a_provider_that_was_replaced_by_another_does_not_inherit_its_people(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    carla.come_back(world.acorn, carla.go(world.acorn, world.birch))
    root = Api(world.acorn.root_key)
    root.delete(f"/v1/sign-in-providers/{provider['id']}")
    body = {name: provider[name] for name in ("slug", "kind", "name", "client_id", "server_url")}
    assert root.post("/v1/sign-in-providers", body).status == 201
    with enter(world.acorn.ref):
        assert User.objects.filter(email="carla@example.test").exists()
        assert not SocialAccount.objects.exists()
