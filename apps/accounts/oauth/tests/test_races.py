"""Several at once, in threads that commit: one code and one refresh token are good for one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from allauth.idp.oidc.models import Token
from django.conf import settings

from apps.accounts.models import User
from apps.accounts.oauth.models import OAuthGrant
from apps.orgs.models import Membership
from apps.tenancy.models import Domain, Tenant
from apps.tenancy.walls import enter, registry
from tests.client import Api
from tests.oauth import Browser, Program, register
from tests.scratch import at_once, scratch_tenant
from tests.sessions import begin_session
from tests.world import Space, World


@dataclass
class Scene:
    """A tenant of its own: a program, and somebody who is signed in."""

    space: Space
    program: Program
    browser: Browser
    person: User
    statuses: list[int] = field(default_factory=list)

    def alive(self) -> int:
        """How many tokens of the program there are."""
        with enter(self.space.ref):
            return int(Token.objects.filter(client_id=self.program.client_id).count())


@pytest.fixture
def scene(committing: World) -> Iterator[Scene]:
    """Take it all away afterwards."""
    with scratch_tenant() as scratch:
        host = f"{scratch.ref.schema_name.replace('_', '-')}.localhost"
        with registry():
            Domain.objects.create(domain=host, tenant=Tenant.objects.get(pk=scratch.ref.id))
        space = Space(scratch.ref, host)
        with enter(scratch.ref):
            person = User.objects.create_user("racer@example.test", "a made up password of a test")
            Membership.objects.create(organization=scratch.organization, user=person, role="owner")
            made = register(None, secret="s")
        cookie = f"{settings.SESSION_COOKIE_NAME}={begin_session(space, person)}"
        yield Scene(space, Program(space, made.public_id, "s"), Browser(space, cookie), person)
        with registry():
            Domain.objects.filter(domain=host).delete()


def test_a_code_that_two_show_at_once_is_good_for_one_and_ends_what_that_one_got(scene: Scene) -> None:
    for _ in range(3):
        code = scene.program.code(scene.browser, "users:read")
        answers = at_once([partial(scene.program.exchange, code)] * 4)
        assert sorted(answer["status"] for answer in answers) == [200, 400, 400, 400]
        assert scene.alive() == 0


def test_a_refresh_token_that_two_show_at_once_ends_the_family(scene: Scene) -> None:
    for _ in range(3):
        given = scene.program.exchange(scene.program.code(scene.browser, "users:read"))
        shown: dict[str, Any] = {"refresh_token": given["refresh_token"]}
        answers = at_once([partial(scene.program.token, "refresh_token", **shown)] * 4)
        assert sorted(answer["status"] for answer in answers) == [200, 400, 400, 400]
        assert scene.alive() == 0


def test_of_two_who_poll_at_once_one_gets_the_tokens(scene: Scene) -> None:
    cli = Program(scene.space, "packmule-cli")
    for _ in range(3):
        begun = cli.begin("users:read")
        scene.browser.allow(begun["user_code"], ["users:read"])
        answers = at_once([partial(cli.poll, begun["device_code"])] * 4)
        assert [answer["status"] for answer in answers].count(200) == 1


def test_no_token_survives_that_was_refreshed_while_the_consent_was_taken_back(scene: Scene) -> None:
    for _ in range(4):
        given = scene.program.exchange(scene.program.code(scene.browser, "users:read"))
        with enter(scene.space.ref):
            consent = OAuthGrant.objects.get(client_id=scene.program.client_id).public_id
        session = {"x-session-token": scene.browser.cookie.partition("=")[2]}
        refresh = partial(scene.program.token, "refresh_token", refresh_token=given["refresh_token"])
        take_back = partial(
            Api(host=scene.space.host).call, "DELETE", f"/v1/oauth-grants/{consent}", headers=session
        )
        both: list[Callable[[], object]] = [refresh, take_back]
        at_once(both)
        assert scene.alive() == 0
