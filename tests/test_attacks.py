"""Attacks that were tried against a running installation, each as a story: what held, and what is still open.

An open one is `xfail(strict=True)`: whoever closes it is told so by the test, and takes the mark away.
"""

from __future__ import annotations

import json
import re
import socket
import time
import urllib.error
import urllib.request
from binascii import crc32
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from django.db import DatabaseError, ProgrammingError, connection, transaction

from apps.accounts.models import User
from apps.apikeys.keyformat import _base62
from apps.orgs.models import Membership
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.faults.installation import installed
from tests.world import PASSWORD

ROOT = Path(__file__).resolve().parent.parent
PEOPLE = "/admin/accounts/user/"
EVERYTHING = {"name": "made in an attack", "scopes": ["*"]}
#: More than the threads of all web processes together.
MANY = 40


def still_open(reason: str) -> pytest.MarkDecorator:
    """Mark a hole that is not closed yet."""
    return pytest.mark.xfail(strict=True, reason=reason)


def mint(key: str, **asked: Any) -> Answer:
    """A new key, minted with `key` for its own principal."""
    made = Api(key).post("/v1/keys", {**EVERYTHING, **asked})
    assert made.status == 201, made
    return made


def status_of(key: str) -> int:
    """What /v1/whoami answers to `key`."""
    return Api(key).get("/v1/whoami").status


@pytest.fixture
def browser(world: Any) -> Any:
    """The owner of acorn, signed in to the console."""
    from apps.console.tests.support import Person

    return Person(world.builders.email)


# --- what was tried and held ------------------------------------------------------------


@pytest.mark.parametrize(("was", "becomes"), [("_ag_", "_us_"), ("_ag_", "_pk_"), ("_live_", "_test_")])
def test_a_key_with_another_kind_and_a_right_checksum_is_unknown(world: Any, was: str, becomes: str) -> None:
    body = world.builders.agent_key.replace(was, becomes)[:-6]
    forged = body + _base62(crc32(body.encode()), 6)
    assert Api(forged).get("/v1/whoami").code == "key_unknown"


def test_the_id_of_one_key_with_the_secret_of_another_is_unknown(world: Any) -> None:
    head, secret = world.builders.agent_key.rpartition("_")[0], world.builders.person_key.rpartition("_")[2]
    body = f"{head}_{secret[:-6]}"
    assert Api(body + _base62(crc32(body.encode()), 6)).get("/v1/whoami").code == "key_unknown"


def test_a_forwarded_address_is_not_believed(world: Any) -> None:
    bound = mint(world.builders.agent_key, allowed_ips=["10.0.0.0/8"])["secret"]
    assert Api(bound).get("/v1/whoami", x_forwarded_for="10.1.1.1").code == "ip_not_allowed"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_session_is_nobody_on_the_api(browser: Any, method: str) -> None:
    answer = browser.client.generic(method, "/v1/agents", b"{}", content_type="application/json")
    assert answer.status_code == 401
    assert answer.json()["code"] == "credential_missing"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_nowhere_else(world: Any, client: Any, target: str) -> None:
    fields = {"login": world.builders.email, "password": PASSWORD, "next": target}
    assert client.post("/accounts/login/", fields)["Location"] == "/admin/"


@pytest.mark.parametrize("lookup", ["memberships__role=owner", "memberships__organization__slug=acorn"])
def test_lists_cannot_be_asked_about_other_tables(browser: Any, lookup: str) -> None:
    assert browser.get(f"{PEOPLE}?{lookup}").status_code == 400


# --- tenants ------------------------------------------------------------


def test_a_foreign_environment_reads_like_one_that_is_not_there(world: Any) -> None:
    asked = Api(world.rivals.agent_key)
    foreign = asked.get("/v1/whoami", packmule_environment="acorn/production")
    nowhere = asked.get("/v1/whoami", packmule_environment="acorn/nowhere")
    assert (foreign.status, set(foreign.headers)) == (nowhere.status, set(nowhere.headers))


def test_expecting_a_tenant_tells_nothing_about_foreign_environments(world: Any) -> None:
    asked = Api(world.rivals.agent_key).sending(packmule_expect_tenant="other/tenant")
    codes = {
        asked.get("/v1/whoami", packmule_environment=name).code
        for name in ("acorn/production", "acorn/nowhere")
    }
    assert len(codes) == 1


def test_refused_calls_count_against_the_limit(world: Any, settings: Any) -> None:
    settings.PACKMULE_RATE_LIMIT = "50/600"
    asked = Api(world.rivals.agent_key)
    answers = [asked.get("/v1/whoami", packmule_environment="no/where").status for _ in range(60)]
    assert 429 in answers


