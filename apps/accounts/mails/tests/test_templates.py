"""A tenant writes its own mails: with placeholders and nothing more, and only who configures the tenant may."""

from __future__ import annotations

import pytest

from apps.accounts.mails.kinds import KINDS
from tests.client import Answer, Api
from tests.world import World

PATH = "/v1/mail-templates/reset_password"
OWN = {"subject": "Back into {{ product }}", "text": "Click {{ link }}, {{ email }}."}


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


def put(client: Api, body: object, path: str = PATH, **headers: str) -> Answer:
    return client.call("PUT", path, body, headers=headers)


def test_every_kind_is_listed_with_what_it_takes(root: Api) -> None:
    answer = root.get("/v1/mail-templates")
    assert [row["kind"] for row in answer["data"]] == list(KINDS)
    assert all(row["is_default"] and row["version"] is None for row in answer["data"])
    reset = root.get(PATH)
    assert reset["placeholders"] == ["code", "email", "link", "minutes", "product"]
    assert reset["needs"] == ["link", "code"]


def test_a_text_is_put_read_replaced_and_deleted(root: Api) -> None:
    made = put(root, OWN)
    assert (made.status, made["version"], made["is_default"]) == (200, 1, False)
    assert made["id"].startswith("mtp_")
    assert root.get(PATH).body == made.body
    other = put(root, {**OWN, "sender_name": "Acorn Support"}, if_match=made.headers["ETag"])
    assert (other["version"], other["sender_name"]) == (2, "Acorn Support")
    assert put(root, OWN, if_match=made.headers["ETag"]).code == "version_mismatch"
    assert put(root, OWN)["sender_name"] == ""
    assert root.delete(PATH).status == 204
    assert root.get(PATH)["is_default"] is True
    assert root.delete(PATH).code == "mail_template_is_default"


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"text": "Click {{ link }} {{ password }}"}, "text", "unknown_placeholder"),
        ({"text": "Click {{ link }} {{ product.secret }}"}, "text", "malformed_placeholder"),
        ({"text": "Click {{ link }} {{ link|safe }}"}, "text", "malformed_placeholder"),
        ({"text": "Click {{link"}, "text", "malformed_placeholder"),
        ({"text": "Nothing to click"}, "text", "missing_placeholder"),
        ({"html": "<p>Nothing to click</p>"}, "html", "missing_placeholder"),
        ({"html": "<p>{{ link }} {{ inviter }}</p>"}, "html", "unknown_placeholder"),
        ({"subject": "Your code {{ code }}"}, "subject", "unknown_placeholder"),
        ({"subject": "A\nBcc: all@example.com"}, "subject", "invalid_character"),
        ({"sender_name": "A\r\nBcc: all@example.com"}, "sender_name", "invalid_character"),
        ({"text": " "}, "text", "blank"),
        ({"body": "x"}, "body", "unknown_field"),
    ],
)
def test_what_will_not_do_is_refused_in_words(
    root: Api, change: dict[str, str], field: str, code: str
) -> None:
    answer = put(root, {**OWN, **change})
    assert answer.status == 422, answer
    assert (field, code) in [(error["field"], error["code"]) for error in answer["errors"]]
    assert root.get(PATH)["is_default"] is True


def test_what_looks_like_djangos_language_is_plain_text(root: Api) -> None:
    text = "{% load static %}{% include 'admin/base.html' %}{# x #} {{ link }}"
    assert put(root, {**OWN, "text": text}).status == 200
    shown = root.post(f"{PATH}/preview")
    assert shown["text"].startswith("{% load static %}{% include 'admin/base.html' %}{# x #} https://")


def test_a_preview_shows_what_is_in_use_or_a_draft_and_keeps_nothing(root: Api) -> None:
    default = root.post(f"{PATH}/preview")
    assert (default.status, default["subject"]) == (200, "Choose a new password for acorn")
    assert default["sender"] == "acorn <noreply@localhost>"
    draft = root.post(
        f"{PATH}/preview", {**OWN, "html": '<a href="{{ link }}">{{ product }}</a>', "sender_name": "Ann"}
    )
    assert draft["subject"] == "Back into acorn"
    assert draft["html"] == '<a href="https://production--menugen.example.com/accounts/…">acorn</a>'
    assert draft["sender"] == "Ann <noreply@localhost>"
    assert root.post(f"{PATH}/preview", {"subject": "Only"}).status == 422
    assert root.get(PATH)["is_default"] is True


def test_a_kind_that_there_is_not_is_answered_with_those_there_are(root: Api) -> None:
    for answer in (
        root.get("/v1/mail-templates/newsletter"),
        put(root, OWN, "/v1/mail-templates/newsletter"),
    ):
        assert (answer.status, answer.code) == (404, "mail_kind_unknown")
        assert "reset_password" in answer["detail"]


def test_only_who_configures_the_tenant_reads_or_writes(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    for key in (north.agent_key, north.person_key, north.service_key, world.acorn.stranger_key):
        client = api.using(key)
        for answer in (
            client.get(PATH),
            put(client, OWN),
            client.delete(PATH),
            client.post(f"{PATH}/preview"),
        ):
            assert answer.status == 403, answer
    away = api.using(world.builders.person_key).sending(packmule_environment="acorn/production")
    assert put(away, OWN).status == 200
    viewer = api.using(world.builders.viewer_key).sending(packmule_environment="acorn/production")
    assert viewer.get(PATH)["subject"] == OWN["subject"]
    assert put(viewer, OWN).code == "role_missing"
    assert api.using(world.birch.root_key).get(PATH)["is_default"] is True
    assert put(api.using(world.builders.agent_key), OWN).code == "configuration_of_tenant"


@pytest.mark.parametrize("kind", KINDS)
def test_no_agent_writes_what_opens_an_account_in_a_protected_environment(
    world: World, api: Api, kind: str
) -> None:
    """It could have people send it their code, or hand it their link."""
    path = f"/v1/mail-templates/{kind}"
    text = {
        "subject": "Hello",
        "text": " ".join(f"{{{{ {name} }}}}" for name in KINDS[kind].needs) or "Hello",
    }
    away = api.sending(packmule_environment="acorn/production")
    agent = put(away.using(world.builders.agent_key), text, path)
    if kind in ("confirm_email", "sign_in_code", "reset_password", "invitation"):
        assert (agent.status, agent.code) == (403, "leading_needs_person")
        assert kind in agent["detail"]
    else:
        assert agent.status == 200, agent
    assert put(away.using(world.builders.person_key), text, path).status == 200


def test_the_trail_tells_of_a_new_text(root: Api) -> None:
    made = put(root, OWN)
    entry = root.get(f"/v1/audit?resource={made['id']}")["data"]
    assert [row["operation"] for row in entry] == ["mail_templates.put"] or not entry
    recent = root.get("/v1/audit?limit=5")["data"]
    assert "mail_templates.put" in [row["operation"] for row in recent]
