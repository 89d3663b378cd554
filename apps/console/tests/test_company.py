"""A company looks after itself in the admin: who is in it, as what, in which team, and whose it is."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from apps.accounts.models import User
from apps.console.tests.support import Person, last_event, seen, text_of
from apps.orgs.models import Invitation, Membership, Organization, Role, Team, TeamMember
from apps.tenancy.walls import enter
from tests.world import World

STRANGER = "stranger@nowhere.test"
VIEWER = "viewer@acorn.test"


@pytest.fixture
def post(mailoutbox: Any, django_capture_on_commit_callbacks: Any) -> Any:
    """Send a form, with the mails that go out when it is done."""

    def send(person: Person, path: str, **fields: str) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return person.post(path, **fields)

    return send


def link_in(mailoutbox: Any) -> str:
    """Where the link of the newest invitation leads."""
    link = re.search(r"http://console\.localhost(/accounts/invitations/\S+/)", mailoutbox[-1].body)
    assert link is not None, mailoutbox[-1].body
    return link.group(1)


def invite(post: Any, person: Person, email: str, where: str = "orgs/invitation") -> str:
    """Invite somebody as a viewer; the path of the page about it."""
    answer = post(
        person,
        f"/admin/{where}/do/invitations.create/",
        email=email,
        role="viewer",
        expires_in_days="7",
        reason="Helps us",
    )
    assert answer.status_code == 302, text_of(answer)
    return str(answer["Location"])


def do(story: str, operation: str) -> str:
    """The path of an action on the page of a thing."""
    return story.replace("/change/", f"/do/{operation}/")


def page_of(row: Any) -> str:
    """The path of the page about a row."""
    return f"/admin/orgs/{row._meta.model_name}/{row.public_id}/change/"


def seat_of(world: World, email: str) -> Membership:
    """The person's membership in acorn."""
    found: Membership = seen(world, Membership, user__email=email, organization_id=world.builders.uuid)
    return found


# People.


def test_somebody_is_invited_joins_changes_and_goes(
    world: Any, owner: Person, post: Any, mailoutbox: Any
) -> None:
    story = invite(post, owner, STRANGER, "orgs/membership")
    page = text_of(owner.get(story))
    for told in (STRANGER, "Pending", "Viewer", "Helps us", "do/invitations.resend/", "Done, and on record"):
        assert told in page, told
    token = link_in(mailoutbox).rstrip("/").rpartition("/")[2]
    assert token not in page

    stranger = Person(STRANGER)
    assert stranger.get("/admin/").status_code == 403
    assert "Join Acorn" in text_of(stranger.get(link_in(mailoutbox)))
    assert stranger.post(link_in(mailoutbox), action="accept").status_code == 302
    assert "You are its viewer" in text_of(stranger.get("/admin/"))
    assert "Accepted" in text_of(owner.get(story))

    seat = page_of(seat_of(world, STRANGER))
    owner.post(do(seat, "members.update"), role="admin", reason="Grew")
    assert seat_of(world, STRANGER).role == "admin"
    gone = owner.post(do(seat, "members.remove"), confirmation=STRANGER, reason="Left")
    assert gone["Location"] == "/admin/orgs/membership/"
    assert stranger.get("/admin/").status_code == 403


def test_somebody_new_is_invited_and_signs_up(world: Any, owner: Person, post: Any, mailoutbox: Any) -> None:
    invite(post, owner, "new@corp.test")
    new = Person()
    assert "Create an account and join" in text_of(new.get(link_in(mailoutbox)))
    form = {"email": "new@corp.test", "password1": "a wholly new sentence to remember"}
    assert post(new, "/accounts/signup/", **form)["Location"] == "/admin/"
    assert "You are its viewer" in text_of(new.get("/admin/"))
    assert seat_of(world, "new@corp.test").role == "viewer"


def test_who_has_no_invitation_does_not_sign_up_in_its_place(
    world: Any, owner: Person, post: Any, mailoutbox: Any
) -> None:
    invite(post, owner, "new@corp.test")
    other = Person()
    other.get(link_in(mailoutbox))
    form = {"email": "other@corp.test", "password1": "a wholly new sentence to remember"}
    post(other, "/accounts/signup/", **form)
    with enter(world.console.ref):
        assert not User.objects.filter(email="other@corp.test").exists()


def test_the_last_owner_stays(world: Any, owner: Person) -> None:
    path = f"/admin/orgs/membership/{world.builders.membership}/do/members.update/"
    answer = owner.post(path, role="viewer", reason="x")
    assert answer.status_code == 409
    assert "The last owner stays" in text_of(answer)


# Invitations.