@pytest.mark.parametrize(
    "statement",
    [
        "update accounts_user set is_operator = true",
        "update accounts_user set password = '', name = 'me'",
        "update accounts_user set email = 'boss@acorn.test'",
        "delete from accounts_user",
        "insert into accounts_user (id, email, is_operator) values (gen_random_uuid(), 'boss@x.test', true)",
    ],
)
def test_the_organization_role_is_kept_from_what_makes_operators(world: Any, statement: str) -> None:
    with enter(world.console.ref, world.rivals.uuid), pytest.raises(ProgrammingError), transaction.atomic():
        connection.cursor().execute(statement)


@still_open("the organization's role reads whole rows of people, their password hashes included")
def test_the_organization_role_reads_no_password_hashes(world: Any) -> None:
    with enter(world.console.ref, world.rivals.uuid), pytest.raises(DatabaseError), transaction.atomic():
        connection.cursor().execute("select password from accounts_user")


# --- keys ------------------------------------------------------------


def test_rotation_does_not_take_a_key_out_of_its_minters_reach(world: Any) -> None:
    first = mint(world.builders.agent_key)
    second = mint(first["secret"])
    third = mint(second["secret"])
    rotated = Api(third["secret"]).post(f"/v1/keys/{second['id']}/rotate", {"overlap_seconds": 0})
    assert Api(world.builders.person_key).delete(f"/v1/keys/{first['id']}").status == 204
    assert [status_of(key["secret"]) for key in (first, rotated, third)] == [401, 401, 401]


def test_what_a_suspended_agent_minted_is_refused_too(world: Any) -> None:
    agent, owner = Api(world.builders.agent_key), Api(world.builders.person_key)
    made = agent.post(f"/v1/service-accounts/{world.builders.service}/keys", EVERYTHING)["secret"]
    assert owner.post(f"/v1/agents/{world.builders.agent}/suspend", {"reason": "stolen"}).status == 200
    assert status_of(made) == 401


def test_what_a_removed_member_minted_is_refused_too(world: Any) -> None:
    member, owner = _developer(world), Api(world.builders.person_key)
    made = Api(member).post(f"/v1/service-accounts/{world.builders.service}/keys", EVERYTHING)
    assert made.status == 201, made
    seats = f"/v1/organizations/{world.builders.id}/members"
    seat = next(one for one in owner.get(seats)["data"] if one["user"]["email"] == "viewer@acorn.test")
    assert owner.delete(f"{seats}/{seat['id']}").status == 204
    assert status_of(made["secret"]) == 401


def _developer(world: Any) -> str:
    """The viewer of acorn, made an admin; their key, bound to acorn."""
    with enter(world.console.ref):
        Membership.objects.filter(user__email="viewer@acorn.test").update(role="admin")
    return str(mint(world.builders.viewer_key)["secret"])


def test_no_key_outlives_the_one_that_minted_it(world: Any) -> None:
    short = mint(world.builders.agent_key, expires_in_days=1)
    made = Api(short["secret"]).post("/v1/keys", {**EVERYTHING, "expires_in_days": 365})
    assert made.status >= 400 or made["expires_at"] <= short["expires_at"]


def test_the_previous_secret_cannot_rotate(world: Any) -> None:
    old = mint(world.builders.agent_key)
    new = Api(old["secret"]).post(f"/v1/keys/{old['id']}/rotate", {"overlap_seconds": 600})["secret"]
    assert Api(old["secret"]).post(f"/v1/keys/{old['id']}/rotate", {}).status in (401, 403)
    assert status_of(new) == 200


def test_a_weaker_one_does_not_revoke_an_owners_key(world: Any) -> None:
    agent = Api(world.builders.person_key).post("/v1/agents", {"name": "small", "role": "developer"})["id"]
    asked = {"name": "k", "scopes": ["keys:write"]}
    weak = Api(world.builders.person_key).post(f"/v1/agents/{agent}/keys", asked)["secret"]
    owners = mint(world.builders.person_key)
    assert Api(weak).delete(f"/v1/keys/{owners['id']}").status == 403
    assert status_of(owners["secret"]) == 200


def test_an_environments_key_keeps_its_minters_addresses(world: Any) -> None:
    bound = mint(world.builders.agent_key, allowed_ips=["127.0.0.1/32"])["secret"]
    made = Api(bound).post("/v1/applications/acorn/environments/production/keys", EVERYTHING)
    assert made["allowed_ips"] == ["127.0.0.1/32"]


def test_a_second_backend_account_stops_no_minting(world: Any) -> None:
    asked = Api(world.builders.agent_key)
    path = "/v1/applications/acorn/environments/production/keys"
    assert asked.post(path, EVERYTHING).status == 201
    named = {"name": "backend (admin)", "role": "admin"}
    assert asked.post("/v1/service-accounts", named, packmule_environment="acorn/production").status == 201
    assert asked.post(path, EVERYTHING).status == 201


