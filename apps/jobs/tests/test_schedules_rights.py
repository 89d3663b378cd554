"""In whose name a schedule fires, and what ends it: nobody goes on by the clock with rights that they lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection

from apps.accounts.models import Agent, ServiceAccount, User
from apps.apikeys.minting import mint
from apps.apikeys.models import KeyKind
from apps.apikeys.tests.delegating import later
from apps.core import clock
from apps.core.clock import FrozenClock
from apps.core.ids import decode, encode
from apps.core.scopes import Scopes
from apps.core.strictjson import timestamp
from apps.jobs.models import Schedule
from apps.jobs.tests.clockwork import firings, jobs_of, schedule, work
from apps.orgs.models import Membership
from apps.orgs.tests.post import joined, key_of
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.oauth import give as give_token
from tests.oauth import register
from tests.sessions import session_token
from tests.world import Party, Space, World, promote


@pytest.fixture
def time() -> Iterator[FrozenClock]:
    with clock.frozen(clock.now()) as held:
        yield held


@dataclass
class Stage:
    """Acorn's customer north, with somebody who watches for the whole tenant."""

    space: Space
    north: Party
    root: Api
    time: FrozenClock

    def fired(self) -> list[Any]:
        """What comes of the next minute."""
        self.time.move(timedelta(minutes=1))
        return work()

    def row(self, made: Answer) -> Answer:
        """The schedule as it is now."""
        return self.root.get(f"/v1/schedules/{made['id']}")

    def told(self, kind: str) -> list[Any]:
        """Events about schedules."""
        return list(self.root.get(f"/v1/events?types=schedule.{kind}")["data"])

    def require_stopped(self, made: Answer, because: str) -> None:
        """It has stopped, says why, and enqueues nothing."""
        row = self.row(made)
        assert (row["paused"], row["next_at"]) == (True, None)
        assert because in row["stopped_because"]
        assert [event["subject"] for event in self.told("stopped")] == [made["id"]]
        before = len(jobs_of(self.root, made))
        assert self.fired() == []
        assert len(jobs_of(self.root, made)) == before


@pytest.fixture
def stage(world: World, api: Api, time: FrozenClock) -> Stage:
    return Stage(world.acorn, world.acorn.parties["north"], api.using(world.acorn.root_key), time)


def each_minute(me: Api, **said: Any) -> Answer:
    return schedule(me, every_seconds=60, **said)


def key(stage: Stage, kind: KeyKind, principal: Any, **more: Any) -> tuple[str, str]:
    with enter(stage.space.ref):
        made = mint(
            tenant=stage.space.ref,
            principal=principal,
            kind=kind,
            name="made",
            scopes=more.pop("scopes", Scopes.everything()),
            expires_at=clock.now() + more.pop("lasts", timedelta(days=9)),
            minter=None,
            **more,
        )
    return made.secret, encode("key", made.key.id)


def service(stage: Stage, **more: Any) -> tuple[str, str]:
    """Another key of north's backend, and its id."""
    with enter(stage.space.ref):
        account = ServiceAccount.objects.get(pk=decode(stage.north.service, "svc"))
    return key(stage, KeyKind.SECRET, account, **more)


def test_it_stops_when_its_maker_leaves_and_goes_on_in_the_name_of_who_takes_it_over(
    stage: Stage, api: Api
) -> None:
    promote(stage.space, stage.north)
    made = each_minute(api.using(stage.north.person_key))
    assert stage.fired() == [{"fired": 1}]
    path = f"/v1/organizations/{stage.north.id}/members/{stage.north.membership}"
    assert stage.root.delete(path).status == 204
    stage.require_stopped(made, "Whoever made it, or what it was made by, is gone")
    viewer = api.using(stage.north.viewer_key)
    resumed = viewer.post(f"/v1/schedules/{made['id']}/resume")
    assert (resumed.status, resumed["stopped_because"]) == (200, "")
    assert resumed["acts_as"]["id"] != resumed["created_by"]["id"]
    assert stage.fired() == [{"fired": 1}]
    assert jobs_of(viewer, made)[-1]["enqueued_by"]["id"] == resumed["acts_as"]["id"]


