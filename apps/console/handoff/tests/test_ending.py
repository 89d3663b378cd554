"""A hand-off ends at once with whatever it rests on, and its cookie opens nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, transaction

from apps.accounts.models import User
from apps.apikeys.handoffs import HandOff
from apps.apikeys.sessions import HAND_OFF_COOKIE
from apps.audit.models import Event
from apps.console.handoff.tests.support import CONSOLE, Browser, text_of
from apps.core import clock
from apps.orgs.models import Membership
from apps.tenancy.models import Tenant
from apps.tenancy.provisioning import soft_delete
from apps.tenancy.walls import NO_ORGANIZATION, enter, outside, registry
from tests.client import Api
from tests.world import PASSWORD, World


def page_of(world: World, browser: Browser) -> Any:
    """The next click."""
    return browser.get(f"http://{world.acorn.host}/admin/accounts/agent/")


def closed(world: World, browser: Browser) -> str:
    """What the next click says, which has to be that it is over."""
    answer = page_of(world, browser)
    assert answer.status_code == 403
    assert "north's agent" not in text_of(answer)
    assert "/admin/enter/?next=%2Fadmin%2Faccounts%2Fagent%2F" in text_of(answer)
    assert answer["Cache-Control"] == "no-store"
    return text_of(answer)


def cookie_of(world: World, browser: Browser) -> str:
    """The session's key."""
    return str(browser.on(world.acorn.host).cookies[HAND_OFF_COOKIE].value)


def test_it_is_open_until_then(world: World, inside: Browser) -> None:
    assert "north's agent" in text_of(page_of(world, inside))


def test_with_the_consoles_sign_out(world: World, inside: Browser) -> None:
    assert inside.post(f"http://{CONSOLE}/accounts/logout/").status_code == 302
    assert "session in the console" in closed(world, inside)


def test_with_the_consoles_sessions_time(world: World, inside: Browser) -> None:
    with enter(world.console.ref):
        Session.objects.update(expire_date=clock.now() - timedelta(seconds=1))
    closed(world, inside)


def test_with_its_revocation_from_the_list(world: World, inside: Browser) -> None:
    with enter(world.console.ref):
        UserSession.objects.filter(user__email=world.builders.email).delete()
    closed(world, inside)


def test_with_a_new_password(world: World, inside: Browser) -> None:
    with enter(world.console.ref):
        person = User.objects.get(email=world.builders.email)
        person.set_password("another long and made up password")
        person.save()
    closed(world, inside)


def test_with_a_new_password_that_the_person_sets(world: World, inside: Browser) -> None:
    """The console's session goes on under a new key, and the hand-off does not."""
    new = "another long and made up password"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert inside.post(f"http://{CONSOLE}/accounts/password/change/", **form).status_code == 302
    closed(world, inside)


def test_with_the_persons_suspension_and_not_again_after_it(world: World, inside: Browser) -> None:
    console, person = Api(world.console.root_key), f"/v1/users/{world.builders.person}"
    with enter(world.console.ref):  # the last owner of others is not suspended
        Membership.objects.filter(user__email="viewer@acorn.test").update(role="owner")
    assert console.post(f"{person}/suspend", {"reason": "r"}).status == 200
    assert "session in the console" in closed(world, inside)
    assert console.post(f"{person}/activate", {"reason": "r"}).status == 200
    closed(world, inside)


def test_with_the_membership(world: World, inside: Browser) -> None:
    with enter(world.console.ref):
        Membership.objects.filter(user__email=world.builders.email).delete()
    assert "no member" in closed(world, inside)


def test_the_role_of_now_counts(world: World, inside: Browser) -> None:
    agent = world.acorn.parties["north"].agent
    suspending = f"http://{world.acorn.host}/admin/accounts/agent/{agent}/do/agents.suspend/"
    with enter(world.console.ref):
        Membership.objects.filter(user__email=world.builders.email).update(role="viewer")
    assert "is not among what the role viewer may do" in text_of(inside.post(suspending, reason="r"))
    with enter(world.console.ref):
        Membership.objects.filter(user__email=world.builders.email).update(role="admin")
    assert inside.post(suspending, reason="r").status_code == 302


