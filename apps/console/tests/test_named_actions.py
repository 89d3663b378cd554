"""Change in the admin: by named actions, decided and recorded as calls of the API are."""

from __future__ import annotations

import re
from typing import Any

import pytest

from apps.accounts.models import Agent, ServiceAccount, User
from apps.apikeys.models import Key
from apps.applications.models import Application, Environment
from apps.audit.models import Event
from apps.console.tests.support import Person, last_event, seen, text_of
from apps.orgs.models import Membership
from apps.tenancy.models import Tenant
from apps.tenancy.walls import enter, outside
from tests.client import Api


def secret_on(answer: Any) -> str:
    """The secret that the page shows."""
    shown = re.search(r'id="secret">(pmk_\w+)<', answer.content.decode())
    assert shown is not None
    return shown.group(1)


def test_creating_an_application(world: Any, owner: Person) -> None:
    path = "/admin/applications/application/do/applications.create/"
    assert "development, which is open" in text_of(owner.get(path))
    answer = owner.post(path, name="MenuGen", slug="menugen", reason="We begin")
    made = seen(world, Application, slug="menugen")
    assert answer["Location"] == f"/admin/applications/application/{made.public_id}/change/"
    page = text_of(owner.get(answer["Location"]))
    for told in (
        "Done, and on record",
        "menugen/production",
        "We begin",
        "applications.create",
        "in the admin",
    ):
        assert told in page, told
    event = last_event(world)
    assert (event.operation, event.edge, event.reason) == ("applications.create", "admin", "We begin")
    assert event.actor_id == world.builders.person
    assert event.credential_kind == "session"


def test_without_a_reason_nothing_happens_and_nothing_typed_is_lost(world: Any, owner: Person) -> None:
    path = "/admin/applications/application/do/applications.create/"
    page = text_of(owner.post(path, name="MenuGen", slug="menugen"))
    assert "This field is required" in page
    assert 'value="menugen"' in page
    with enter(world.console.ref):
        assert not Application.objects.filter(slug="menugen").exists()


def test_a_refusal_is_readable_and_loses_nothing(world: Any, owner: Person) -> None:
    path = "/admin/applications/application/do/applications.create/"
    answer = owner.post(path, name="Again", slug="acorn", reason="A second one")
    assert answer.status_code == 409
    page = text_of(answer)
    for told in ("That slug is taken", "Take another one", 'value="Again"', "A second one"):
        assert told in page, told


def test_what_the_api_refuses_the_admin_refuses_at_the_field(owner: Person) -> None:
    path = "/admin/applications/application/do/applications.create/"
    answer = owner.post(path, name="x", slug="Not A Slug", reason="y")
    assert answer.status_code == 422
    assert "pm-field-bad" in text_of(answer)


def test_looking_at_an_action_does_nothing(world: Any, owner: Person) -> None:
    path = f"/admin/apikeys/key/{world.builders.agent_key_id}/do/keys.revoke/"
    assert owner.client.get(path, {"reason": "x", "confirmation": "test"}).status_code == 200
    assert Api(world.builders.agent_key).get("/v1/whoami").status == 200
    with enter(world.console.ref):
        assert not Event.objects.filter(operation="keys.revoke").exists()


def test_a_form_from_elsewhere_is_refused(world: Any) -> None:
    person = Person(world.builders.email)
    person.client.handler.enforce_csrf_checks = True
    for path in ("/admin/switch/", "/admin/accounts/agent/do/agents.create/", "/accounts/logout/"):
        assert person.post(path, name="x", reason="y").status_code == 403, path


def test_minting_shows_the_secret_once_and_it_works(world: Any, owner: Person) -> None:
    path = f"/admin/accounts/agent/{world.builders.agent}/do/keys.create-for-agent/"
    answer = owner.post(path, name="deploys", scopes="*", expires_in_days="30", reason="To deploy")
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    secret = secret_on(answer)
    assert Api(secret).get("/v1/whoami")["actor"]["id"] == world.builders.agent
    event = last_event(world)
    assert (event.operation, event.reason) == ("keys.create-for-agent", "To deploy")
    assert secret not in str(event.__dict__)
    key = seen(world, Key, name="deploys")
    for page in (f"/admin/apikeys/key/{key.public_id}/change/", "/admin/apikeys/key/", "/admin/audit/event/"):
        assert secret not in text_of(owner.get(page))
    with outside():
        assert Tenant.objects.exists()