def test_an_invitation_is_sent_again_and_the_earlier_link_ends(
    world: Any, owner: Person, post: Any, mailoutbox: Any
) -> None:
    story = invite(post, owner, STRANGER)
    early = link_in(mailoutbox)
    again = {"expires_in_days": "3", "reason": "It was lost"}
    soon = post(owner, do(story, "invitations.resend"), **again)
    assert soon.status_code == 429
    assert "sent a moment ago" in text_of(soon)
    assert "It was lost" in text_of(soon)

    row = seen(world, Invitation, email=STRANGER)
    with enter(world.console.ref):
        Invitation.objects.update(sent_at=row.sent_at - timedelta(minutes=2))
    assert post(owner, do(story, "invitations.resend"), **again)["Location"] == story
    assert link_in(mailoutbox) != early
    stranger = Person(STRANGER)
    assert "There is no such invitation" in text_of(stranger.get(early))
    assert "Join Acorn" in text_of(stranger.get(link_in(mailoutbox)))


def test_an_invitation_is_revoked(world: Any, owner: Person, post: Any, mailoutbox: Any) -> None:
    story = invite(post, owner, STRANGER)
    assert STRANGER in text_of(owner.get(f"/admin/orgs/organization/{world.builders.id}/change/"))
    wrong = owner.post(do(story, "invitations.revoke"), confirmation="another", reason="A slip")
    assert "Nothing was done" in text_of(wrong)
    gone = owner.post(do(story, "invitations.revoke"), confirmation=STRANGER, reason="A slip")
    assert gone["Location"] == story
    page = text_of(owner.get(story))
    assert "Revoked" in page
    assert "do/invitations." not in page
    assert "This invitation was taken back" in text_of(Person(STRANGER).get(link_in(mailoutbox)))


def test_who_is_invited_already_is_not_invited_twice(world: Any, owner: Person, post: Any) -> None:
    invite(post, owner, STRANGER)
    path, form = "/admin/orgs/invitation/do/invitations.create/", {"role": "viewer", "expires_in_days": "7"}
    answer = owner.post(path, email=STRANGER, reason="Again", **form)
    assert answer.status_code == 409
    assert "They are invited already" in text_of(answer)


# Roles.


def make_role(owner: Person) -> str:
    """Make the role support; the path of its page."""
    answer = owner.post(
        "/admin/orgs/role/do/roles.create/",
        name="Support",
        slug="support",
        permissions="users:read keys:read",
        reason="For the desk",
    )
    assert answer.status_code == 302, text_of(answer)
    return str(answer["Location"])


def test_a_role_is_made_given_changed_and_deleted(world: Any, owner: Person, viewer: Person) -> None:
    story, seat = make_role(owner), page_of(seat_of(world, VIEWER))
    for told in ("users:read", "keys:read", "Nobody holds it"):
        assert told in text_of(owner.get(story)), told
    assert owner.post(do(seat, "members.update"), role="support", reason="r").status_code == 302
    assert VIEWER in text_of(owner.get(story))
    assert viewer.get("/admin/apikeys/key/").status_code == 200
    assert viewer.get("/admin/accounts/agent/").status_code == 403

    form = {"name": "Support", "description": "The desk", "reason": "They watch agents"}
    owner.post(do(story, "roles.update"), permissions="users:read agents:read", **form)
    assert seen(world, Role, slug="support").permissions == ["agents:read", "users:read"]
    assert viewer.get("/admin/apikeys/key/").status_code == 403
    assert viewer.get("/admin/accounts/agent/").status_code == 200

    held = owner.post(do(story, "roles.delete"), confirmation="Support", reason="r")
    assert (held.status_code, "The role is in use" in text_of(held)) == (409, True)
    owner.post(do(seat, "members.update"), role="viewer", reason="r")
    gone = owner.post(do(story, "roles.delete"), confirmation="Support", reason="r")
    assert gone["Location"] == "/admin/orgs/role/"
    assert "No roles of your own yet" in text_of(owner.get("/admin/orgs/role/"))


def test_a_form_begins_with_the_role_that_somebody_has(world: Any, owner: Person) -> None:
    make_role(owner)
    seat = page_of(seat_of(world, VIEWER))
    owner.post(do(seat, "members.update"), role="support", reason="r")
    assert '<option value="support" selected>Support</option>' in text_of(
        owner.get(do(seat, "members.update"))
    )


def test_a_role_that_one_cannot_give_stays_chosen_until_another_is(world: Any, viewer: Person) -> None:
    """An admin opens the page of the owner: a browser would choose the first role instead of one that is not there."""
    with enter(world.console.ref):
        Membership.objects.filter(user__email=VIEWER).update(role="admin")
    path = f"/admin/orgs/membership/{world.builders.membership}/do/members.update/"
    assert '<option value="owner" selected>' in text_of(viewer.get(path))
    answer = viewer.post(path, role="viewer", reason="r")
    assert answer.status_code == 403
    assert "The role owner is above your own" in text_of(answer)


def test_a_role_allows_nothing_that_there_is_not(world: Any, owner: Person) -> None:
    path = "/admin/orgs/role/do/roles.create/"
    answer = owner.post(path, name="x", slug="x-role", permissions="users:fly", reason="r")
    assert answer.status_code == 422
    assert "There is no users:fly" in text_of(answer)
    assert 'value="users:fly"' in text_of(answer)


# Teams.


