"""Who gets in, who does not, and where they land."""

from __future__ import annotations

import re
from typing import Any

import pytest

from apps.console.tests.support import Person, text_of
from apps.orgs.models import Membership
from apps.tenancy.walls import enter


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
    assert "not correct" in text_of(person.post("/accounts/login/", **form))
    form["password"] = "correct horse battery staple (made up for tests)"
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


@pytest.mark.parametrize("path", ["/admin/", "/operator/", "/accounts/login/", "/admin/apikeys/key/"])
def test_an_environments_host_has_no_admin_yet(world: Any, path: str) -> None:
    assert Person(host=world.acorn.host).get(path).status_code == 404


def test_a_session_of_the_console_opens_nothing_on_an_environments_host(world: Any, owner: Person) -> None:
    assert owner.client.get("/admin/", SERVER_NAME=world.acorn.host).status_code == 404


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


def test_the_pages_of_accounts_look_like_the_admin(owner: Person) -> None:
    for path in ("/accounts/password/change/", "/accounts/logout/"):
        page = text_of(owner.get(path))
        assert "packmule.css" in page, path
        assert "pm-gate" in page, path
    for path in ("/accounts/login/", "/accounts/password/reset/"):
        assert "pm-gate" in text_of(Person().get(path)), path


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/email/",
        "/accounts/confirm-email/",
        "/accounts/confirm-email/x/",
        "/accounts/password/set/",
        "/accounts/reauthenticate/",
        "/accounts/login/code/confirm/",
        "/accounts/signup/",
    ],
)
def test_addresses_are_not_managed_here(owner: Person, path: str) -> None:
    assert Person().get(path).status_code == 404
    assert owner.get(path).status_code == 404
    assert owner.post(path, email="boss@corp.test", action_add="").status_code == 404


def test_signing_in_offers_nothing_that_is_not_there(world: Any) -> None:
    assert "/accounts/signup/" not in text_of(Person().get("/accounts/login/"))


def test_a_forgotten_password_is_replaced_by_who_reads_the_mail_alone(world: Any, mailoutbox: Any) -> None:
    person = Person()
    answers = [
        person.post("/accounts/password/reset/", email=email)
        for email in (world.builders.email, "nobody@nowhere.test")
    ]
    assert [(one.status_code, one["Location"]) for one in answers] == [
        (302, "/accounts/password/reset/done/")
    ] * 2
    assert [mail.to for mail in mailoutbox] == [[world.builders.email], ["nobody@nowhere.test"]]
    assert "/password/reset/key/" not in mailoutbox[1].body
    link = re.search(r"http://127\.0\.0\.1(/accounts/password/reset/key/\S+)", mailoutbox[0].body)
    assert link is not None
    form = person.get(link.group(1))["Location"]
    assert "pm-gate" in text_of(person.get(form))
    new = "a wholly new sentence to remember"
    assert person.post(form, password1=new, password2=new).status_code == 302
    assert person.get("/admin/").status_code == 302
    assert person.post("/accounts/login/", login=world.builders.email, password=new)["Location"] == "/admin/"
    assert "pm-gate" in text_of(Person().get(link.group(1)))


def test_the_link_of_a_reset_cannot_be_led_elsewhere(world: Any, mailoutbox: Any) -> None:
    client = Person().client
    client.raise_request_exception = False
    form = {"email": world.builders.email}
    assert client.post("/accounts/password/reset/", form, HTTP_HOST="evil.test").status_code >= 400
    assert mailoutbox == []
    client.post("/accounts/password/reset/", form, HTTP_X_FORWARDED_HOST="evil.test")
    assert "evil.test" not in mailoutbox[0].body