def test_with_the_environments_owner(world: World, inside: Browser) -> None:
    with registry():
        Tenant.objects.filter(pk=world.acorn.ref.id).update(owner_organization_id=world.rivals.uuid)
    assert "another organization" in closed(world, inside)


def test_not_even_for_a_person_who_is_in_both(world: World, inside: Browser) -> None:
    with enter(world.console.ref):
        person = User.objects.get(email=world.builders.email)
        Membership.objects.create(organization_id=world.rivals.uuid, user=person, role="owner")
    with registry():
        Tenant.objects.filter(pk=world.acorn.ref.id).update(owner_organization_id=world.rivals.uuid)
    closed(world, inside)


def test_with_the_environment(world: World, inside: Browser) -> None:
    soft_delete(Tenant.objects.get(pk=world.acorn.ref.id))
    answer = page_of(world, inside)
    assert (answer.status_code, "host_refused" in text_of(answer)) == (400, True)


def test_with_its_own_time(world: World, inside: Browser) -> None:
    with registry():
        HandOff.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    assert "Its time was over" in closed(world, inside)


def test_with_its_revocation_over_the_api(world: World, inside: Browser) -> None:
    api = Api(world.builders.agent_key)
    (row,) = api.get("/v1/hand-offs")["data"]
    assert (row["tenant"], row["status"], row["person"]["id"]) == (
        "acorn/production",
        "open",
        world.builders.person,
    )
    assert api.delete(f"/v1/hand-offs/{row['id']}").status == 204
    assert "It was ended at" in closed(world, inside)
    assert api.get(f"/v1/hand-offs/{row['id']}")["status"] == "revoked"
    for space in (world.acorn, world.console):
        with enter(space.ref):
            assert Event.objects.get(operation="hand_offs.end").actor_id == world.builders.agent


def test_with_leaving_the_environment_alone(world: World, inside: Browser) -> None:
    answer = inside.post(f"http://{world.acorn.host}/admin/leave/")
    assert answer["Location"] == f"http://{CONSOLE}/admin/"
    assert inside.get(f"http://{CONSOLE}/admin/").status_code == 200
    closed(world, inside)
    with enter(world.acorn.ref):
        assert not Session.objects.exists()
        assert Event.objects.get(operation="hand_offs.end").actor_id == world.builders.person
    assert HandOff.objects.get().status == "signed_out"


def test_with_its_row_in_the_environment(world: World, inside: Browser) -> None:
    with enter(world.acorn.ref):
        Session.objects.all().delete()
    closed(world, inside)


def test_with_opening_it_anew_in_the_same_browser(world: World, inside: Browser, acorn: str) -> None:
    before = cookie_of(world, inside)
    assert inside.open(world.acorn, acorn).status_code == 200
    assert page_of(world, inside).status_code == 200
    assert cookie_of(world, inside) != before
    inside.on(world.acorn.host).cookies[HAND_OFF_COOKIE] = before
    closed(world, inside)
    assert sorted(HandOff.objects.values_list("ending", flat=True)) == ["", "replaced"]


def test_other_sessions_of_the_same_person_keep_nothing_open(world: World, inside: Browser) -> None:
    Browser(world.builders.email)
    assert inside.post(f"http://{CONSOLE}/accounts/logout/").status_code == 302
    closed(world, inside)


def test_a_list_says_when_the_console_ended_it(world: World, inside: Browser) -> None:
    inside.post(f"http://{CONSOLE}/accounts/logout/")
    (row,) = Api(world.builders.agent_key).get("/v1/hand-offs")["data"]
    assert row["status"] == "closed"
    away = Api(world.builders.agent_key).sending(packmule_environment="acorn/production")
    assert away.get("/v1/hand-offs")["data"][0]["status"] == "closed"


