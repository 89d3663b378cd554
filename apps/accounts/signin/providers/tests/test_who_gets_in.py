"""Who gets an account here because another provider vouches for them, and who does not."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.test import TestCase

from apps.accounts.models import User
from apps.accounts.signin.providers.tests.conftest import Newcomer
from apps.accounts.signin.providers.tests.elsewhere import BEGIN, Surfer, Wire
from apps.accounts.signin.tests.conftest import Configure
from apps.accounts.signin.tests.headless import FrontEnd, code_for, link_for, mails_to, trail_of
from apps.orgs.models import Membership
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.world import Space, World

CARLA = "carla@example.test"
SIGN_UP = "/accounts/3rdparty/signup/"
CONFIRM = "/accounts/confirm-email/"


@pytest.fixture
def root(world: World) -> Api:
    return Api(world.acorn.root_key)


def person_in(space: Space, email: str = CARLA) -> User | None:
    """The person with that address in the tenant."""
    with enter(space.ref):
        found: User | None = User.objects.filter(email=email).first()
    return found


def is_connected(space: Space) -> bool:
    """Whether anybody in the tenant has connected an account."""
    with enter(space.ref):
        return bool(SocialAccount.objects.exists())


def arrive(world: World, surfer: Surfer) -> Any:
    """Go to birch, agree, and come back."""
    return surfer.come_back(world.acorn, surfer.go(world.acorn, world.birch))


def invite(world: World, email: str, role: str) -> str:
    """Invite somebody into acorn's north, and return the path of the page that their mail leads to."""
    path = f"/v1/organizations/{world.acorn.parties['north'].id}/invitations"
    with enter(world.acorn.ref), TestCase.captureOnCommitCallbacks(execute=True):
        assert Api(world.acorn.root_key).post(path, {"email": email, "role": role}).status == 201
    return link_for(email).partition(world.acorn.host)[2]


# Addresses that somebody has here.


@pytest.mark.parametrize("verified", [True, False], ids=["verified there", "claimed there"])
def test_an_address_that_somebody_has_here_is_not_taken_over(
    world: World, wire: Wire, provider: Answer, newcomer: Newcomer, verified: bool
) -> None:
    email = world.acorn.parties["north"].email
    thief = Surfer().as_person(world.birch, newcomer(email, verified=verified))
    answer = arrive(world, thief)
    assert answer["Location"].startswith(CONFIRM)
    assert thief.whoami(world.acorn).status == 401
    assert not is_connected(world.acorn)
    assert "account" in mails_to(email)[-1].lower()
    assert "/accounts/password/reset" in link_for(email)


def test_a_claimed_address_that_nobody_has_here_is_confirmed_first(
    world: World, wire: Wire, provider: Answer, newcomer: Newcomer
) -> None:
    surfer = Surfer().as_person(world.birch, newcomer(verified=False))
    answer = arrive(world, surfer)
    assert answer["Location"].startswith(CONFIRM)
    assert surfer.whoami(world.acorn).status == 401
    done = surfer.post(world.acorn, CONFIRM, code=code_for(CARLA))
    assert done.status_code == 302
    me = surfer.whoami(world.acorn)
    assert (me.status, me["actor"]["name"]) == (200, "Carla")
    assert is_connected(world.acorn)


def test_who_claimed_an_address_is_out_once_its_owner_confirms_it(
    world: World, wire: Wire, provider: Answer, newcomer: Newcomer
) -> None:
    thief = Surfer().as_person(world.birch, newcomer(verified=False))
    arrive(world, thief)
    front = FrontEnd(world.acorn)
    assert front.by_code(CARLA).status == 200
    owner = person_in(world.acorn)
    assert owner is not None
    assert not is_connected(world.acorn)
    assert ("users.disconnect_account", "dropped: connected before the address was confirmed") in trail_of(
        world.acorn, owner.public_id
    )
    assert arrive(world, thief)["Location"].startswith(CONFIRM)
    assert thief.whoami(world.acorn).status == 401


