"""Where a connection stands, whatever happens to it: rollbacks, errors, reconnects, threads, and a killed backend."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.orgs.models import Organization
from apps.tenancy.inspection import inspect
from apps.tenancy.models import Tenant
from apps.tenancy.owner import drop_schema, owner_transaction
from apps.tenancy.provisioning import build_spare
from apps.tenancy.walls import (
    NO_ORGANIZATION,
    current_schema,
    enter,
    organization_role,
    outside,
    registry,
    registry_role,
    tenant_role,
    within,
)
from tests.client import Api
from tests.test_walls import sql
from tests.world import Space, World

State = tuple[str, str, str]


def here() -> State:
    """Path, role and organization, as the server has them for the next statement of this connection."""
    (found,) = sql(
        "select current_setting('search_path'), current_user::text, current_setting('app.org', true)"
    )
    path, role, organization = found
    return str(path).strip('"'), str(role), organization or ""


def nowhere() -> State:
    """The state outside of every tenant: the login itself, with no path."""
    return "", str(connections["default"].settings_dict["USER"]), ""


def standing(space: Space, party: str = "") -> State:
    """The state inside a tenant, as its own role or in one of its organizations."""
    schema = space.ref.schema_name
    if not party:
        return schema, tenant_role(schema), ""
    return schema, organization_role(schema), str(space.parties[party].uuid)


# Any sequence at all.


@dataclass(frozen=True)
class Step:
    """Something done to the connection, around other steps. `fails` leaves it by an exception."""

    kind: str
    inside: tuple[Step, ...] = ()
    fails: bool = False


_PLACES = ("acorn", "birch", "acorn/north", "acorn/south", "birch/north", "nothing", "outside", "registry")
_steps = st.recursive(
    st.sampled_from([Step("look"), Step("break"), Step("swallow"), Step("close")]),
    lambda children: st.builds(
        Step,
        st.sampled_from([*_PLACES, "transaction", "undone"]),
        st.lists(children, max_size=4).map(tuple),
        st.booleans(),
    ),
    max_leaves=14,
)


class _LeftError(Exception):
    """Leaves a step by an exception."""


class _Walk:
    """Carries steps out and looks, after each, whether the server has what should stand."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.expected = nowhere()

    def go(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            before = self.expected
            with suppress(_LeftError):
                self._take(step)
            self.expected = before
            self._look()

    def _take(self, step: Step) -> None:
        if step.kind in ("break", "swallow"):
            self._break(told=step.kind == "break")
        elif step.kind == "close" and not connection.in_atomic_block:
            connection.close()
        elif step.kind in ("transaction", "undone"):
            with transaction.atomic():
                self._inside(step)
                transaction.set_rollback(step.kind == "undone")
        elif step.kind in _PLACES:
            with self._enter(step.kind):
                self._inside(step)

    def _inside(self, step: Step) -> None:
        self._look()
        self.go(step.inside)
        if step.fails:
            raise _LeftError

    def _enter(self, place: str) -> Any:
        if place == "outside":
            self.expected = nowhere()
            return outside()
        if place == "registry":
            self.expected = ("", registry_role(), "")
            return registry()
        title, _, party = ("acorn", "", "") if place == "nothing" else place.partition("/")
        space: Space = getattr(self.world, title)
        self.expected = standing(space, party)
        if place == "nothing":
            schema = space.ref.schema_name
            self.expected = (schema, organization_role(schema), "")
            return enter(space.ref, NO_ORGANIZATION)
        return enter(space.ref, space.parties[party].uuid if party else None)

    def _break(self, *, told: bool) -> None:
        """Fail a statement, try to move elsewhere in the failed transaction, and undo it, or (not `told`) commit it."""
        with suppress(DatabaseError, _LeftError), transaction.atomic():
            self._look()
            with suppress(DatabaseError):
                sql("select 1 / 0")
            with enter(self.world.birch.ref), pytest.raises(DatabaseError):
                sql("select 1")
            if told:
                raise _LeftError

    def _look(self) -> None:
        assert here() == self.expected


@given(steps=st.lists(_steps, max_size=4).map(tuple))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_stands_where_it_should_after_any_sequence(committing: World, steps: tuple[Step, ...]) -> None:
    _Walk(committing).go(steps)
    assert here() == nowhere()


# The sequences that went wrong elsewhere, one by one.


def test_a_rollback_forgets_nothing_and_brings_nothing_back(committing: World) -> None:
    """Sessions settings made in a transaction that is undone are undone too, to those of an earlier tenant."""
    with enter(committing.acorn.ref):
        assert here() == standing(committing.acorn)
        with suppress(ZeroDivisionError), transaction.atomic(), enter(committing.birch.ref):
            assert here() == standing(committing.birch)
            raise ZeroDivisionError
        assert here() == standing(committing.acorn)
    assert here() == nowhere()


def test_a_savepoint_that_is_undone_neither(committing: World) -> None:
    north = committing.acorn.parties["north"].uuid
    with transaction.atomic(), enter(committing.acorn.ref):
        assert here() == standing(committing.acorn)
        with suppress(ZeroDivisionError), transaction.atomic(), within(north):
            assert here() == standing(committing.acorn, "north")
            raise ZeroDivisionError
        assert here() == standing(committing.acorn)
        assert Organization.objects.count() == 2


def test_a_failed_transaction_that_is_committed_brings_nothing_back(committing: World) -> None:
    """PostgreSQL answers that COMMIT with a rollback, and with it the state before the transaction comes back."""
    with enter(committing.birch.ref):
        assert here() == standing(committing.birch)
    with enter(committing.acorn.ref):
        with transaction.atomic(), suppress(DatabaseError):
            sql("select no_such_column")
        assert here() == standing(committing.acorn)


def test_a_switch_in_an_aborted_transaction_waits_for_its_end(committing: World) -> None:
    with enter(committing.acorn.ref):
        with pytest.raises(DatabaseError), transaction.atomic():
            sql("select no_such_column")
        with suppress(DatabaseError), transaction.atomic():
            with suppress(DatabaseError):
                sql("select no_such_column")
            with enter(committing.birch.ref), pytest.raises(DatabaseError):
                Organization.objects.count()
        assert here() == standing(committing.acorn)
    with enter(committing.birch.ref):
        assert here() == standing(committing.birch)


def test_closing_the_connection_keeps_where_it_stands(committing: World) -> None:
    north = committing.acorn.parties["north"]
    with enter(committing.acorn.ref, north.uuid):
        connection.close()
        assert here() == standing(committing.acorn, "north")
        assert [one.slug for one in Organization.objects.all()] == ["north"]
    assert here() == nowhere()


def test_nested_steps_into_the_registry_come_back(committing: World) -> None:
    north = committing.acorn.parties["north"].uuid
    with enter(committing.acorn.ref, north), registry():
        assert here() == ("", registry_role(), "")
        with registry():
            assert here() == ("", registry_role(), "")
            with enter(committing.birch.ref):
                assert here() == standing(committing.birch)
            assert here() == ("", registry_role(), "")
        with pytest.raises(RuntimeError, match="needs a tenant"), within(north):
            pass
    assert here() == nowhere()


def test_a_generator_that_is_left_halfway_comes_back_when_it_ends(committing: World) -> None:
    def slugs() -> Iterator[str]:
        with enter(committing.acorn.ref):
            yield from Organization.objects.values_list("slug", flat=True)

    halfway = slugs()
    next(halfway)
    assert here() == standing(committing.acorn)
    halfway.close()  # type: ignore[attr-defined]
    assert here() == nowhere()


def test_a_call_never_begins_where_another_stopped(committing: World, api: Api) -> None:
    """Whatever was left standing, the edge begins outside, and each call is served where its key is of."""
    left = enter(committing.acorn.ref)
    left.__enter__()
    try:
        answer = api.using(committing.birch.root_key).get("/v1/whoami")
        assert (answer.status, answer["tenant"]) == (200, "birch/production")
        assert api.get("/v1/organizations").status == 401
    finally:
        left.__exit__(None, None, None)
    assert here() == nowhere()


def test_two_threads_in_two_tenants_each_see_their_own(committing: World) -> None:
    """Twenty rounds side by side, switching between both organizations, through rollbacks."""
    meet, found = threading.Barrier(2, timeout=20), dict[str, set[Any]]()

    def work(title: str) -> None:
        space: Space = getattr(committing, title)
        seen = found.setdefault(title, set())
        try:
            for _ in range(20):
                meet.wait()
                for party in ("north", "south"):
                    stand = enter(space.ref, space.parties[party].uuid)
                    with stand, suppress(ZeroDivisionError), transaction.atomic():
                        seen.add((current_schema(), here() == standing(space, party)))
                        seen.add(tuple(Organization.objects.values_list("slug", flat=True)))
                        raise ZeroDivisionError
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=[title]) for title in ("acorn", "birch")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for title in ("acorn", "birch"):
        schema = getattr(committing, title).ref.schema_name
        assert found[title] == {(schema, True), ("north",), ("south",)}