# Its cookie, elsewhere.


def test_it_opens_no_api(world: World, inside: Browser) -> None:
    key = cookie_of(world, inside)
    for host in (world.acorn.host, CONSOLE, world.console.host):
        for cookie in (HAND_OFF_COOKIE, "packmule_session_0"):
            assert Api(host=host).sending(cookie=f"{cookie}={key}").get("/v1/agents").status == 401
    assert Api(host=world.acorn.host).sending(x_session_token=key).get("/v1/agents").status == 401


@pytest.mark.parametrize("path", ["/admin/", "/admin/accounts/agent/", "/operator/", "/accounts/"])
def test_it_opens_no_other_tenant(world: World, inside: Browser, path: str) -> None:
    thief, key = Browser(), cookie_of(world, inside)
    for host in (world.birch.host, CONSOLE):
        jar = thief.on(host)
        for name in (HAND_OFF_COOKIE, "packmule_session_0"):
            jar.cookies[name] = key
        answer = jar.get(path)
        assert answer.status_code in (302, 403, 404), host
        assert "north's agent" not in text_of(answer)


def test_it_signs_nobody_in_to_the_environment(world: World, inside: Browser) -> None:
    jar = inside.on(world.acorn.host)
    jar.cookies["packmule_session_0"] = cookie_of(world, inside)
    assert jar.get("/accounts/password/change/").status_code == 302


def test_the_environments_own_people_are_told_that_it_is_not_theirs(world: World) -> None:
    person = Browser()
    person.sign_in(world.acorn.parties["north"].email, world.acorn.host)
    for path in ("", "accounts/agent/", "nothing/"):
        answer = person.get(f"http://{world.acorn.host}/admin/{path}")
        assert answer.status_code == 403
        assert "Accounts of acorn/production itself do not open this admin" in text_of(answer)
    own = person.on(world.acorn.host).cookies["packmule_session_0"].value
    person.on(world.acorn.host).cookies[HAND_OFF_COOKIE] = own
    assert page_of(world, person).status_code == 403


def test_nobody_sees_who_builds_the_product(world: World, inside: Browser) -> None:
    for key in (world.acorn.root_key, world.acorn.parties["north"].agent_key, world.birch.root_key):
        assert Api(key).get("/v1/hand-offs")["data"] == []
    rival = Api(world.rivals.agent_key)
    assert rival.get("/v1/hand-offs")["data"] == []
    made = HandOff.objects.get()
    for verb in (rival.get, rival.delete):
        assert verb(f"/v1/hand-offs/{made.public_id}").status == 404


# The walls under it.


def refused(statement: str) -> None:
    """The statement has to fail for want of a right."""
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert isinstance(caught.value.__cause__, psycopg.errors.InsufficientPrivilege)


def test_no_role_of_a_tenant_touches_the_row(world: World, inside: Browser) -> None:
    table = "public.apikeys_handoff"
    statements = (
        f"select * from {table}",
        f"update {table} set user_id = gen_random_uuid()",
        f"update {table} set ended_at = null",
        f"delete from {table}",
    )
    for space, organization in ((world.acorn, None), (world.acorn, NO_ORGANIZATION), (world.console, None)):
        for statement in statements:
            with enter(space.ref, organization):
                refused(statement)
    with outside():
        for statement in statements[1:]:
            refused(statement)


def test_a_forged_session_of_the_environment_opens_nothing(world: World, inside: Browser) -> None:
    """Whoever writes the environment's sessions, and knows the hand-off's id, still lacks the key's hash."""
    made = HandOff.objects.get()
    with enter(world.acorn.ref):
        from django.contrib.sessions.backends.db import SessionStore

        forged = SessionStore()
        forged["hand_off"] = str(made.pk)
        forged.save()
    thief = Browser()
    thief.on(world.acorn.host).cookies[HAND_OFF_COOKIE] = str(forged.session_key)
    closed(world, thief)
