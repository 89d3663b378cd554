"""Who gets in, who does not, and where they land."""

from __future__ import annotations

import re
from typing import Any

import pytest

from apps.accounts.models import User
from apps.console.tests.support import Person, text_of
from apps.orgs.models import Membership
from apps.tenancy.walls import enter
from tests.world import PASSWORD


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/apikeys/key/", "/operator/", "/admin/switch/", "/admin/nothing/"]
)
def test_who_is_not_signed_in_is_sent_to_sign_in(world: Any, path: str) -> None:
    answer = Person().client.get(path, follow=True)
    assert answer.redirect_chain[-1][0].startswith("/accounts/login/?next=")
    assert "Sign in" in text_of(answer)


def test_signing_in_leads_back_to_where_one_wanted(world: Any) -> None:
    person = Person()
    form = {"login": world.builders.email, "password": "wrong", "next": "/admin/apikeys/key/"}
    assert "do not belong together" in text_of(person.post("/accounts/login/", **form))
    form["password"] = PASSWORD
    assert person.post("/accounts/login/", **form)["Location"] == "/admin/apikeys/key/"


def test_signing_out_ends_the_session(owner: Person) -> None:
    assert owner.get("/admin/").status_code == 200
    assert owner.post("/accounts/logout/").status_code == 302
    assert owner.get("/admin/").status_code == 302


def test_who_belongs_to_no_organization_is_told_so(world: Any) -> None:
    answer = Person("stranger@nowhere.test").get("/admin/")
    assert answer.status_code == 403
    assert "belongs to no organization" in text_of(answer)


def test_the_operators_site_is_for_operators(owner: Person) -> None:
    answer = owner.get("/operator/")
    assert answer.status_code == 403
    assert "for operators" in text_of(answer)


def closed_door(answer: Any, tenant: str) -> bool:
    """True for the page before an environment's admin, which leads to the console and shows nothing of the inside."""
    page = text_of(answer)
    told = f"This is the admin of <strong>{tenant}</strong>" in page and "/admin/enter/?next=" in page
    return told and answer.status_code == 403 and "nav-sidebar" not in page


@pytest.mark.parametrize("path", ["/admin/", "/admin/apikeys/key/", "/admin/nothing/", "/admin/switch/"])
def test_an_environments_admin_is_a_door_to_who_was_not_handed_off(world: Any, path: str) -> None:
    assert closed_door(Person(host=world.acorn.host).get(path), "acorn/production")


def test_an_environments_host_has_no_operators_site(world: Any) -> None:
    assert Person(host=world.acorn.host).get("/operator/").status_code == 404


def test_an_environments_people_sign_in_on_its_own_page(world: Any) -> None:
    page = text_of(Person(host=world.acorn.host).get("/accounts/login/"))
    assert "to Acorn" in page
    assert "Packmule" not in page
    customer = Person(world.acorn.parties["north"].email, host=world.acorn.host)
    assert "owner@north.test" in text_of(customer.get("/accounts/"))
    assert closed_door(customer.get("/admin/"), "acorn/production")


def test_an_environments_sign_in_knows_nobody_of_the_console(world: Any) -> None:
    form = {"login": world.builders.email, "password": PASSWORD}
    person = Person(host=world.acorn.host)
    assert "do not belong together" in text_of(person.post("/accounts/login/", **form))
    assert person.get("/accounts/").status_code == 302


def test_a_session_of_the_console_opens_nothing_on_an_environments_host(world: Any, owner: Person) -> None:
    assert closed_door(owner.client.get("/admin/", SERVER_NAME=world.acorn.host), "acorn/production")
    answer = owner.client.get("/accounts/", SERVER_NAME=world.acorn.host)
    assert answer["Location"] == "/accounts/login/"


def test_a_suspended_person_is_out_at_once(world: Any, owner: Person) -> None:
    with enter(world.console.ref):
        person = Membership.objects.get(organization_id=world.builders.uuid, role="owner").user
        person.apply({"status": "suspended"})
    assert owner.get("/admin/").status_code == 302


def test_switching_to_another_organization_of_ones_own(world: Any, owner: Person) -> None:
    with enter(world.console.ref):
        me = Membership.objects.get(organization_id=world.builders.uuid, role="owner").user
        Membership.objects.create(organization_id=world.rivals.uuid, user=me, role="viewer")
    assert owner.post("/admin/switch/", organization=world.rivals.id).status_code == 302
    page = text_of(owner.get("/admin/"))
    assert "<h1>Birch</h1>" in page
    assert "You are its viewer" in page


