"""Google and GitHub, each by what it answers: an OpenID provider with one address, and one that knows no OpenID."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import rsa

from apps.accounts.signin.providers.tests.elsewhere import Surfer, Wire
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World

GOOGLE = "https://accounts.google.com"
DISCOVERY = {
    "issuer": GOOGLE,
    "authorization_endpoint": f"{GOOGLE}/o/oauth2/v2/auth",
    "token_endpoint": "https://oauth2.googleapis.com/token",
    "userinfo_endpoint": "https://openidconnect.googleapis.com/v1/userinfo",
    "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
    "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
}


def offer(world: World, kind: str) -> None:
    """Let acorn offer the provider, under the name of its kind."""
    body = {
        "slug": kind,
        "kind": kind,
        "name": kind.title(),
        "client_id": "acorn",
        "client_secret": "made-up",
    }
    assert Api(world.acorn.root_key).post("/v1/sign-in-providers", body).status == 201


def begin(world: World, surfer: Surfer, slug: str) -> dict[str, str]:
    """Go, and return what the provider was asked for, with the address as `to`."""
    sent = surfer.post(world.acorn, f"/accounts/3rdparty/{slug}/login/")
    address, _, query = sent["Location"].partition("?")
    return {"to": address, **{name: values[0] for name, values in parse_qs(query).items()}}


def come_back(world: World, surfer: Surfer, asked: dict[str, str]) -> Any:
    """Follow the redirect of a provider that agrees."""
    query = urlencode({"code": "a-code", "state": asked["state"]})
    return surfer.get(world.acorn, f"{urlsplit(asked['redirect_uri']).path}?{query}")


def test_google_is_an_openid_provider_with_one_address(world: World, wire: Wire) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    claims = {"iss": GOOGLE, "aud": "acorn", "sub": "1101", "iat": time.time(), "exp": time.time() + 60}
    person = {"sub": "1101", "email": "gina@example.test", "email_verified": True, "name": "Gina"}
    sent: list[dict[str, list[str]]] = []

    def token(request: Any) -> Any:
        sent.append(parse_qs(request.body))
        return {"access_token": "a", "id_token": jwt.encode(claims, key, "RS256", headers={"kid": "k"})}

    wire.instead |= {
        "/.well-known/openid-configuration": DISCOVERY,
        "/token": token,
        "/oauth2/v3/certs": {"keys": [public | {"kid": "k", "alg": "RS256"}]},
        "/v1/userinfo": person,
    }
    offer(world, "google")
    surfer = Surfer()
    asked = begin(world, surfer, "google")
    assert (asked["to"], asked["client_id"]) == (f"{GOOGLE}/o/oauth2/v2/auth", "acorn")
    assert come_back(world, surfer, asked)["Location"] == "/accounts/"
    assert surfer.whoami(world.acorn)["actor"]["name"] == "Gina"
    assert (sent[0]["client_secret"], sent[0]["redirect_uri"]) == (["made-up"], [asked["redirect_uri"]])
    assert len(sent[0]["code_verifier"][0]) >= 43


ADDRESSES = [
    {"email": "old@example.test", "primary": False, "verified": True},
    {"email": "work@example.test", "primary": True, "verified": True},
    {"email": "claimed@example.test", "primary": False, "verified": False},
]


@pytest.mark.parametrize(
    ("addresses", "email", "verified"),
    [
        (ADDRESSES, "work@example.test", True),
        ([ADDRESSES[2] | {"primary": True}, ADDRESSES[0]], "old@example.test", True),
        ([ADDRESSES[2] | {"primary": True}], "claimed@example.test", False),
    ],
)
def test_of_githubs_addresses_the_one_that_is_vouched_for_most_counts(
    world: World, wire: Wire, addresses: list[dict[str, Any]], email: str, verified: bool
) -> None:
    wire.instead |= {
        "/login/oauth/access_token": {"access_token": "a", "token_type": "bearer", "scope": "user:email"},
        "/user": {"id": 7, "login": "gina", "name": None, "bio": "likes mules", "plan": {"name": "free"}},
        "/user/emails": addresses,
    }
    offer(world, "github")
    surfer = Surfer()
    asked = begin(world, surfer, "github")
    assert (asked["to"], asked["scope"]) == ("https://github.com/login/oauth/authorize", "user:email")
    come_back(world, surfer, asked)
    assert (surfer.whoami(world.acorn).status == 200) is verified
    with enter(world.acorn.ref):
        address = EmailAddress.objects.get(email__in=[known["email"] for known in addresses])
        assert (address.email, address.verified, address.user.name) == (email, verified, "gina")
        account = SocialAccount.objects.get()
        assert (account.provider, account.uid, account.extra_data) == ("github", "7", {"login": "gina"})


@pytest.mark.parametrize(
    "answers",
    [
        {"/login/oauth/access_token": {"error": "bad_verification_code"}},
        {"/user": {"login": "gina"}},
        {"/user": 403},
        {"/user": ["gina"]},
        {"/user/emails": [{"email": "a@example.test"}]},
    ],
)
def test_githubs_refusals_let_nobody_in(world: World, wire: Wire, answers: dict[str, Any]) -> None:
    wire.instead |= {
        "/login/oauth/access_token": {"access_token": "a"},
        "/user": {"id": 7, "login": "gina"},
        "/user/emails": [],
    } | answers
    offer(world, "github")
    surfer = Surfer()
    answer = come_back(world, surfer, begin(world, surfer, "github"))
    assert (answer.status_code, surfer.whoami(world.acorn).status) == (401, 401)
