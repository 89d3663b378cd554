"""Looking after the product's customers from its environment's admin: across all of them, or within one."""

from __future__ import annotations

from typing import Any

from apps.console.handoff.tests.support import Browser, text_of
from apps.orgs.models import Invitation, Membership, Organization, Role, Team
from apps.tenancy.walls import enter
from tests.world import World


def at(world: World, path: str) -> str:
    """The address of a page of acorn's admin."""
    return f"http://{world.acorn.host}/admin/{path}"


def one(world: World, model: Any, **wanted: Any) -> Any:
    """The one row of the environment that fits."""
    with enter(world.acorn.ref):
        return model.objects.get(**wanted)


def test_a_list_across_customers_says_whose_each_row_is(world: World, inside: Browser) -> None:
    north = world.acorn.parties["north"]
    page = text_of(inside.get(at(world, "orgs/membership/")))
    for told in ("owner@north.test", "owner@south.test", "Organization", "South"):
        assert told in page[page.index("result_list") :], told
    inside.post(at(world, "switch/"), organization=north.id)
    page = text_of(inside.get(at(world, "orgs/membership/")))
    rows = page[page.index("result_list") :]
    assert ("owner@north.test" in rows, "owner@south.test" in rows) == (True, False)
    assert "Organization" not in rows.partition("</table>")[0]


def test_what_takes_a_customer_waits_until_one_is_chosen(world: World, inside: Browser) -> None:
    for where, verb in (("invitation", "invitations"), ("role", "roles"), ("team", "teams")):
        assert "pm-button-off" in text_of(inside.get(at(world, f"orgs/{where}/"))), where
        page = text_of(inside.get(at(world, f"orgs/{where}/do/{verb}.create/")))
        assert "Choose one at the top of the page first" in page, where
        assert "/v1/organizations/ORGANIZATION_ID/" in page, where
    path = at(world, "orgs/team/do/teams.create/")
    answer = inside.post(path, name="Kitchen", slug="kitchen", reason="r")
    assert (answer.status_code, "Choose an organization first" in text_of(answer)) == (409, True)
    with enter(world.acorn.ref):
        assert not Team.objects.exists()


def test_the_page_of_a_customer_leads_to_acting_within_it(world: World, inside: Browser) -> None:
    north = world.acorn.parties["north"]
    page = text_of(inside.get(at(world, f"orgs/organization/{north.id}/change/")))
    assert f'name="organization" value="{north.id}"' in page
    assert inside.post(at(world, "switch/"), organization=north.id).status_code == 302
    path = at(world, "orgs/team/do/teams.create/")
    assert inside.post(path, name="Kitchen", slug="kitchen", reason="They asked").status_code == 302
    assert one(world, Team, slug="kitchen").organization_id == north.uuid


def test_a_new_customer_begins_with_the_invitation_of_its_owner(world: World, inside: Browser) -> None:
    path = at(world, "orgs/organization/do/organizations.create/")
    assert "It begins without members" in text_of(inside.get(path))
    answer = inside.post(path, name="West", slug="west", reason="They signed")
    made = one(world, Organization, slug="west")
    assert answer["Location"] == f"/admin/orgs/organization/{made.public_id}/change/"
    path = at(world, f"orgs/organization/{made.public_id}/do/invitations.create/")
    form = {"email": "boss@west.test", "role": "owner", "expires_in_days": "7", "reason": "Theirs now"}
    sent = inside.post(path, **form)
    row = one(world, Invitation, email="boss@west.test")
    assert sent["Location"] == f"/admin/orgs/invitation/{row.public_id}/change/"
    assert (row.organization_id, row.role, row.inviter_name) == (made.pk, "owner", "owner")


def test_a_custom_role_can_be_given_from_across_customers(world: World, inside: Browser) -> None:
    """The roles that a form offers are those of the row's organization, wherever one stands."""
    north, south = (world.acorn.parties[name] for name in ("north", "south"))
    with enter(world.acorn.ref):
        Role.objects.create(organization_id=north.uuid, slug="cook", name="Cook", permissions=["users:read"])
    path = "orgs/membership/{}/do/members.update/"
    assert 'value="cook"' in text_of(inside.get(at(world, path.format(north.membership))))
    assert 'value="cook"' not in text_of(inside.get(at(world, path.format(south.membership))))
    seat = one(world, Membership, user__email="viewer@north.test")
    answer = inside.post(at(world, path.format(seat.public_id)), role="cook", reason="New job")
    assert answer.status_code == 302
    assert one(world, Membership, pk=seat.pk).role == "cook"


def test_who_builds_the_product_neither_owns_nor_leaves_a_customer(world: World, inside: Browser) -> None:
    story = f"orgs/organization/{world.acorn.parties['north'].id}"
    page = text_of(inside.get(at(world, f"{story}/change/")))
    for name in ("transfer", "leave"):
        assert f"do/organizations.{name}/" not in page, name
        assert inside.get(at(world, f"{story}/do/organizations.{name}/")).status_code == 404, name


def test_a_customer_is_deleted_with_all_that_it_had(world: World, inside: Browser) -> None:
    north = world.acorn.parties["north"]
    path = at(world, f"orgs/organization/{north.id}/do/organizations.delete/")
    answer = inside.post(path, confirmation="North", reason="They left")
    assert answer["Location"] == "/admin/orgs/organization/"
    with enter(world.acorn.ref):
        assert list(Organization.objects.values_list("slug", flat=True)) == ["south"]
        assert not Membership.objects.filter(organization_id=north.uuid).exists()