def test_switching_to_somebody_elses_organization_is_refused(world: Any, owner: Person) -> None:
    answer = owner.post("/admin/switch/", organization=world.rivals.id)
    assert answer.status_code == 404
    assert "<h1>Acorn</h1>" in text_of(owner.get("/admin/"))


OWN_ACCOUNT = (
    "/accounts/",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/accounts/sessions/",
    "/accounts/3rdparty/",
    "/accounts/reauthenticate/",
)


def test_the_pages_of_accounts_look_like_ours(owner: Person) -> None:
    for path in (*OWN_ACCOUNT, "/accounts/logout/"):
        page = text_of(owner.get(path))
        assert "packmule/pages.css" in page, path
        assert "pm-gate" in page, path
    for path in ("/accounts/login/", "/accounts/password/reset/", "/accounts/signup/"):
        assert "pm-gate" in text_of(Person().get(path)), path


@pytest.mark.parametrize("path", OWN_ACCOUNT)
def test_ones_own_account_is_looked_after_by_who_is_signed_in(world: Any, path: str) -> None:
    answer = Person().get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


def test_a_new_address_takes_a_fresh_sign_in_and_a_confirmation(
    world: Any, owner: Person, mailoutbox: Any, django_capture_on_commit_callbacks: Any
) -> None:
    change = {"email": "boss@corp.test", "action_add": ""}
    asked = owner.post("/accounts/email/", **change)
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert owner.post(asked["Location"], password=PASSWORD).status_code == 302
    with django_capture_on_commit_callbacks(execute=True):
        assert owner.post("/accounts/email/", **change).status_code == 302
    assert ["boss@corp.test"] in [mail.to for mail in mailoutbox]
    with enter(world.console.ref):
        assert not User.objects.filter(email="boss@corp.test").exists()


@pytest.mark.parametrize("path", ["/accounts/confirm-email/x/", "/accounts/login/code/confirm/x/"])
def test_there_are_no_other_pages_of_accounts(owner: Person, path: str) -> None:
    assert Person().get(path).status_code == 404
    assert owner.get(path).status_code == 404


def test_strangers_are_not_offered_an_account_of_the_console(world: Any) -> None:
    assert "/accounts/signup/" not in text_of(Person().get("/accounts/login/"))
    form = {"email": "new@corp.test", "password1": "a wholly new sentence to remember"}
    for answer in (Person().get("/accounts/signup/"), Person().post("/accounts/signup/", **form)):
        assert "Sign-up is closed" in text_of(answer)
    with enter(world.console.ref):
        assert not User.objects.filter(email="new@corp.test").exists()


def test_a_forgotten_password_is_replaced_by_who_reads_the_mail_alone(
    world: Any, mailoutbox: Any, django_capture_on_commit_callbacks: Any
) -> None:
    person = Person()
    with django_capture_on_commit_callbacks(execute=True):
        answers = [
            person.post("/accounts/password/reset/", email=email)
            for email in (world.builders.email, "nobody@nowhere.test")
        ]
    assert [(one.status_code, one["Location"]) for one in answers] == [
        (302, "/accounts/password/reset/done/")
    ] * 2
    assert [mail.to for mail in mailoutbox] == [[world.builders.email], ["nobody@nowhere.test"]]
    assert "/password/reset/key/" not in mailoutbox[1].body
    link = re.search(
        rf"http://{re.escape(world.console.host)}(/accounts/password/reset/key/\S+)", mailoutbox[0].body
    )
    assert link is not None
    form = person.get(link.group(1))["Location"]
    assert "pm-gate" in text_of(person.get(form))
    new = "a wholly new sentence to remember"
    assert person.post(form, password1=new, password2=new).status_code == 302
    assert person.get("/admin/").status_code == 302
    assert person.post("/accounts/login/", login=world.builders.email, password=new)["Location"] == "/admin/"
    assert "pm-gate" in text_of(Person().get(link.group(1)))


def test_the_link_of_a_reset_cannot_be_led_elsewhere(
    world: Any, mailoutbox: Any, django_capture_on_commit_callbacks: Any
) -> None:
    client = Person().client
    client.raise_request_exception = False
    form = {"email": world.builders.email}
    assert client.post("/accounts/password/reset/", form, HTTP_HOST="evil.test").status_code >= 400
    assert mailoutbox == []
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/accounts/password/reset/", form, HTTP_X_FORWARDED_HOST="evil.test")
    assert "evil.test" not in mailoutbox[0].body