def test_minting_from_the_list_for_whom_one_chooses(world: Any, owner: Person) -> None:
    path = "/admin/apikeys/key/do/keys.create/"
    page = text_of(owner.get(path))
    assert "acorn's agent" in page
    assert "birch's agent" not in page
    common = {"name": "k", "scopes": "agents:read keys:read", "expires_in_days": "30", "reason": "r"}
    mine = secret_on(owner.post(path, **common))
    assert Api(mine).get("/v1/whoami")["actor"]["id"] == world.builders.person
    theirs = secret_on(owner.post(path, service_account=world.builders.service, **common))
    assert Api(theirs).get("/v1/whoami")["credential"]["scopes"] == ["agents:read", "keys:read"]


def test_rotating_and_revoking(world: Any, owner: Person) -> None:
    here = f"/admin/apikeys/key/{world.builders.agent_key_id}"
    rotated = secret_on(owner.post(f"{here}/do/keys.rotate/", overlap_seconds="0", reason="It leaked"))
    assert Api(world.builders.agent_key).get("/v1/whoami").code == "key_unknown"
    assert Api(rotated).get("/v1/whoami").status == 200
    wrong = owner.post(f"{here}/do/keys.revoke/", confirmation="another", reason="Over")
    assert "Nothing was done" in text_of(wrong)
    assert owner.post(f"{here}/do/keys.revoke/", confirmation="test", reason="Over").status_code == 302
    assert Api(rotated).get("/v1/whoami").code == "key_revoked"
    story = text_of(owner.get(f"{here}/change/"))
    for told in ("Revoked", "keys.rotate", "It leaked", "keys.revoke", "Over"):
        assert told in story, told
    assert "do/keys.rotate/" not in story


def test_suspending_and_activating_an_agent(world: Any, owner: Person) -> None:
    here = f"/admin/accounts/agent/{world.builders.agent}"
    owner.post(f"{here}/do/agents.suspend/", reason="It loops", version="1")
    agent = seen(world, Agent, name="acorn's agent")
    assert (agent.status, agent.status_reason) == ("suspended", "It loops")
    assert Api(world.builders.agent_key).get("/v1/whoami").code == "principal_suspended"
    assert "acorn's agent is suspended: It loops" in text_of(owner.get("/admin/"))
    owner.post(f"{here}/do/agents.activate/", reason="Mended", version=str(agent.version))
    assert Api(world.builders.agent_key).get("/v1/whoami").status == 200


def test_somebody_else_answers_for_an_agent(world: Any, owner: Person) -> None:
    here = f"/admin/accounts/agent/{world.builders.agent}"
    with enter(world.console.ref):
        Membership.objects.filter(user__email="viewer@acorn.test").update(role="admin")
        heir = User.objects.get(email="viewer@acorn.test").public_id
    page = text_of(owner.get(f"{here}/do/agents.change-owner/"))
    assert "viewer@acorn.test" in page
    assert "birch.test" not in page
    owner.post(f"{here}/do/agents.change-owner/", user=heir, reason="I am away")
    assert seen(world, Agent, name="acorn's agent").owner_name == "viewer"
    owner.post(f"{here}/do/agents.change-owner/", reason="I am back")
    assert seen(world, Agent, name="acorn's agent").owner_name == "owner"
    story = text_of(owner.get(f"{here}/change/"))
    for told in ("I am away", "I am back", "agents.change-owner"):
        assert told in story, told


