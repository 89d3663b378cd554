"""Organizations: who founds, changes and ends them, and that none sees another."""

from typing import Any

import pytest
from django.test import RequestFactory, override_settings

from apps.accounts.models import User
from apps.core.actor import Actor, Call, Credential, Edge
from apps.core.scopes import Scopes
from apps.orgs import hooks
from apps.orgs.errors import PersonalOrganizationStays
from apps.orgs.founding import member_of, slug_from
from apps.orgs.services import delete_organization
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World


def test_an_organizations_actor_lists_its_own_and_the_tenant_all(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    assert [o["id"] for o in api.using(north.viewer_key).get("/v1/organizations")["data"]] == [north.id]
    root = api.using(world.acorn.root_key)
    assert {o["slug"] for o in root.get("/v1/organizations")["data"]} == {"north", "south"}
    assert [o["id"] for o in root.get("/v1/organizations?slug=north")["data"]] == [north.id]


def test_another_organization_is_nowhere(world: World, api: Api) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    for key in (north.person_key, north.agent_key, north.service_key):
        me, path = api.using(key), f"/v1/organizations/{south.id}"
        assert me.get(path).code == "not_found"
        assert me.patch(path, {"name": "Mine"}).code == "not_found"
        assert me.delete(path).status in (403, 404)
        assert me.get("/v1/organizations?slug=south")["data"] == []
        assert me.get(f"{path}/members").code == "not_found"
    assert api.using(south.person_key).get(path)["name"] == "South"


def test_the_same_id_in_another_tenant_is_another_organization(world: World, api: Api) -> None:
    path = f"/v1/organizations/{world.acorn.parties['north'].id}"
    assert api.using(world.acorn.root_key).patch(path, {"name": "Acorn's north"}).status == 200
    assert api.using(world.birch.root_key).get(path)["name"] == "North"
    assert api.using(world.acorn.root_key).delete(path).status == 204
    assert api.using(world.birch.root_key).get(path).status == 200


def test_a_person_founds_one_and_owns_it(world: World, api: Api) -> None:
    person = api.using(world.acorn.parties["north"].person_key)
    made = person.post("/v1/organizations", {"name": "East", "slug": "east"})
    assert made.status == 201
    assert {"slug": "east", "name": "East", "personal": False, "version": 1}.items() <= made.body.items()
    assert made.headers["ETag"] == '"v1"'
    root = api.using(world.acorn.root_key)
    members = root.get(f"/v1/organizations/{made['id']}/members")["data"]
    assert [(m["user"]["id"], m["role"]) for m in members] == [(world.acorn.parties["north"].person, "owner")]


def test_the_tenant_makes_one_for_a_customer_without_members(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    made = root.post("/v1/organizations", {"name": "Café Zürich"})
    assert made["slug"] == "cafe-zurich"
    assert root.get(f"/v1/organizations/{made['id']}/members")["data"] == []


@pytest.mark.parametrize("space", ["console", "acorn"])
def test_a_machine_of_an_organization_founds_none(world: World, api: Api, space: str) -> None:
    party = next(iter(getattr(world, space).parties.values()))
    for key in (party.agent_key, party.service_key):
        refused = api.using(key).post("/v1/organizations", {"name": "Beside", "slug": "beside"})
        assert (refused.status, refused.code) == (403, "founding_refused")


def test_a_slug_is_taken_though_its_organization_cannot_be_seen(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    me = api.using(north.person_key)
    made = me.post("/v1/organizations", {"name": "Another", "slug": "south"})
    assert (made.status, made.code) == (409, "slug_taken")
    assert me.patch(f"/v1/organizations/{north.id}", {"slug": "south"}).code == "slug_taken"
    assert me.get(f"/v1/organizations/{north.id}")["slug"] == "north"
    assert me.post("/v1/organizations", {"name": "South"})["slug"].startswith("south-")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "name", "required"),
        ({"name": "x", "slug": "No Slug"}, "slug", "invalid_slug"),
        ({"name": "x", "slug": "console"}, "slug", "reserved"),
        ({"name": "x", "personal": True}, "personal", "unknown_field"),
    ],
)
def test_bad_input_is_named(world: World, api: Api, body: dict[str, Any], field: str, code: str) -> None:
    refused = api.using(world.acorn.root_key).post("/v1/organizations", body)
    assert refused.status == 422
    assert {"field": field, "code": code}.items() <= refused["errors"][0].items()