def test_a_team_is_made_filled_emptied_and_deleted(world: Any, owner: Person) -> None:
    made = owner.post("/admin/orgs/team/do/teams.create/", name="Kitchen", slug="kitchen", reason="r")
    story, seat = str(made["Location"]), seat_of(world, VIEWER).public_id
    assert "Nobody is in it yet" in text_of(owner.get(story))
    assert owner.post(do(story, "teams.add-member"), membership=seat, reason="Cooks")["Location"] == story
    page = text_of(owner.get(story))
    assert VIEWER in page
    assert "Nobody is in it yet" not in page
    assert "Kitchen" in text_of(owner.get(page_of(seat_of(world, VIEWER))))
    assert seat not in text_of(owner.get(do(story, "teams.add-member"))), "is in it already"

    out = owner.post(do(story, "teams.remove-member"), membership_id=seat, reason="Waits now")
    assert out["Location"] == story
    assert last_event(world).operation == "teams.remove-member"
    with enter(world.console.ref):
        assert not TeamMember.objects.exists()

    form = {"name": "Galley", "slug": "galley", "description": "At sea", "reason": "r"}
    assert owner.post(do(story, "teams.update"), **form)["Location"] == story
    assert "At sea" in text_of(owner.get(story))
    gone = owner.post(do(story, "teams.delete"), confirmation="Galley", reason="r")
    assert gone["Location"] == "/admin/orgs/team/"
    with enter(world.console.ref):
        assert not Team.objects.exists()


@pytest.mark.parametrize("field", ["add-member", "remove-member"])
def test_a_team_takes_nobody_of_another_company(world: Any, owner: Person, field: str) -> None:
    made = owner.post("/admin/orgs/team/do/teams.create/", name="Kitchen", slug="kitchen", reason="r")
    theirs = {"membership": world.rivals.membership, "membership_id": world.rivals.membership}
    answer = owner.post(do(str(made["Location"]), f"teams.{field}"), reason="r", **theirs)
    assert "is not one of the available choices" in text_of(answer)
    with enter(world.console.ref):
        assert not TeamMember.objects.exists()


# Whose it is.


def test_renaming_it(world: Any, owner: Person) -> None:
    path = f"/admin/orgs/organization/{world.builders.id}/do/organizations.update/"
    owner.post(path, name="Acorn & Sons", slug="acorn", reason="New partners")
    assert seen(world, Organization, pk=world.builders.uuid).name == "Acorn & Sons"


def test_it_is_handed_over(world: Any, owner: Person) -> None:
    path = f"/admin/orgs/organization/{world.builders.id}/do/organizations.transfer/"
    heir = seat_of(world, VIEWER)
    assert world.builders.membership not in text_of(owner.get(path)), "it is theirs already"
    form = {"membership": heir.public_id, "confirmation": "Acorn", "reason": "I retire"}
    answer = owner.post(path, **form)
    assert answer["Location"] == page_of(heir)
    assert (seat_of(world, VIEWER).role, seat_of(world, world.builders.email).role) == ("owner", "admin")
    event = last_event(world)
    assert (event.operation, event.reason) == ("organizations.transfer", "I retire")
    refused = owner.post(path, **{**form, "membership": seat_of(world, VIEWER).public_id})
    assert (refused.status_code, "Only an owner does this" in text_of(refused)) == (403, True)


def test_leaving_it(world: Any, owner: Person, viewer: Person) -> None:
    path = f"/admin/orgs/organization/{world.builders.id}/do/organizations.leave/"
    form = {"confirmation": "Acorn", "reason": "A new job"}
    assert "The last owner stays" in text_of(owner.post(path, **form))
    assert viewer.post(path, **form)["Location"] == "/admin/orgs/organization/"
    assert "belongs to no organization" in text_of(viewer.get("/admin/"))
    with enter(world.console.ref):
        assert not Membership.objects.filter(user__email=VIEWER).exists()


def test_a_personal_one_is_neither_handed_over_nor_left(world: Any, owner: Person) -> None:
    with enter(world.console.ref):
        Organization.objects.filter(pk=world.builders.uuid).update(personal=True)
    page = text_of(owner.get(f"/admin/orgs/organization/{world.builders.id}/change/"))
    for name in ("transfer", "leave", "delete"):
        assert f"do/organizations.{name}/" not in page, name


def test_it_is_deleted_once_it_has_nothing_left(world: Any, owner: Person) -> None:
    founding = "/admin/orgs/organization/do/organizations.create/"
    owner.post(founding, name="Short-lived", reason="A try")
    made = seen(world, Organization, name="Short-lived")
    own = f"/admin/orgs/organization/{world.builders.id}/do/organizations.delete/"
    kept = owner.post(own, confirmation="Acorn", reason="r")
    assert (kept.status_code, "still has something" in text_of(kept)) == (409, True)

    owner.post("/admin/switch/", organization=made.public_id)
    path = f"/admin/orgs/organization/{made.public_id}/do/organizations.delete/"
    gone = owner.post(path, confirmation="Short-lived", reason="It was a try")
    assert gone["Location"] == "/admin/orgs/organization/"
    assert "<h1>Acorn</h1>" in text_of(owner.get("/admin/"))