def test_who_was_slower_is_told_so(world: Any, owner: Person) -> None:
    here = f"/admin/accounts/agent/{world.builders.agent}/do/agents.update/"
    assert (
        owner.post(here, name="First", role="admin", purpose="", reason="a", version="1").status_code == 302
    )
    late = owner.post(here, name="Second", role="admin", purpose="", reason="b", version="1")
    assert late.status_code == 412
    assert 'value="Second"' in text_of(late)
    assert seen(world, Agent, name="First")


def test_creating_machines(world: Any, owner: Person) -> None:
    owner.post(
        "/admin/accounts/agent/do/agents.create/",
        name="Writer",
        purpose="Writes",
        role="developer",
        reason="r",
    )
    assert seen(world, Agent, name="Writer").organization_id == world.builders.uuid
    owner.post(
        "/admin/accounts/serviceaccount/do/service_accounts.create/", name="CI", role="viewer", reason="r"
    )
    assert seen(world, ServiceAccount, name="CI").role == "viewer"


def test_environments_come_and_go(world: Any, owner: Person) -> None:
    application = seen(world, Application, slug="acorn")
    path = f"/admin/applications/application/{application.public_id}/do/environments.create/"
    owner.post(path, name="staging", reason="Trying things")
    made = seen(world, Environment, name="staging")
    assert made.protected is False
    here = f"/admin/applications/environment/{made.public_id}"
    key = owner.post(
        f"{here}/do/environments.create-key/",
        name="k",
        kind="secret",
        scopes="*",
        expires_in_days="5",
        reason="r",
    )
    secret = secret_on(key)
    assert Api(secret).get("/v1/whoami")["tenant"] == "acorn/staging"
    answer = owner.post(f"{here}/do/environments.delete/", confirmation="acorn/staging", reason="Done")
    assert answer["Location"] == "/admin/applications/environment/"
    assert Api(secret).get("/v1/whoami").code == "tenant_deleted"


def test_a_viewer_may_not_and_nothing_happens(world: Any, viewer: Person) -> None:
    path = "/admin/accounts/agent/do/agents.create/"
    assert "You may not do this now" in text_of(viewer.get(path))
    answer = viewer.post(path, name="Mine", role="viewer", reason="r")
    assert answer.status_code == 403
    with enter(world.console.ref):
        assert not Agent.objects.filter(name="Mine").exists()


def test_somebody_elses_things_cannot_be_acted_on(world: Any, owner: Person) -> None:
    path = f"/admin/apikeys/key/{world.rivals.agent_key_id}/do/keys.revoke/"
    form = {"confirmation": "test", "reason": "r", "shown_for": world.builders.id}
    assert owner.post(path, **form).status_code == 404
    assert Api(world.rivals.agent_key).get("/v1/whoami").status == 200


@pytest.mark.parametrize("name", ["keys.create", "nothing.at-all", "tenants.delete"])
def test_only_what_a_page_offers_can_be_done_there(world: Any, owner: Person, name: str) -> None:
    assert (
        owner.post(f"/admin/accounts/agent/{world.builders.agent}/do/{name}/", reason="r").status_code == 404
    )


def test_an_operator_deletes_a_tenant(world: Any, operator: Person) -> None:
    with outside():
        tenant = Tenant.objects.named("birch/production")
    here = f"/operator/tenancy/tenant/{tenant.public_id}"
    assert "Serving" not in text_of(operator.get(f"{here}/change/"))
    answer = operator.post(f"{here}/do/tenants.delete/", confirmation="birch/production", reason="Abuse")
    assert answer["Location"] == f"{here}/change/"
    assert Api(world.birch.root_key).get("/v1/whoami").code == "tenant_deleted"
    assert seen(world, Environment, tenant_name="birch/production").deleted_at is not None
    with enter(world.console.ref):
        event = Event.objects.filter(operation="tenants.delete").get()
    assert (event.reason, event.edge) == ("Abuse", "admin")


def test_the_console_cannot_be_deleted(world: Any, operator: Person) -> None:
    with outside():
        tenant = Tenant.objects.named("console")
    assert "do/tenants.delete" not in text_of(
        operator.get(f"/operator/tenancy/tenant/{tenant.public_id}/change/")
    )