def test_a_stale_change_is_refused(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    me, path = api.using(north.person_key), f"/v1/organizations/{north.id}"
    changed = me.patch(path, {"name": "North & Sons", "slug": "north-sons"}, if_match='"v1"')
    assert (changed["name"], changed["slug"], changed["version"]) == ("North & Sons", "north-sons", 2)
    assert me.patch(path, {"name": "x"}, if_match='"v1"').code == "version_mismatch"
    assert me.delete(path, if_match='"v1"').code == "version_mismatch"
    assert me.patch(path, {"name": "North & Sons"})["version"] == 2


def test_owners_end_their_organization_with_all_that_is_its_own(world: World, api: Api) -> None:
    north, root = world.acorn.parties["north"], api.using(world.acorn.root_key)
    path = f"/v1/organizations/{north.id}"
    assert api.using(north.agent_key).delete(path).status == 403
    assert api.using(north.person_key).delete(path).status == 204
    assert root.get(path).code == "not_found"
    assert root.get(f"/v1/agents/{north.agent}").code == "not_found"
    assert root.get(f"/v1/users/{north.person}").status == 200
    for key in (north.agent_key, north.service_key):
        assert api.using(key).get("/v1/whoami").status == 401


def test_a_company_with_applications_stays(world: World, api: Api) -> None:
    refused = api.using(world.builders.person_key).delete(f"/v1/organizations/{world.builders.id}")
    assert (refused.status, refused.code) == (409, "organization_in_use")
    assert "acorn" in refused["detail"].lower()


def test_a_blocker_names_what_is_still_there(world: World, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        hooks, "_blockers", [lambda organization: [f"an unpaid invoice of {organization.slug}"]]
    )
    refused = api.using(world.acorn.parties["north"].person_key).delete(
        f"/v1/organizations/{world.acorn.parties['north'].id}"
    )
    assert refused["detail"] == "North still has: an unpaid invoice of north. Delete them first."


def test_a_list_costs_the_same_however_long_it_is(
    world: World, api: Api, django_assert_max_num_queries: Any
) -> None:
    root = api.using(world.acorn.root_key)
    for number in range(5):
        root.post("/v1/organizations", {"name": f"Number {number}"})
    root.get("/v1/organizations")
    with django_assert_max_num_queries(4):
        assert len(root.get("/v1/organizations?limit=3")["data"]) == 3


@pytest.mark.parametrize(
    ("name", "start"),
    [("Acme Inc.", "acme-inc"), ("a__b--c", "a-b-c"), ("日本", "org-"), ("x", "x-"), ("API", "api-")],
)
def test_a_slug_made_from_a_name(name: str, start: str) -> None:
    assert slug_from(name).startswith(start)


class TestSigningUp:
    """People who sign up through allauth, in a tenant that stands as the middleware would have it."""

    PASSWORD = "correct horse battery staple, made up"

    def sign_up(self, email: str, rf: RequestFactory) -> User:
        from allauth.account.forms import SignupForm
        from allauth.core import context

        from apps.accounts.signin.adapter import AccountAdapter

        request = rf.post("/")
        with context.request_context(request):
            form = SignupForm({"email": email, "password1": self.PASSWORD})
            assert form.is_valid(), form.errors
            adapter = AccountAdapter(request)
            made: User = adapter.save_user(request, adapter.new_user(request), form)
            return made

    def test_everybody_gets_an_organization_of_their_own(
        self, world: World, api: Api, rf: RequestFactory
    ) -> None:
        with enter(world.acorn.ref):
            ada = self.sign_up("Ada@example.test", rf)
            [seat] = member_of(ada)
        assert ada.email == "ada@example.test"
        assert (seat.role, seat.organization.personal) == ("owner", True)
        assert seat.organization.slug.startswith("ada-")

    def test_it_stays_with_its_person(self, world: World, api: Api, rf: RequestFactory) -> None:
        with enter(world.acorn.ref):
            ada = self.sign_up("ada@example.test", rf)
            [seat] = member_of(ada)
        session = Credential(None, "session", Scopes.everything())
        call = Call("req_1", Edge.API)
        here = world.acorn.ref
        actor = Actor(ada.ref, here, here, session, call, "owner", organization=seat.organization.ref)
        with enter(here, seat.organization_id), pytest.raises(PersonalOrganizationStays):
            delete_organization(actor, organization_id=seat.organization_id)
        path = f"/v1/organizations/{seat.organization.public_id}"
        assert api.using(world.acorn.root_key).delete(path).status == 204

    @pytest.mark.parametrize(("setting", "console"), [(False, False), (True, True)])
    def test_strangers_sign_up_on_the_console_only_where_it_is_open(
        self, world: World, rf: RequestFactory, setting: bool, console: bool
    ) -> None:
        from apps.accounts.signin.adapter import AccountAdapter

        with override_settings(PACKMULE_OPEN_SIGNUP=setting):
            with enter(world.console.ref):
                assert AccountAdapter().is_open_for_signup(rf.get("/")) is console
            with enter(world.acorn.ref):
                assert AccountAdapter().is_open_for_signup(rf.get("/"))
            assert not AccountAdapter().is_open_for_signup(rf.get("/"))