@pytest.mark.parametrize("way", ["key", "session", "token"])
def test_it_stops_when_its_maker_is_no_member_whoever_took_the_membership_away(
    stage: Stage, way: str
) -> None:
    made = each_minute(person_by(stage, way))
    assert stage.fired() == [{"fired": 1}]
    with enter(stage.space.ref):
        Membership.objects.filter(pk=decode(stage.north.membership, "mem")).delete()
    assert stage.fired() == [{"fired": 0}]
    (row, _) = firings(stage.root, made)["past"]
    assert (row["outcome"], row["job"]) == ("refused", None)
    stage.require_stopped(made, row["reason"])


def person_by(stage: Stage, way: str) -> Api:
    """North's person by a key, by a session, or by a program that they let in."""
    if way == "key":
        return Api(stage.north.person_key)
    if way == "session":
        token = session_token(stage.space, stage.north)
        return Api(None, host=stage.space.host).sending(x_session_token=token)
    return Api(give_token(stage.space, ["*"], user=stage.north.person))


@pytest.mark.parametrize("way", ["session", "token"])
def test_a_session_and_a_token_may_end_and_it_goes_on(stage: Stage, way: str) -> None:
    made = each_minute(person_by(stage, way))
    assert made["ends_at"] is None
    with enter(stage.space.ref), connection.cursor() as cursor:
        Session.objects.all().delete()
        cursor.execute("delete from allauth_idp_oidc_token")
    assert stage.fired() == [{"fired": 1}]
    (job,) = jobs_of(stage.root, made)
    assert job["enqueued_by"] == made["acts_as"]
    assert job["organization"] == stage.north.id


def test_it_stops_when_the_person_ends_what_they_let_the_program_do(stage: Stage, api: Api) -> None:
    made = each_minute(person_by(stage, "token"))
    assert stage.fired() == [{"fired": 1}]
    person = api.using(stage.north.person_key)
    (grant,) = person.get("/v1/oauth-grants")["data"]
    assert person.delete(f"/v1/oauth-grants/{grant['id']}").status == 204
    stage.require_stopped(made, "is gone")


def test_a_token_gives_its_schedule_no_more_than_its_scopes(stage: Stage) -> None:
    few = Api(give_token(stage.space, ["schedules:*", "jobs:write"], user=stage.north.person))
    made = each_minute(few)
    with enter(stage.space.ref):
        kept = Schedule.objects.get(pk=decode(made["id"], "sch")).standing
    assert kept is not None
    assert kept["credential"]["scopes"] == ["jobs:write", "schedules:*"]
    assert stage.fired() == [{"fired": 1}]
    with enter(stage.space.ref):
        kept["credential"]["scopes"] = ["schedules:*"]
        Schedule.objects.filter(pk=decode(made["id"], "sch")).update(standing=kept)
    assert stage.fired() == [{"fired": 0}]
    assert "jobs:write" in firings(stage.root, made)["past"][0]["reason"]


def test_it_stops_when_the_key_is_revoked_by_which_it_was_made(stage: Stage, api: Api) -> None:
    secret, shown = service(stage)
    made = each_minute(api.using(secret))
    assert stage.fired() == [{"fired": 1}]
    assert stage.root.delete(f"/v1/keys/{shown}").status == 204
    assert stage.fired() == [{"fired": 0}]
    stage.require_stopped(made, f"{shown}, by which it was made, was revoked")


def test_it_stops_when_the_key_has_expired_and_says_so_before(stage: Stage, api: Api) -> None:
    secret, shown = service(stage, lasts=timedelta(minutes=2, seconds=30))
    made = each_minute(api.using(secret))
    end = stage.time.at + timedelta(minutes=2, seconds=30)
    assert made["ends_at"] == timestamp(end)
    assert len(firings(stage.root, made)["next"]) == 2
    assert [stage.fired(), stage.fired(), stage.fired()] == [[{"fired": 1}], [{"fired": 1}], [{"fired": 0}]]
    stage.require_stopped(made, f"{shown}, by which it was made, expired")
    other, _ = service(stage)
    assert api.using(other).post(f"/v1/schedules/{made['id']}/resume").status == 200
    assert stage.fired() == [{"fired": 1}]


