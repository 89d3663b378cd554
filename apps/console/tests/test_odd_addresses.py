"""Addresses that no page leads to, and forms that come back from another organization."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Agent, User
from apps.console.tests.support import Person, text_of
from apps.core.admin import operators, site
from apps.orgs.models import Membership
from apps.tenancy.walls import enter
from tests.client import Api

LISTS = [
    f"/{each.name}/{model._meta.app_label}/{model._meta.model_name}/"
    for each in (site, operators)
    for model in each._registry
]
ODD = [
    "created_at__year=99999999999",
    "created_at__gte=now",
    "id__in=x",
    "pk=1",
    "password__startswith=a",
    "nothing=1",
    "_to_field=password",
    "status__exact=%00",
    "status__regex=(",
    "status__exact__exact=active",
    "drop__x=1",
]
HARMLESS = [
    "q=%00",
    "q=(",
    "p=99999999999999999999",
    "p=-1",
    "p=x",
    "o=99.-1.x",
    "all=",
    "e=1",
    "_facets=1",
    "_popup=1",
]


@pytest.mark.sweep
@pytest.mark.parametrize("asked", ODD)
@pytest.mark.parametrize("path", LISTS)
def test_lists_refuse_what_their_filters_do_not_ask(
    world: Any, owner: Person, operator: Person, path: str, asked: str
) -> None:
    person = operator if path.startswith("/operator/") else owner
    answer = person.get(f"{path}?{asked}")
    assert answer.status_code == 400, answer.status_code
    assert "result_list" not in text_of(answer)


@pytest.mark.sweep
@pytest.mark.parametrize("path", LISTS)
def test_lists_take_every_other_parameter_calmly(
    world: Any, owner: Person, operator: Person, path: str
) -> None:
    person = operator if path.startswith("/operator/") else owner
    for asked in HARMLESS:
        assert person.get(f"{path}?{asked}").status_code in (200, 302), asked


def test_declared_filters_work(world: Any, owner: Person, operator: Person) -> None:
    assert "acorn's agent" in text_of(owner.get("/admin/accounts/agent/?status__exact=active"))
    assert "acorn's agent" not in text_of(owner.get("/admin/accounts/agent/?status__exact=suspended"))
    for path in (
        "/admin/accounts/agent/?status__exact=active&role__exact=developer",
        "/admin/apikeys/key/?kind__exact=secret",
        "/admin/orgs/membership/?role__exact=owner",
        "/admin/audit/event/?risk=write&edge=admin",
        "/admin/applications/environment/?protected__exact=1",
    ):
        assert owner.get(path).status_code == 200, path
    assert operator.get("/operator/tenancy/tenant/?kind__exact=console&protected__exact=0").status_code == 200
    assert operator.get("/operator/tenancy/tenant/?protected__exact=maybe").status_code == 302
    assert operator.get("/operator/tenancy/tenant/?protected__exact=maybe&e=1").status_code < 500


@pytest.mark.parametrize("name", ["admin", "operator"])
def test_djangos_own_pages_are_not_there(world: Any, operator: Person, name: str) -> None:
    for page in ("r/1/1/", "autocomplete/", "nothing/", "password_change/done/x/"):
        assert operator.get(f"/{name}/{page}").status_code == 404, page


def test_nothing_is_added_or_deleted_by_djangos_forms(world: Any, owner: Person) -> None:
    here = f"/admin/accounts/agent/{world.builders.agent}"
    for path in ("/admin/accounts/agent/add/", f"{here}/delete/", f"{here}/history/"):
        assert owner.client.get(path, follow=True).status_code == 404, path
        assert owner.post(path, post="yes").status_code in (302, 404), path
    assert owner.get(f"{here}/change/").status_code == 200


@pytest.fixture
def between(world: Any, owner: Person) -> Person:
    """The owner of acorn, who opened pages there and is an admin of birch, where another tab has gone."""
    with enter(world.console.ref):
        person = User.objects.get(email=world.builders.email)
        Membership.objects.create(organization_id=world.rivals.uuid, user=person, role="admin")
    owner.post("/admin/switch/", organization=world.rivals.id)
    return owner


@pytest.mark.parametrize("claimed", ["acorn", "nothing", "rubbish"])
def test_a_form_of_another_organization_is_refused_and_keeps_what_was_typed(
    world: Any, between: Person, claimed: str
) -> None:
    shown_for = {"acorn": world.builders.id, "nothing": "", "rubbish": "org_x\x00"}[claimed]
    path = "/admin/accounts/agent/do/agents.create/"
    answer = between.post(path, name="Typed here", role="developer", reason="Why not", shown_for=shown_for)
    assert answer.status_code == 409
    page = text_of(answer)
    for told in ("opened in another organization", "Nothing was done", 'value="Typed here"', "Why not"):
        assert told in page, told
    with enter(world.console.ref):
        assert not Agent.objects.filter(name="Typed here").exists()
    between.post("/admin/switch/", organization=world.builders.id)
    again = between.post(
        path, name="Typed here", role="developer", reason="Back", shown_for=world.builders.id
    )
    assert again.status_code == 302
    with enter(world.console.ref):
        assert Agent.objects.get(name="Typed here").organization_id == world.builders.uuid


def test_a_form_on_a_thing_of_another_organization_says_so(world: Any, between: Person) -> None:
    path = f"/admin/apikeys/key/{world.builders.agent_key_id}/do/keys.revoke/"
    answer = between.post(path, confirmation="test", reason="r", shown_for=world.builders.id)
    assert answer.status_code == 409
    assert "opened in another organization" in text_of(answer)
    assert between.post(path, confirmation="test", reason="r", shown_for=world.rivals.id).status_code == 404
    assert Api(world.builders.agent_key).get("/v1/whoami").status == 200
