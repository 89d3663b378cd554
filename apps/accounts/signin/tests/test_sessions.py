"""Where somebody is signed in: the list, how to end one from another, and the moment at which each ends by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.test import Client

from apps.accounts.models import User
from apps.accounts.signin.sessions import MOST_SHOWN
from apps.accounts.signin.tests.headless import ADA, Configure, FrontEnd, Travel, is_in, somebody, trail_of
from apps.core.ids import encode
from apps.tenancy.walls import enter
from tests.client import Api
from tests.sessions import begin_session
from tests.world import World


def devices(world: World, count: int = 3) -> list[FrontEnd]:
    """Somebody who is signed in on so many devices; the first one signed up."""
    signed_in = [somebody(world.acorn, User_Agent="device 0")]
    for number in range(1, count):
        signed_in.append(FrontEnd(world.acorn, User_Agent=f"device {number}"))
        assert signed_in[-1].sign_in().status == 200
    return signed_in


def listed(front: FrontEnd) -> dict[str, str]:
    """The ids of the person's sessions by what each calls itself."""
    return {row["user_agent"]: row["id"] for row in front.api.get("/v1/sessions")["data"]}


# By the platform's API.


def test_sessions_are_listed_newest_first_with_what_helps_to_know_them(world: World) -> None:
    first, _, third = devices(world)
    rows = third.api.get("/v1/sessions")["data"]
    assert [row["user_agent"] for row in rows] == ["device 2", "device 1", "device 0"]
    assert [row["current"] for row in rows] == [True, False, False]
    assert {row["ip"] for row in rows} == {"127.0.0.1"}
    assert third.api.get("/v1/whoami")["credential"]["id"] == rows[0]["id"]
    shown = third.api.get("/v1/sessions").response.content.decode()
    assert not any(token in shown for one in (first, third) for token in one.tokens)


def test_one_is_ended_from_another(world: World) -> None:
    first, second, third = devices(world)
    assert third.api.delete(f"/v1/sessions/{listed(third)['device 0']}").status == 204
    assert [is_in(one) for one in (first, second, third)] == [False, True, True]
    assert first.get("auth/session").status == 410
    assert set(listed(third)) == {"device 1", "device 2"}
    person = third.get("auth/session")["user"]["id"]
    assert trail_of(world.acorn, person)[-1][0] == "sessions.revoke"


def test_all_others_are_ended(world: World) -> None:
    first, second, third = devices(world)
    assert second.api.post("/v1/sessions/revoke-others")["ended"] == 2
    assert [is_in(one) for one in (first, second, third)] == [False, True, False]


def test_also_those_that_the_list_is_too_short_for(world: World) -> None:
    """A thief's session is the oldest as soon as its owner has signed in often enough."""
    front, more = somebody(world.acorn), MOST_SHOWN + 1
    with enter(world.acorn.ref):
        person = User.objects.get(email=ADA)
    oldest = listed(front)
    tokens = [begin_session(world.acorn, person) for _ in range(more)]
    newest = Api(None, host=world.acorn.host).sending(x_session_token=tokens[-1])
    assert len(newest.get("/v1/sessions")["data"]) == MOST_SHOWN
    assert newest.delete(f"/v1/sessions/{next(iter(oldest.values()))}").status == 204
    assert not is_in(front)
    assert newest.post("/v1/sessions/revoke-others")["ended"] == more - 1
    assert newest.get("/v1/whoami").status == 200
    with enter(world.acorn.ref):
        assert UserSession.objects.filter(user=person).count() == 1
    for _ in range(more):
        begin_session(world.acorn, person)
    path = f"/v1/users/{person.public_id}/end-sessions"
    assert Api(world.acorn.root_key).post(path, {"reason": "stolen"})["ended"] == more + 1


def test_a_session_that_is_over_or_somebody_elses_is_not_there(world: World) -> None:
    front, stranger = somebody(world.acorn), somebody(world.acorn, "eve@example.test")
    (own,) = listed(front).values()
    nobodys = encode("ses", uuid4())
    for answer in (stranger.api.delete(f"/v1/sessions/{own}"), front.api.delete(f"/v1/sessions/{nobodys}")):
        assert (answer.status, answer.code) == (404, "session_unknown")
    assert is_in(front)
    assert front.api.delete(f"/v1/sessions/{own}").status == 204
    assert not is_in(front)


def test_a_machine_has_no_sessions(world: World) -> None:
    for key in (world.acorn.root_key, world.acorn.parties["north"].agent_key):
        assert Api(key).get("/v1/sessions").code == "person_needed"


