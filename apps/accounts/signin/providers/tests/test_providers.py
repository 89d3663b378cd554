"""A tenant's own credentials at its providers: who sets them, what is shown of them, and what is refused."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.core.management import call_command

from apps.accounts.models import User
from apps.accounts.signin.providers.models import SignInProvider
from apps.core.sealing import SealBroken
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.world import World

PATH = "/v1/sign-in-providers"
SECRET = "a secret that tests made up"
OPENID = {
    "slug": "corp",
    "kind": "openid_connect",
    "name": "Corp",
    "client_id": "acorn",
    "client_secret": SECRET,
    "server_url": "https://id.corp.example",
}
GOOGLE = {
    "slug": "google",
    "kind": "google",
    "name": "Google",
    "client_id": "g.apps",
    "client_secret": SECRET,
}


@pytest.fixture
def root(world: World) -> Api:
    return Api(world.acorn.root_key)


def made(root: Api, **changes: Any) -> Answer:
    answer = root.post(PATH, OPENID | changes)
    assert answer.status == 201, answer
    return answer


def test_a_provider_is_created_read_changed_and_deleted(root: Api) -> None:
    created = made(root)
    own = f"{PATH}/{created['id']}"
    assert created["callback_url"] == ("http://production--acorn.localhost/accounts/3rdparty/corp/callback/")
    assert (created["enabled"], created["scopes"]) == (True, ["openid", "profile", "email"])
    assert root.get(own).body == created.body
    assert root.get(PATH)["data"] == [created.body]

    changed = root.patch(own, {"name": "Corp Ltd", "enabled": False}, if_match=created.headers["ETag"])
    assert (changed["name"], changed["enabled"], changed["version"]) == ("Corp Ltd", False, 2)
    assert root.patch(own, {"name": "X"}, if_match=created.headers["ETag"]).code == "version_mismatch"
    assert root.delete(own).status == 204
    assert root.get(own).code == "not_found"
    assert root.get(PATH)["data"] == []


def test_the_secret_is_in_no_answer_and_in_no_row_and_opens_for_this_row_alone(
    world: World, root: Api
) -> None:
    first, second = made(root), made(root, slug="other")
    assert len(first["fingerprint"]) == 16
    assert first["set_at"] is not None
    with enter(world.acorn.ref):
        row, other = SignInProvider.objects.order_by("slug")
        assert row.open_secret() == SECRET
        assert SECRET not in str(SignInProvider.objects.values())
        other.client_secret = row.client_secret
        with pytest.raises(SealBroken):
            other.open_secret()
    told = [root.get(path) for path in (PATH, f"{PATH}/{first['id']}", f"/v1/audit?resource={first['id']}")]
    for answer in (first, second, *told):
        assert SECRET not in answer.response.content.decode()
    fields = told[-1]["data"][0]["changes"][0]["fields"]
    assert fields["client_secret"] == ["***", "***"]


def test_another_secret_has_another_fingerprint_and_the_same_one_changes_nothing(root: Api) -> None:
    created = made(root)
    own = f"{PATH}/{created['id']}"
    same = root.patch(own, {"client_secret": SECRET})
    assert (same["version"], same["set_at"]) == (1, created["set_at"])
    other = root.patch(own, {"client_secret": f"{SECRET}, only newer"})
    assert other["version"] == 2
    assert other["fingerprint"] != created["fingerprint"]
    none = root.patch(own, {"client_secret": ""})
    assert (none["fingerprint"], none["set_at"]) == ("", None)


def test_a_slug_is_given_once_in_a_tenant_and_each_tenant_has_its_own(world: World, root: Api) -> None:
    created = made(root)
    again = root.post(PATH, OPENID)
    assert (again.status, again.code) == (409, "sign_in_provider_taken")
    other = Api(world.birch.root_key)
    assert other.get(PATH)["data"] == []
    assert other.get(f"{PATH}/{created['id']}").code == "not_found"
    assert other.patch(f"{PATH}/{created['id']}", {"name": "Mine"}).code == "not_found"
    assert other.post(PATH, OPENID).status == 201


def test_there_is_an_end_to_how_many(root: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.accounts.signin.providers.services.MOST", 1)
    made(root)
    assert root.post(PATH, OPENID | {"slug": "other"}).code == "too_many_sign_in_providers"


def test_unknown_kinds_are_refused_with_what_is_known(root: Api) -> None:
    answer = root.post(PATH, OPENID | {"kind": "myspace"})
    assert (answer.status, answer["errors"][0]["field"]) == (422, "kind")
    for known in ("google", "github", "openid_connect"):
        assert known in answer["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (OPENID | {"server_url": ""}, "server_url"),
        (GOOGLE | {"server_url": "https://accounts.google.com"}, "server_url"),
        (GOOGLE | {"client_secret": ""}, "client_secret"),
        (GOOGLE | {"scopes": ["email"]}, "scopes"),
        (OPENID | {"scopes": ["profile"]}, "scopes"),
    ],
)
def test_what_does_not_go_together_is_refused(root: Api, body: dict[str, Any], field: str) -> None:
    answer = root.post(PATH, body)
    assert (answer.status, answer.code) == (422, "sign_in_provider_shape_refused")
    assert answer["errors"][0]["field"] == field


@pytest.mark.parametrize(
    "url",
    [
        "id.corp.example", "//id.corp.example", "http://id.corp.example", "ftp://id.corp.example",
        "javascript:alert(1)", "https://", "https://me:secret@id.corp.example", "https://id.corp.example/?a=b",
        "https://id.corp.example/#x", "https://id.corp.example?", "https://id.corp.example:99999",
        "https://id corp.example", "https://id.corp.example\\@evil.example", "https://169.254.169.254",
        "https://169.254.169.254/latest/meta-data", "https://10.0.0.1", "https://[fd00::1]",
        "https://[::ffff:10.0.0.1]", "https://localhost", "http://localhost:8000", "https://127.0.0.1",
        "https://127.9.9.9", "https://[::1]", "http://development--acorn.localhost", "https://LOCALHOST.",
    ],
)  # fmt: skip
def test_addresses_of_nobodys_provider_are_refused_in_a_protected_environment(root: Api, url: str) -> None:
    answer = root.post(PATH, OPENID | {"server_url": url})
    assert (answer.status, answer.code) == (422, "server_url_unfit"), answer
    assert "secret" not in answer["detail"]


def test_this_machine_is_a_provider_where_it_may_be_called(root: Api, settings: Any) -> None:
    settings.PACKMULE_OUTBOUND_LOOPBACK = True
    assert root.post(PATH, OPENID | {"server_url": "http://localhost:8000/realm"}).status == 201
    assert root.post(PATH, OPENID | {"server_url": "http://10.0.0.1"}).code == "server_url_unfit"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"client_id": "two words"}, "invalid_character"),
        ({"client_secret": "line\nbreak"}, "invalid_character"),
        ({"scopes": ["openid", "two words"]}, "invalid_character"),
        ({"scopes": ["openid"] * 21}, "max_length"),
        ({"name": "a\u202eb"}, "invalid_character"),
        ({"slug": "Corp"}, "invalid_slug"),
        ({"secret": SECRET}, "unknown_field"),
    ],
)
def test_odd_fields_are_refused_and_no_secret_is_repeated(
    root: Api, change: dict[str, Any], code: str
) -> None:
    answer = root.post(PATH, OPENID | change)
    assert (answer.status, code in str(answer.body)) == (422, True), answer
    assert "line" not in str(answer.body).replace("underline", "")


def test_kind_server_and_slug_never_change(root: Api) -> None:
    own = f"{PATH}/{made(root)['id']}"
    for change in ({"kind": "github"}, {"server_url": "https://evil.example"}, {"slug": "other"}):
        assert root.patch(own, change)["errors"][0]["code"] == "unknown_field"


def test_with_a_provider_go_the_connections_to_it_so_that_no_other_inherits_them(
    world: World, root: Api
) -> None:
    created = made(root)
    with enter(world.acorn.ref):
        person = User.objects.get(email=world.acorn.parties["north"].email)
        SocialAccount.objects.create(user=person, provider="corp", uid="1")
        SocialAccount.objects.create(user=person, provider="google", uid="1")
    root.delete(f"{PATH}/{created['id']}")
    with enter(world.acorn.ref):
        assert [account.provider for account in SocialAccount.objects.all()] == ["google"]


def test_only_who_configures_the_tenant_sets_them(world: World, root: Api) -> None:
    own = f"{PATH}/{made(root)['id']}"
    north = world.acorn.parties["north"]
    for key in (north.person_key, north.agent_key, north.service_key, world.acorn.stranger_key):
        client = Api(key)
        answers = [
            client.get(PATH),
            client.get(own),
            client.post(PATH, GOOGLE),
            client.patch(own, {"name": "Mine"}),
            client.delete(own),
        ]
        assert {answer.status for answer in answers} == {403}, (key, answers)
    builder = Api(world.builders.agent_key).sending(packmule_environment=world.acorn.name)
    assert builder.get(own)["name"] == "Corp"
    rival = Api(world.rivals.agent_key).sending(packmule_environment=world.acorn.name)
    assert rival.get(own).status in (403, 404)


def test_the_command_is_the_same_call(world: World, root: Api, settings: Any) -> None:
    settings.PACKMULE_KEY = world.acorn.root_key
    out = StringIO()
    words = [f"--{name.replace('_', '-')}={value}" for name, value in GOOGLE.items()]
    call_command("sign_in_providers", "create", *words, "--json", stdout=out)
    created = json.loads(out.getvalue())
    assert root.get(f"{PATH}/{created['id']}").body == created
    assert SECRET not in out.getvalue()