def test_a_killed_backend_costs_no_call_and_leaves_no_state(committing: World, api: Api) -> None:
    client = api.using(committing.acorn.root_key)
    with enter(committing.birch.ref):
        assert here() == standing(committing.birch)
    _kill_backend()
    assert client.get("/v1/organizations").status == 200
    with enter(committing.acorn.ref):
        here()
        _kill_backend()
        with pytest.raises(DatabaseError):
            here()
        connection.close_if_unusable_or_obsolete()
        assert here() == standing(committing.acorn)
    assert here() == nowhere()


def _kill_backend() -> None:
    """End this connection's backend from another connection, as an operator or a crash would."""
    ((pid,),) = sql("select pg_backend_pid()")
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("select pg_terminate_backend(%s, 5000)", [pid])


# What a tenant is made of.


def test_every_tenant_of_the_world_is_complete(committing: World) -> None:
    with outside():
        tenants = list(Tenant.objects.all())
    assert {tenant.name for tenant in tenants} >= {"console", "acorn/production", "birch/production"}
    assert [(found.tenant.name, found.status, found.problems) for found in inspect(tenants)] == [
        (tenant.name, "current", []) for tenant in tenants
    ]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("drop table orgs_teammember", "table orgs_teammember is missing"),
        ("alter table accounts_agent drop column purpose", "column accounts_agent.purpose is missing"),
        (
            "alter table accounts_agent add column extra int",
            "column accounts_agent.extra belongs to no field",
        ),
        ("create table extra (id int)", "table extra belongs to no model"),
        ("alter table apikeys_key disable row level security", "apikeys_key has lost the wall"),
        ("drop policy organization_wall on apikeys_key", "apikeys_key has lost the wall"),
        pytest.param(
            "alter policy organization_wall on apikeys_key using (true)",
            "apikeys_key has lost the wall",
        ),
        pytest.param(
            "grant update on audit_event to {org}",
            "audit_event",
        ),
        (
            "grant update (is_operator) on accounts_user to {org}",
            "table accounts_user gives other rights than it should",
        ),
    ],
)
def test_inspection_finds_what_was_damaged(spare: Tenant, damage: str, problem: str) -> None:
    with owner_transaction(spare.schema_name) as cursor:
        cursor.execute(damage.format(org=f'"{organization_role(spare.schema_name)}"'))
    (found,) = inspect([spare])
    assert found.status == "damaged"
    assert any(problem in said for said in found.problems), found.problems


@pytest.fixture
def spare(committing: World) -> Iterator[Tenant]:
    """A tenant that nobody has claimed, for damaging; gone after the test."""
    made = build_spare("environment")
    assert inspect([made])[0].problems == []
    yield made
    with registry():
        Tenant.objects.filter(pk=made.pk).delete()
    drop_schema(made.schema_name)