def test_a_persons_sessions_are_ended_with_a_reason(world: World) -> None:
    signed_in = devices(world, 2)
    person = signed_in[0].get("auth/session")["user"]["id"]
    north = world.acorn.parties["north"]
    path, why = f"/v1/users/{person}/end-sessions", {"reason": "lost telephone"}
    assert Api(north.person_key).post(path, why).status in (403, 404)
    assert Api(world.birch.root_key).post(path, why).status == 404
    assert Api(world.acorn.root_key).post(path, why)["ended"] == 2
    assert not any(is_in(one) for one in signed_in)
    assert FrontEnd(world.acorn).sign_in().status == 200
    assert ("users.end_sessions", "lost telephone") in trail_of(world.acorn, person)


# By allauth's.


def test_allauths_list_ends_them_too_and_the_trail_tells(world: World) -> None:
    first, second = devices(world, 2)
    rows = second.get("auth/sessions").body["data"]
    other = next(row["id"] for row in rows if not row["is_current"])
    assert second.call("DELETE", "auth/sessions", {"sessions": [other]}).status == 200
    assert (is_in(first), is_in(second)) == (False, True)
    person = second.get("auth/session")["user"]["id"]
    assert trail_of(world.acorn, person)[-1] == ("sessions.end", "ended from another session")


def test_ending_the_own_one_is_signing_out(world: World) -> None:
    front = somebody(world.acorn)
    person = front.get("auth/session")["user"]["id"]
    (own,) = front.get("auth/sessions").body["data"]
    assert front.call("DELETE", "auth/sessions", {"sessions": [own["id"]]}).status == 401
    assert not is_in(front)
    ends = [told for told in trail_of(world.acorn, person) if told[0] == "sessions.end"]
    assert ends == [("sessions.end", "signed out")]


def test_nobody_ends_somebody_elses(world: World) -> None:
    front, stranger = somebody(world.acorn), somebody(world.acorn, "eve@example.test")
    (own,) = front.get("auth/sessions").body["data"]
    assert stranger.call("DELETE", "auth/sessions", {"sessions": [own["id"]]}).status == 400
    assert is_in(front)


def test_the_trail_tells_what_a_session_did(world: World) -> None:
    front = somebody(world.acorn)
    shown = front.api.get("/v1/whoami")["credential"]["id"]
    assert front.api.post("/v1/organizations", {"slug": "more", "name": "More"}).status == 201
    told = Api(world.acorn.root_key).get(f"/v1/audit?credential={shown}")["data"]
    assert [entry["operation"] for entry in told] == ["organizations.create"]
    assert told[0]["credential"] == {"id": shown, "kind": "session", "minted_by": None, "chain": []}


def test_the_page_shows_them_too(world: World) -> None:
    first, second = devices(world, 2)
    cookie = f"{settings.SESSION_COOKIE_NAME}={second.token}"
    shown = Client(headers={"host": world.acorn.host, "cookie": cookie}).get("/accounts/sessions/")
    page = shown.content.decode()
    assert ("device 0" in page, "seen just now" in page) == (True, True)
    assert first.token not in page


# By itself.


def test_a_session_ends_when_the_settings_say_however_much_it_is_used(
    world: World, configure: Configure, travel: Travel
) -> None:
    configure(session_hours=2)
    front = somebody(world.acorn)
    (row,) = front.api.get("/v1/sessions")["data"]
    began, ends = (datetime.fromisoformat(row[name]) for name in ("created_at", "expires_at"))
    assert timedelta(minutes=119) < ends - began <= timedelta(minutes=121)
    for _ in range(7):
        travel(timedelta(minutes=17))
        assert is_in(front)
        assert front.get("auth/session").status == 200
    travel(timedelta(minutes=2))
    assert not is_in(front)
    assert front.get("auth/session").status in (401, 410)


def test_a_new_lifetime_counts_from_the_next_sign_in_on(
    world: World, configure: Configure, travel: Travel
) -> None:
    before = somebody(world.acorn)
    configure(session_hours=1)
    after = FrontEnd(world.acorn)
    after.sign_in()
    travel(timedelta(minutes=61))
    assert (is_in(before), is_in(after)) == (True, False)
    travel(timedelta(days=15))
    assert not is_in(before)


def test_a_clock_that_is_set_back_begins_no_session_anew(world: World, travel: Travel) -> None:
    front = somebody(world.acorn)
    front.sign_out()
    travel(timedelta(days=-3))
    assert not is_in(front)
    again = FrontEnd(world.acorn)
    assert again.sign_in(ADA).status == 200
    assert is_in(again)