def test_a_password_that_a_stranger_chose_opens_no_account_that_its_owner_came_to(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    """Somebody signs up with Carla's address and waits for her; she comes, and is told that there is an account."""
    stranger = FrontEnd(world.acorn)
    assert stranger.post("auth/signup", email=CARLA, password="waiting for carla").pending == "verify_email"
    assert arrive(world, carla)["Location"].startswith(CONFIRM)
    assert not is_connected(world.acorn)
    assert FrontEnd(world.acorn).sign_in(CARLA, "waiting for carla").pending == "verify_email"


def test_of_several_addresses_one_counts_and_a_claim_in_words_is_none(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    wire.instead["/identity/o/api/userinfo"] = lambda asked: (
        wire.really(asked) | {"email": "other@example.test", "email_verified": "false"}
    )
    assert arrive(world, carla)["Location"].startswith(CONFIRM)
    with enter(world.acorn.ref):
        address = EmailAddress.objects.get(email="other@example.test")
        assert (address.verified, address.user.email) == (False, "other@example.test")
        assert not EmailAddress.objects.filter(email=CARLA).exists()


# What the tenant's settings say.


def test_where_sign_up_is_closed_nobody_new_gets_in(
    world: World, wire: Wire, provider: Answer, carla: Surfer, configure: Configure
) -> None:
    callback = carla.go(world.acorn, world.birch)
    configure(sign_up="closed")
    answer = carla.come_back(world.acorn, callback)
    assert (answer.status_code, carla.whoami(world.acorn).status) == (200, 401)
    assert person_in(world.acorn) is None


def test_who_has_an_account_gets_in_where_sign_up_is_closed(
    world: World, wire: Wire, provider: Answer, carla: Surfer, configure: Configure
) -> None:
    arrive(world, carla)
    configure(sign_up="closed")
    again = Surfer(clients={world.birch.host: carla.clients[world.birch.host]})
    arrive(world, again)
    assert again.whoami(world.acorn).status == 200


def test_an_address_of_another_domain_does_not_sign_up(
    world: World, wire: Wire, provider: Answer, carla: Surfer, configure: Configure
) -> None:
    configure(email_domains=["corp.example"])
    assert arrive(world, carla)["Location"] == SIGN_UP
    assert "One more question" in carla.get(world.acorn, SIGN_UP).content.decode()
    refused = carla.post(world.acorn, SIGN_UP, email=CARLA)
    assert "Only addresses of the organizations" in refused.content.decode()
    assert person_in(world.acorn) is None

    asked = carla.post(world.acorn, SIGN_UP, email="Carla@corp.example")
    assert asked["Location"].startswith(CONFIRM)
    carla.post(world.acorn, CONFIRM, code=code_for("carla@corp.example"))
    assert carla.whoami(world.acorn)["actor"]["name"] == "Carla"
    with enter(world.acorn.ref):
        assert [known.email for known in EmailAddress.objects.filter(user__name="Carla")] == [
            "carla@corp.example"
        ]


def test_a_provider_that_knows_no_address_is_no_way_around_one(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    def anonymous(asked: Any) -> Any:
        return {"sub": wire.really(asked)["sub"], "email": None, "email_verified": None}

    wire.instead["/identity/o/api/userinfo"] = anonymous
    assert arrive(world, carla)["Location"] == SIGN_UP
    taken = world.acorn.parties["south"].email
    hidden = carla.post(world.acorn, SIGN_UP, email=taken)
    assert hidden["Location"].startswith(CONFIRM)
    assert not is_connected(world.acorn)
    assert carla.whoami(world.acorn).status == 401


def test_an_invitation_is_taken_with_an_account_elsewhere(
    world: World, wire: Wire, provider: Answer, carla: Surfer, configure: Configure
) -> None:
    configure(sign_up="invited")
    north = world.acorn.parties["north"]
    assert arrive(world, carla).status_code == 200
    assert person_in(world.acorn) is None

    carla.get(world.acorn, invite(world, CARLA, "developer"))
    arrive(world, carla)
    person = person_in(world.acorn)
    assert person is not None
    with enter(world.acorn.ref, north.uuid):
        assert Membership.objects.get(user=person).role == "developer"
    assert carla.whoami(world.acorn)["organization"]["id"] == north.id


@pytest.mark.parametrize("sign_up", ["invited", "open"])
def test_an_invitation_for_another_address_is_taken_with_that_address(
    world: World, wire: Wire, provider: Answer, carla: Surfer, configure: Configure, sign_up: str
) -> None:
    configure(sign_up=sign_up)
    north = world.acorn.parties["north"]
    carla.get(world.acorn, invite(world, "work@corp.example", "viewer"))
    assert arrive(world, carla)["Location"] == SIGN_UP
    assert "work@corp.example" in carla.get(world.acorn, SIGN_UP).content.decode()
    carla.post(world.acorn, SIGN_UP, email=CARLA)
    assert person_in(world.acorn) is None
    assert person_in(world.acorn, "work@corp.example") is not None
    assert carla.whoami(world.acorn)["organization"]["id"] == north.id


# What is offered.


def test_who_is_asked_for_an_address_gets_none_in_once_the_way_is_closed(
    world: World, wire: Wire, provider: Answer, carla: Surfer, configure: Configure, root: Api
) -> None:
    configure(email_domains=["corp.example"])
    assert arrive(world, carla)["Location"] == SIGN_UP
    root.patch(f"/v1/sign-in-providers/{provider['id']}", {"enabled": False})
    answer = carla.post(world.acorn, SIGN_UP, email="carla@corp.example")
    assert "Sign-up is closed" in answer.content.decode()
    assert person_in(world.acorn, "carla@corp.example") is None


def test_where_the_way_is_not_offered_nobody_goes_and_nobody_comes(
    world: World, wire: Wire, provider: Answer, carla: Surfer, configure: Configure
) -> None:
    callback = carla.go(world.acorn, world.birch)
    configure(methods=["password", "code"])
    assert "Birch" not in carla.get(world.acorn, "/accounts/login/").content.decode()
    assert carla.get(world.acorn, BEGIN).status_code == 404
    assert carla.post(world.acorn, BEGIN).status_code == 404
    assert carla.come_back(world.acorn, callback).status_code == 404
    assert person_in(world.acorn) is None


def test_a_provider_that_is_switched_off_lets_nobody_in_and_is_still_shown_to_who_connected_it(
    world: World, wire: Wire, provider: Answer, carla: Surfer, root: Api
) -> None:
    arrive(world, carla)
    root.patch(f"/v1/sign-in-providers/{provider['id']}", {"enabled": False})
    page = carla.get(world.acorn, "/accounts/3rdparty/").content.decode()
    assert CARLA in page
    assert BEGIN not in page
    other = Surfer(clients={world.birch.host: carla.clients[world.birch.host]})
    assert other.post(world.acorn, BEGIN).status_code == 404


def test_a_suspended_person_does_not_get_in_by_an_account_elsewhere(
    world: World, wire: Wire, provider: Answer, carla: Surfer, root: Api
) -> None:
    arrive(world, carla)
    person = person_in(world.acorn)
    assert person is not None
    assert root.post(f"/v1/users/{person.public_id}/suspend", {"reason": "left"}).status == 200
    again = Surfer(clients={world.birch.host: carla.clients[world.birch.host]})
    assert arrive(world, again)["Location"] == "/accounts/inactive/"
    assert again.whoami(world.acorn).status == 401


def test_a_second_factor_is_asked_for_all_the_same(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    arrive(world, carla)
    person = person_in(world.acorn)
    assert person is not None
    with enter(world.acorn.ref):
        TOTP.activate(person, generate_totp_secret())
    again = Surfer(clients={world.birch.host: carla.clients[world.birch.host]})
    assert arrive(world, again)["Location"].startswith("/accounts/2fa/authenticate/")
    assert again.whoami(world.acorn).status == 401
    assert mail.outbox == []