def test_a_narrow_credential_makes_no_admin(world: Any) -> None:
    narrow = Api(mint(world.builders.agent_key, scopes=["invitations:write", "members:write"])["secret"])
    place = f"/v1/organizations/{world.builders.id}"
    puppet = {"email": "puppet@attack.test", "role": "admin"}
    assert narrow.post(f"{place}/invitations", puppet).code == "credential_too_narrow"
    path = f"{place}/members"
    seats = narrow.get(path, limit="200")["data"]
    seat = next(one for one in seats if one["user"]["email"].startswith("viewer@"))
    assert narrow.patch(f"{path}/{seat['id']}", {"role": "admin"}).status == 403


# --- the admin ------------------------------------------------------------


@pytest.mark.parametrize("column", ["password__startswith", "password__regex", "is_operator__exact"])
def test_lists_cannot_be_asked_about_hidden_columns(browser: Any, world: Any, column: str) -> None:
    with enter(world.console.ref):
        kept = User.objects.get(email=world.builders.email)
    right = {"password__startswith": kept.password[:30], "password__regex": "^md5", "is_operator__exact": "0"}
    answer = browser.get(f"{PEOPLE}?{urlencode({column: right[column]})}")
    assert f"{PEOPLE}{kept.public_id}/change/" not in answer.content.decode()


def test_nobody_takes_an_address_that_they_did_not_confirm(browser: Any, world: Any) -> None:
    for action in ("action_add", "action_primary"):
        browser.post("/accounts/email/", email="boss@corp.test", **{action: ""})
    with enter(world.console.ref):
        assert not User.objects.filter(email="boss@corp.test").exists()


def test_a_form_acts_where_it_was_shown(browser: Any, world: Any) -> None:
    with enter(world.console.ref):
        person = User.objects.get(email=world.builders.email)
        Membership.objects.create(organization_id=world.rivals.uuid, user=person, role="admin")
    browser.post("/admin/switch/", organization=world.builders.id)
    path = "/admin/accounts/serviceaccount/do/service_accounts.create/"
    shown = browser.get(path).content.decode()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', shown))
    browser.post("/admin/switch/", organization=world.rivals.id)
    browser.post(path, **{**hidden, "name": "from the other tab", "role": "developer", "reason": "test"})
    theirs = Api(world.rivals.agent_key).get("/v1/service-accounts")["data"]
    assert "from the other tab" not in [one["name"] for one in theirs]


@pytest.mark.parametrize("path", ["/admin/r/1/1/", f"{PEOPLE}?created_at__year=99999999999"])
def test_odd_addresses_of_the_admin_are_refused(browser: Any, path: str) -> None:
    browser.client.raise_request_exception = False
    assert browser.get(path).status_code < 500


# --- a running server ------------------------------------------------------------


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, Any]]:
    """What a real `up` printed."""
    with installed() as made:
        yield made.facts


def _answers(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.mark.slow
@still_open("a body that does not come holds a thread for as long as the client likes")
def test_slow_bodies_do_not_stop_the_server(running: dict[str, Any]) -> None:
    host, _, port = running["api_url"].removeprefix("http://").partition(":")
    head = (
        f"POST /accounts/login/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 500\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nCookie: {_csrf_cookie(running)}\r\n\r\na="
    )
    with ExitStack() as held:
        for _ in range(MANY):
            slow = held.enter_context(socket.create_connection((host, int(port))))
            slow.sendall(head.encode())
        time.sleep(1)
        status = _answers(f"{running['api_url']}/healthz")
    assert status == 200


def _csrf_cookie(running: dict[str, Any]) -> str:
    with urllib.request.urlopen(f"{running['api_url']}/accounts/login/", timeout=10) as answer:
        return str(answer.headers["Set-Cookie"]).partition(";")[0]


@pytest.mark.slow
def test_threads_that_end_leave_no_connections(running: dict[str, Any]) -> None:
    counts = []
    for pause in (33, 0):
        for _ in range(5):
            with ThreadPoolExecutor(MANY) as pool:
                assert set(pool.map(_answers, [f"{running['api_url']}/readyz"] * MANY)) == {200}
        counts.append(_connections(Path(running["data_dir"])))
        time.sleep(pause)
    assert counts[1] <= counts[0] + 2, counts


def _connections(data: Path) -> int:
    url = json.loads((data / "connection.json").read_text())["owner_database_url"]
    with psycopg.connect(url) as owner:
        row = owner.execute("select count(*) from pg_stat_activity where usename like '%login'").fetchone()
    return int(row[0]) if row else 0
