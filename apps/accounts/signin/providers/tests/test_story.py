"""A person of birch signs in to acorn with their account there: the first time, the second time, and never again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from allauth.socialaccount.models import SocialAccount, SocialToken
from django.core import mail

from apps.accounts.signin.providers.tests.elsewhere import BACK, BEGIN, Surfer, Wire, address_of
from apps.accounts.signin.tests.headless import trail_of
from apps.tenancy.models import Domain
from apps.tenancy.walls import enter, registry
from tests.client import Answer
from tests.sessions import person_of
from tests.world import PASSWORD, World

EMAIL = "carla@example.test"
CONNECTIONS = "/accounts/3rdparty/"


def test_somebody_signs_up_with_an_account_elsewhere_and_signs_in_with_it_again(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    page = carla.get(world.acorn, "/accounts/login/").content.decode()
    assert "Continue with Birch" in page
    assert BEGIN in page

    sent = carla.post(world.acorn, BEGIN)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(sent["Location"]).query).items()}
    assert sent["Location"].startswith(address_of(world.birch, "/identity/o/authorize"))
    assert asked["redirect_uri"] == address_of(world.acorn, BACK) == provider["callback_url"]
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert set(asked["scope"].split()) == {"openid", "profile", "email"}

    back = carla.come_back(world.acorn, carla.consent(world.birch, sent["Location"]))
    assert (back.status_code, back["Location"]) == (302, "/accounts/")
    me = carla.whoami(world.acorn)
    assert (me.status, me["actor"]["name"], me["tenant"]) == (200, "Carla", "acorn/production")
    assert me["organization"]["slug"].startswith("carla-")
    assert mail.outbox == []

    again = Surfer(clients={world.birch.host: carla.clients[world.birch.host]})
    assert again.come_back(world.acorn, again.go(world.acorn, world.birch)).status_code == 302
    assert again.whoami(world.acorn)["actor"]["id"] == me["actor"]["id"]
    assert trail_of(world.acorn, me["actor"]["id"]) == [
        ("users.sign_up", "with an account of Birch"),
        ("sessions.start", "by social"),
        ("sessions.start", "by social"),
    ]


def test_calls_go_to_the_provider_when_somebody_signs_in_and_nothing_of_them_is_kept(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    assert wire.calls == []
    callback = carla.go(world.acorn, world.birch)
    assert wire.calls == ["GET /.well-known/openid-configuration"]
    carla.come_back(world.acorn, callback)
    assert wire.calls[1:] == [
        "GET /.well-known/openid-configuration",
        "POST /identity/o/api/token",
        "GET /.well-known/jwks.json",
        "GET /identity/o/api/userinfo",
    ]
    with enter(world.acorn.ref):
        account = SocialAccount.objects.get()
        assert (account.provider, account.extra_data) == ("birch", {"email": EMAIL, "name": "Carla"})
        assert not SocialToken.objects.exists()


def test_people_connect_an_account_while_they_are_signed_in_and_disconnect_it(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    owner = person_of(world.acorn, world.acorn.parties["north"])
    carla.as_person(world.acorn, owner)
    assert "Birch" in carla.get(world.acorn, CONNECTIONS).content.decode()

    stopped = carla.come_back(world.acorn, carla.go(world.acorn, world.birch, process="connect"))
    assert stopped["Location"] == "/accounts/reauthenticate/"
    done = carla.post(world.acorn, stopped["Location"], password=PASSWORD)
    assert (done.status_code, done["Location"]) == (302, CONNECTIONS)
    assert EMAIL in carla.get(world.acorn, CONNECTIONS).content.decode()
    assert [found.subject for found in mail.outbox if found.to == [owner.email]] != []

    stranger = Surfer(clients={world.birch.host: carla.clients[world.birch.host]})
    stranger.come_back(world.acorn, stranger.go(world.acorn, world.birch))
    assert stranger.whoami(world.acorn)["actor"]["id"] == owner.public_id

    with enter(world.acorn.ref):
        connected = SocialAccount.objects.get().pk
    assert carla.post(world.acorn, CONNECTIONS, account=connected).status_code == 302
    assert trail_of(world.acorn, owner.public_id)[-3:] == [
        ("users.connect_account", "account of Birch"),
        ("sessions.start", "by social"),
        ("users.disconnect_account", "account of Birch"),
    ]
    again = stranger.come_back(world.acorn, stranger.go(world.acorn, world.birch))
    assert again.status_code == 302
    assert stranger.whoami(world.acorn)["actor"]["name"] == "Carla"


def test_who_denies_there_is_not_signed_in_here(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    sent = urlsplit(carla.post(world.acorn, BEGIN)["Location"])
    denied = carla.post(world.birch, f"{sent.path}?{sent.query}", action="cancel")
    answer = carla.come_back(world.acorn, denied["Location"])
    assert answer["Location"] == "/accounts/3rdparty/login/cancelled/"
    assert "You cancelled" in carla.get(world.acorn, answer["Location"]).content.decode()
    assert carla.whoami(world.acorn).status == 401


def test_the_page_asks_before_it_sends_anybody_away(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    page = carla.get(world.acorn, BEGIN)
    assert page.status_code == 200
    assert "You go to Birch now" in page.content.decode()
    assert wire.calls == []


def test_people_begin_on_the_host_that_they_come_back_to(
    world: World, wire: Wire, provider: Answer, carla: Surfer, settings: Any
) -> None:
    with registry():
        Domain.objects.create(domain="shop.example.test", tenant_id=world.acorn.ref.id, is_primary=False)
    other = replace(world.acorn, host="shop.example.test")
    sent = carla.post(other, f"{BEGIN}?process=login&next=/accounts/email/")
    assert sent["Location"] == address_of(world.acorn, f"{BEGIN}?process=login&next=%2Faccounts%2Femail%2F")
    assert wire.calls == []