def test_a_rotated_key_is_the_same(stage: Stage, api: Api) -> None:
    secret, shown = service(stage)
    made = each_minute(api.using(secret))
    assert stage.root.post(f"/v1/keys/{shown}/rotate", {"overlap_seconds": 0}).status == 200
    assert stage.fired() == [{"fired": 1}]
    assert len(jobs_of(stage.root, made)) == 1


@pytest.mark.parametrize(
    ("room", "prefix", "model"), [("service-accounts", "svc", ServiceAccount), ("agents", "agt", Agent)]
)
def test_it_stops_when_the_machine_is_deleted(
    stage: Stage, api: Api, room: str, prefix: str, model: Any
) -> None:
    secret, shown = (
        (stage.north.service_key, stage.north.service)
        if prefix == "svc"
        else (stage.north.agent_key, stage.north.agent)
    )
    made = each_minute(api.using(secret))
    assert stage.fired() == [{"fired": 1}]
    assert stage.root.delete(f"/v1/{room}/{shown}").status == 204
    stage.require_stopped(made, "gone")
    assert made["acts_as"]["id"] == shown


@pytest.mark.parametrize("way", ["key", "session", "token"])
def test_a_suspension_holds_it_still_and_no_longer_than_it_lasts(stage: Stage, way: str) -> None:
    made = each_minute(person_by(stage, way))
    people = User.objects.filter(pk=decode(stage.north.person, "usr"))
    with enter(stage.space.ref):
        people.update(status="suspended")
    assert stage.fired() == [{"fired": 0}]
    assert stage.row(made)["paused"] is False
    (row,) = firings(stage.root, made)["past"]
    assert (row["outcome"], "suspended" in row["reason"]) == ("refused", True)
    assert [event["subject"] for event in stage.told("refused")] == [made["id"]]
    with enter(stage.space.ref):
        people.update(status="active")
    assert stage.fired() == [{"fired": 1}]


@pytest.mark.parametrize("way", ["key", "session", "token"])
def test_whoever_may_enqueue_no_more_enqueues_no_more(stage: Stage, way: str) -> None:
    made = each_minute(person_by(stage, way))
    seats = Membership.objects.filter(pk=decode(stage.north.membership, "mem"))
    with enter(stage.space.ref):
        seats.update(role="viewer")
    assert stage.fired() == [{"fired": 0}]
    assert "the role viewer" in firings(stage.root, made)["past"][0]["reason"]
    with enter(stage.space.ref):
        seats.update(role="owner")
    assert stage.fired() == [{"fired": 1}]


def test_a_delegation_is_what_its_schedule_rests_on(stage: Stage, api: Api) -> None:
    person = api.using(stage.north.person_key)
    body = {
        "actor": stage.north.agent,
        "scopes": ["schedules:write", "jobs:write"],
        "expires_at": later(hours=1),
    }
    given = person.post("/v1/delegations", body)
    assert given.status == 201, given.body
    agent = api.using(stage.north.agent_key).sending(packmule_on_behalf_of=stage.north.person)
    made = each_minute(agent)
    assert made["ends_at"] == given["expires_at"]
    assert made["acts_as"]["on_behalf_of"]["id"] == stage.north.person
    assert stage.fired() == [{"fired": 1}]
    assert jobs_of(stage.root, made)[0]["enqueued_by"]["on_behalf_of"]["id"] == stage.north.person
    assert person.delete(f"/v1/delegations/{given['id']}").status == 204
    stage.require_stopped(made, "gone")


def test_a_key_is_asked_from_where_it_made_the_schedule(stage: Stage, api: Api) -> None:
    secret, _ = service(stage, allowed_ips=["127.0.0.1/32"])
    made = each_minute(api.using(secret))
    assert stage.fired() == [{"fired": 1}]
    assert len(jobs_of(stage.root, made)) == 1


