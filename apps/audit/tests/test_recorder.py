"""Recording: one transaction with the change, behind the walls, and never altered afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import auditlog.registry
import pytest
from auditlog import receivers
from django.db import connection, transaction
from django.db.models.signals import post_delete, post_save, pre_save
from django.db.utils import ProgrammingError
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import Agent, User
from apps.audit import recorder
from apps.audit.changes import MAX_CHANGES, collecting, current_collector
from apps.audit.models import Event, Touch
from apps.audit.tracked import tenant_models
from apps.audit.tracking import is_tracked, track
from apps.core import operations
from apps.core.actor import (
    Actor,
    Call,
    Credential,
    Edge,
    OrganizationRef,
    PrincipalKind,
    PrincipalRef,
    system_actor,
)
from apps.core.ids import uuid7
from apps.core.operations import Operation, Risk
from apps.core.scopes import Scope, Scopes
from apps.orgs.models import Membership, Organization
from apps.tenancy import walls
from tests.world import Space, World

CALL = Call("req_test", Edge.API, ip="192.0.2.1", reason="because")


def does(function: Callable[..., Any], risk: Risk = Risk.WRITE) -> Operation[..., Any]:
    """`function` as an operation that is in no registry."""
    return Operation("samples.act", Scope.parse("samples:write"), risk, function)


def person(space: Space, slug: str | None = None) -> Actor:
    """The owner of the organization `slug`, or somebody in none."""
    party = space.parties[slug] if slug else None
    organization = OrganizationRef(party.uuid, party.slug) if party else None
    who = PrincipalRef(PrincipalKind.USER, uuid7(), "Pat")
    return Actor(
        who,
        space.ref,
        space.ref,
        Credential(None, "session", Scopes.everything()),
        CALL,
        "owner",
        organization,
    )


@pytest.fixture
def space(world: World) -> Space:
    return world.acorn


@pytest.fixture
def system(space: Space) -> Iterator[Actor]:
    """The platform itself, standing in acorn."""
    with walls.enter(space.ref):
        yield system_actor(space.ref, CALL)


def rename(actor: Actor, *, slug: str, name: str) -> Organization:
    found = Organization.objects.get(slug=slug)
    return Organization.locked(Organization.objects.all(), found.pk, None).apply({"name": name})


def test_an_exception_after_the_change_leaves_neither_change_nor_event(system: Actor) -> None:
    def fail(actor: Actor) -> None:
        rename(actor, slug="north", name="Changed")
        raise LookupError

    before = Event.objects.count()
    with pytest.raises(LookupError):
        does(fail)(system)
    assert Event.objects.count() == before
    assert Organization.objects.get(slug="north").name == "North"
    assert current_collector() is None


def test_an_event_that_cannot_be_written_undoes_the_change(
    system: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no room for the trail")

    monkeypatch.setattr(Event, "save", refuse)
    with pytest.raises(OSError, match="no room"):
        does(rename)(system, slug="north", name="Changed")
    assert Organization.objects.get(slug="north").name == "North"


def test_what_a_savepoint_took_back_is_not_told(system: Actor) -> None:
    def half(actor: Actor) -> None:
        rename(actor, slug="south", name="Kept")
        try:
            with transaction.atomic():
                rename(actor, slug="north", name="Taken back")
                raise LookupError  # noqa: TRY301
        except LookupError:
            pass

    does(half)(system)
    told = str(Event.objects.latest("id").changes)
    assert "Kept" in told
    assert "Taken back" not in told


def test_an_inner_collector_does_not_end_the_outer_one(system: Actor) -> None:
    def outer(actor: Actor) -> Organization:
        with collecting():
            rename(actor, slug="south", name="Inner")
        return rename(actor, slug="north", name="Outer")

    does(outer)(system)
    told = str(Event.objects.latest("id").changes)
    assert "Outer" in told
    assert "Inner" not in told


def test_the_circumstances_are_told(system: Actor) -> None:
    does(rename)(system, slug="north", name="Changed")
    event = Event.objects.latest("id")
    assert (event.actor_kind, event.actor_id, event.request_id) == ("system", None, "req_test")
    assert (event.ip, event.reason, event.edge, event.risk) == ("192.0.2.1", "because", "api", "write")


@pytest.mark.parametrize("model", [Event, Touch])
@pytest.mark.parametrize("as_organization", [False, True])
def test_nobody_alters_the_trail(space: Space, system: Actor, model: Any, as_organization: bool) -> None:
    party = space.parties["north"]
    does(make_key_like)(system, slug="north")
    assert model.objects.filter(organization_id=party.uuid).exists()
    with walls.enter(space.ref, party.uuid if as_organization else None):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            model.objects.update(request_id="x")
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            model.objects.all().delete()


def make_key_like(actor: Actor, *, slug: str) -> Organization:
    """Change two things, so that there is something to touch."""
    Agent.objects.get(name=f"{slug}'s agent").delete()
    return rename(actor, slug=slug, name="Changed")


def test_an_organization_sees_its_own_events_even_when_nobody_filters(space: Space, system: Actor) -> None:
    for slug in ("north", "south"):
        does(make_key_like)(system, slug=slug)
    south = space.parties["south"].uuid
    with walls.enter(space.ref, south):
        assert set(Event.objects.values_list("organization_id", flat=True)) == {south}
        assert set(Touch.objects.values_list("organization_id", flat=True)) == {south}
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            Touch.objects.create(resource_id="x", event_id=uuid7(), organization_id=None, request_id="r")


def test_who_creates_an_organization_while_in_none_is_told_in_the_new_one(space: Space) -> None:
    def create(actor: Actor) -> Organization:
        identity = uuid7()
        with walls.within(identity):
            return Organization.objects.create(id=identity, slug="west", name="West")

    actor = person(space)
    with walls.enter(space.ref, walls.NO_ORGANIZATION):
        made = does(create)(actor)
        assert not Event.objects.exists()
    with walls.enter(space.ref, made.id):
        assert Event.objects.get().organization == {"id": made.id, "slug": "west"}


def test_what_a_person_without_organization_does_to_themselves_belongs_to_the_tenant(space: Space) -> None:
    def act(actor: Actor) -> Any:
        # People are added and changed in the tenant's own role, as the operations about them do.
        with walls.whole_tenant():
            user = User.objects.get(email="stranger@nowhere.test")
            user.name = "Known"
            user.save()
        return user

    with walls.enter(space.ref, walls.NO_ORGANIZATION):
        does(act)(person(space))
    with walls.enter(space.ref):
        event = Event.objects.latest("id")
        assert event.organization is None
        assert event.changes[0]["fields"] == {"name": ["stranger", "Known"]}


def test_what_an_organizations_actor_does_is_written_where_it_stands(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = person(space, "north")
    monkeypatch.setattr(operations, "_recorders", [recorder.record])
    with walls.enter(space.ref, space.parties["north"].uuid):
        with CaptureQueriesContext(connection) as sent:
            does(rename)(actor, slug="north", name="Changed")
        assert Event.objects.latest("id").organization_slug == "north"
    assert len(sent) == 7  # savepoint, find, lock, row as it was, update, event, release


def test_recording_costs_two_statements_of_a_change(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    actor = person(space, "north")
    monkeypatch.setattr(operations, "_recorders", [recorder.record])
    with walls.enter(space.ref, space.parties["north"].uuid):
        with CaptureQueriesContext(connection) as recorded:
            does(rename)(actor, slug="north", name="One")
        monkeypatch.setattr(operations, "_recorders", [])
        with CaptureQueriesContext(connection) as bare:
            does(rename)(actor, slug="north", name="Two")
    assert len(recorded) - len(bare) == 2


def test_reading_costs_nothing(space: Space, system: Actor) -> None:
    with CaptureQueriesContext(connection) as sent:
        does(lambda _actor: list(Organization.objects.all()), Risk.READ)(system)
    assert len(sent) == 1


def test_passwords_are_masked_and_unwritten_fields_are_not_told(system: Actor) -> None:
    def act(actor: Actor) -> Any:
        user = User.objects.get(email="stranger@nowhere.test")
        user.set_password("a new and very long one")
        user.name = "never written"
        user.save(update_fields=["password"])
        return user

    does(act)(system)
    [change] = Event.objects.latest("id").changes
    assert change["fields"] == {"password": ["***", "***"]}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(secret=st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=16, max_size=60))
def test_no_secret_is_in_a_stored_event(system: Actor, secret: str) -> None:
    key = f"pmk_live_ag_{secret}"

    def act(actor: Actor) -> Agent:
        User.objects.create_user(f"{uuid7()}@a.test", secret, name=f"has {key}")
        return Agent.objects.create(
            name=f"holds {key}", purpose=f"{key}, {key}", owner_kind="user", owner_name=key
        )

    actor = replace(
        system, call=replace(CALL, reason=f"I found {key}"), principal=replace(system.principal, name=key)
    )
    does(act)(actor)
    stored = Event.objects.filter(pk=Event.objects.latest("id").pk).values().get()
    assert secret not in str(stored)
    assert stored["changes"][0]["fields"]["password"] == ["***", "***"]


@pytest.mark.parametrize(
    ("address", "kept"),
    [("192.0.2.7", "192.0.2.7"), ("fe80::1%eth0", "fe80::1"), ("unix:", None), ("", None), (None, None)],
)
def test_an_address_that_is_none_stops_nothing(system: Actor, address: str | None, kept: str | None) -> None:
    does(rename)(replace(system, call=replace(CALL, ip=address)), slug="north", name="Changed")
    assert Event.objects.latest("id").ip == kept


def test_references_are_ids_and_cost_no_query(space: Space, system: Actor) -> None:
    def act(actor: Actor) -> Membership:
        seat = Membership.objects.get(role="viewer", organization__slug="north")
        seat.role = "admin"
        seat.save()
        return seat

    with CaptureQueriesContext(connection) as sent:
        does(act)(system)
    assert not [one for one in sent if "accounts_user" in one["sql"]]
    party = space.parties["north"]

    def join(actor: Actor) -> Membership:
        user = User.objects.get(email="stranger@nowhere.test")
        return Membership.objects.create(organization_id=party.uuid, user=user)

    does(join)(system)
    event = Event.objects.latest("id")
    [change] = event.changes
    assert change["fields"]["user"] == [None, space.stranger]
    assert change["fields"]["organization"] == [None, party.id]
    assert Touch.objects.get(resource_id=space.stranger).event_id == event.id


def test_a_bulk_change_is_told_by_its_resource_alone(system: Actor) -> None:
    def act(actor: Actor) -> Organization:
        Organization.objects.filter(slug="north").update(name="Changed")
        return Organization.objects.get(slug="north")

    does(act)(system)
    event = Event.objects.latest("id")
    assert event.resource_name == "Changed"
    assert event.changes == []


def test_an_operation_that_changes_very_much_says_how_much(system: Actor) -> None:
    def act(actor: Actor) -> list[Organization]:
        return [Organization.objects.create(slug=f"x{n}", name="X") for n in range(MAX_CHANGES + 3)]

    does(act)(system)
    event = Event.objects.latest("id")
    assert event.changes[-1] == {"omitted": 3}
    assert event.resource_type == "organization"


def test_every_model_of_a_tenant_is_seen_or_named() -> None:
    assert [model for model in tenant_models() if not is_tracked(model)] == []
    assert not is_tracked(Event)


def test_a_model_without_a_public_id_cannot_be_tracked() -> None:
    with pytest.raises(TypeError, match="public id"):
        track(Touch)


def test_auditlogs_own_entries_are_never_written(space: Space, system: Actor) -> None:
    theirs = {receivers.log_create, receivers.log_update, receivers.log_delete}
    for signal in (pre_save, post_save, post_delete):
        listening = {found for _, found, *_ in signal.receivers}
        assert not {reference() for reference in listening if callable(reference)} & theirs
    assert auditlog.registry.auditlog.contains(Organization)
    assert "auditlog_logentry" not in connection.introspection.table_names()
