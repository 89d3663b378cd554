"""People in the admin: the tenant of the host, then the organization they act in."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from apps.accounts.models import User
from apps.apikeys.middleware import acting_middleware, session_middleware
from apps.apikeys.tests.making import seat_in_another
from apps.core.actor import Edge
from apps.orgs.models import Organization
from apps.tenancy.walls import current_schema, enter
from tests.client import Api
from tests.sessions import begin_session, person_of
from tests.world import Space, World


def visit(
    user: Any, space: Space | None = None, host: str = "localhost", chosen: str = "", path: str = "/admin/"
) -> dict[str, Any]:
    """Send one browser's call through both middlewares and tell what the view found."""
    seen: dict[str, Any] = {}

    def view(request: HttpRequest) -> HttpResponse:
        seen["schema"] = current_schema()
        seen["actor"] = request.actor  # type: ignore[attr-defined]
        seen["organizations"] = (
            list(Organization.objects.values_list("slug", flat=True)) if seen["schema"] else None
        )
        return HttpResponse()

    def sign_in(request: HttpRequest) -> Any:
        request.user = user
        token = begin_session(space, user, chosen=chosen) if space else None
        request.session = SessionStore(token)
        return session_middleware(view)(request)

    request = RequestFactory().get(path, headers={"host": host})
    seen["response"] = acting_middleware(sign_in)(request)
    return seen


def test_nobody_stands_in_the_console_without_an_organization(world: World) -> None:
    seen = visit(AnonymousUser())

    assert seen["schema"] == world.console.ref.schema_name
    assert (seen["actor"], seen["organizations"]) == (None, [])
    assert seen["response"].headers["Packmule-Tenant"] == "console"
    assert current_schema() == ""


def test_a_person_stands_in_their_organization(world: World) -> None:
    seen = visit(person_of(world.console, world.builders), world.console)

    assert seen["organizations"] == ["acorn"]
    assert seen["actor"].organization.slug == "acorn"
    assert seen["actor"].role == "owner"
    assert seen["actor"].call.edge is Edge.ADMIN


def test_a_host_brings_its_tenant(world: World) -> None:
    person = person_of(world.acorn, world.acorn.parties["south"])
    seen = visit(person, world.acorn, host=world.acorn.host, path="/operator/")

    assert seen["schema"] == world.acorn.ref.schema_name
    assert seen["organizations"] == ["south"]


def test_a_person_in_several_acts_in_the_first_or_the_chosen_one(world: World) -> None:
    user = person_of(world.console, world.builders)
    other = seat_in_another(world.console, world.builders)

    assert visit(user, world.console)["organizations"] == ["acorn"]
    assert visit(user, world.console, chosen=str(other.pk))["organizations"] == ["another"]
    assert visit(user, world.console, chosen=str(world.rivals.uuid))["organizations"] == ["acorn"]
    assert visit(user, world.console, chosen="garbage")["organizations"] == ["acorn"]


def test_who_is_in_no_organization_sees_no_organizations_rows(world: World) -> None:
    with enter(world.console.ref):
        stranger = User.objects.get(email="stranger@nowhere.test")

    seen = visit(stranger, world.console)

    assert seen["organizations"] == []
    assert seen["actor"].role == "none"


def test_a_path_without_a_tenant_touches_none(world: World) -> None:
    seen = visit(AnonymousUser(), path="/docs/index.md")

    assert (seen["schema"], seen["actor"]) == ("", None)


def test_a_session_without_a_guess_has_to_choose(world: World) -> None:
    user = person_of(world.console, world.builders)
    other = seat_in_another(world.console, world.builders)

    asked = Api(host="console.localhost").sending(x_session_token=begin_session(world.console, user))

    refused = asked.get("/v1/agents")
    assert (refused.status, refused.code) == (400, "organization_required")
    assert {choice["slug"] for choice in refused["organizations"]} == {"acorn", "another"}
    assert asked.get("/v1/whoami", packmule_organization=other.public_id)["role"] == "viewer"
    assert asked.get("/v1/whoami", packmule_organization=world.rivals.id).status == 404


def test_an_operator_is_one_in_the_console_alone(world: World) -> None:
    for space, party, expected in (
        (world.console, world.builders, True),
        (world.acorn, world.acorn.parties["north"], False),
    ):
        user = person_of(space, party)
        with enter(space.ref):
            User.objects.filter(pk=user.pk).update(is_operator=True)
        host = "localhost" if space is world.console else space.host
        assert visit(user, space, host=host, path="/accounts/")["actor"].is_operator is expected


def test_the_walls_are_left_when_a_view_fails(world: World) -> None:
    def failing(_request: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        acting_middleware(failing)(RequestFactory().get("/admin/"))

    assert current_schema() == ""