def test_a_program_with_a_machine_of_its_own_has_schedules(stage: Stage) -> None:
    with enter(stage.space.ref):
        client = register(stage.north, machine=True, grants=["client_credentials"])
    made = each_minute(Api(give_token(stage.space, ["*"], client=client.client_id)))
    assert (made["acts_as"]["kind"], made["acts_as"]["id"]) == ("service_account", stage.north.service)
    with enter(stage.space.ref), connection.cursor() as cursor:
        cursor.execute("delete from allauth_idp_oidc_token")
    assert stage.fired() == [{"fired": 1}]
    assert jobs_of(stage.root, made)[0]["organization"] == stage.north.id
    assert stage.root.delete(f"/v1/oauth-clients/{client.public_id}").status == 204
    stage.require_stopped(made, "gone")


def test_a_builder_with_a_session_in_the_console_has_schedules_in_the_environment(
    stage: Stage, world: World
) -> None:
    token = session_token(world.console, world.builders)
    there = Api(None, host=world.console.host).sending(
        x_session_token=token, packmule_environment=stage.space.name
    )
    made = each_minute(there)
    assert stage.fired() == [{"fired": 1}]
    assert jobs_of(stage.root, made)[0]["enqueued_by"]["id"] == world.builders.person
    promote(world.console, world.builders)
    seat = f"/v1/organizations/{world.builders.id}/members/{world.builders.membership}"
    assert Api(world.console.root_key).delete(seat).status == 204
    stage.require_stopped(made, "gone")


def test_a_builder_of_the_console_has_schedules_in_the_environment(
    stage: Stage, api: Api, world: World
) -> None:
    builder = api.using(world.builders.person_key).sending(packmule_environment=stage.space.name)
    made = each_minute(builder)
    assert stage.fired() == [{"fired": 1}]
    assert jobs_of(stage.root, made)[0]["enqueued_by"]["id"] == world.builders.person
    with enter(world.console.ref):
        Membership.objects.filter(pk=decode(world.builders.membership, "mem")).delete()
    assert stage.fired() == [{"fired": 0}]
    assert stage.row(made)["stopped_because"]


def test_who_may_make_schedules_and_not_enqueue_makes_none(stage: Stage, api: Api) -> None:
    narrow = api.using(key_of(stage.space, stage.north.person, ("schedules:*",)))
    refused = narrow.post("/v1/schedules", {"name": "x", "kind": "x", "every_seconds": 60})
    assert (refused.status, refused.code) == (403, "scope_missing")
    made = each_minute(api.using(stage.north.person_key))
    path = f"/v1/schedules/{made['id']}"
    assert narrow.patch(path, {"payload": {}}).code == "scope_missing"
    assert narrow.post(f"{path}/run").code == "scope_missing"
    assert narrow.post(f"{path}/pause").status == 200
    assert narrow.post(f"{path}/resume").code == "scope_missing"
    assert stage.row(made)["paused"] is True
    viewer = api.using(stage.north.viewer_key)
    assert viewer.get(path).status == 200
    assert viewer.post(f"{path}/resume").code == "role_missing"


def test_whoever_changes_it_lends_it_their_own_name(stage: Stage, api: Api) -> None:
    _, secret = joined(stage.space, stage.north, "other@north.test", "owner")
    made = each_minute(api.using(stage.north.person_key))
    changed = api.using(secret).patch(f"/v1/schedules/{made['id']}", {"payload": {"mine": True}})
    assert changed["created_by"]["id"] == stage.north.person
    assert changed["acts_as"]["id"] not in (stage.north.person, None)
    assert stage.fired() == [{"fired": 1}]
    assert jobs_of(stage.root, made)[0]["enqueued_by"]["id"] == changed["acts_as"]["id"]


def test_nothing_of_it_opens_anything(stage: Stage, api: Api) -> None:
    made = each_minute(api.using(stage.north.person_key))
    with enter(stage.space.ref):
        row = Schedule.objects.get(pk=decode(made["id"], "sch"))
    assert stage.north.person_key.rpartition("_")[2] not in str(vars(row))
    assert "standing" not in made.body
