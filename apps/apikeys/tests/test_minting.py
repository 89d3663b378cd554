"""Minting and revoking where two meet, and what the plain functions promise their callers."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from django.db import connections, transaction

from apps.apikeys.errors import KeyRevoked, OriginRefused
from apps.apikeys.minting import MintedKey, mint, revoke
from apps.apikeys.models import Key, KeyIndex, KeyKind
from apps.apikeys.resolver import actor_for_key
from apps.apikeys.tests.making import change_index, key_for, machine_key, service_of
from apps.core import clock
from apps.core.actor import Actor, Call, Edge, PrincipalKind, TenantRef
from apps.core.problems import NotFound
from apps.core.scopes import Scopes
from apps.tenancy.walls import current_schema, enter, registry
from tests.world import Space, World

CALL = Call("req_1", Edge.COMMAND)


def acting_with(secret: str) -> Actor:
    with actor_for_key(secret, CALL) as actor:
        return actor


def test_a_key_acts_without_a_server(world: World) -> None:
    with actor_for_key(world.builders.agent_key, CALL, environment="acorn/production") as actor:
        assert current_schema() == world.acorn.ref.schema_name
        assert (actor.tenant.name, actor.home.name) == ("acorn/production", "console")
        assert actor.owner is not None
        assert actor.owner.kind is PrincipalKind.USER
    assert current_schema() == ""
    with pytest.raises(NotFound), actor_for_key(world.rivals.agent_key, CALL, environment="acorn/production"):
        pass


def test_an_organization_can_be_named_without_a_server(world: World) -> None:
    north = world.acorn.parties["north"]
    with actor_for_key(world.acorn.root_key, CALL, organization=north.id) as actor:
        assert actor.organization is not None
        assert actor.organization.slug == "north"


def test_minting_elsewhere_than_where_one_stands_is_a_mistake(world: World) -> None:
    principal = service_of(world.acorn)
    with enter(world.birch.ref), pytest.raises(RuntimeError):
        mint(
            tenant=world.acorn.ref,
            principal=principal,
            kind=KeyKind.SECRET,
            name="x",
            scopes=Scopes.everything(),
            expires_at=clock.now() + timedelta(days=1),
            minter=None,
        )


def test_every_origin_is_taken_only_where_nothing_is_protected(world: World) -> None:
    with pytest.raises(OriginRefused):
        key_for(world.acorn, service_of(world.acorn), KeyKind.PUBLISHABLE, allowed_origins=["*"])
    open_one = TenantRef(
        world.acorn.ref.id, world.acorn.name, world.acorn.ref.schema_name, "environment", False
    )
    made = key_for(
        Space(open_one, world.acorn.host), service_of(world.acorn), KeyKind.PUBLISHABLE, allowed_origins=["*"]
    )

    assert made.key.index.allowed_origins == ["*"]
    assert made.secret.startswith("pmk_test_pk_")


def test_a_dead_key_mints_nothing(world: World) -> None:
    made = machine_key(world.console, world.builders)
    actor = acting_with(made.secret)
    change_index(made.key, revoked_at=clock.now())

    with pytest.raises(KeyRevoked):
        machine_key(world.console, world.builders, minter=actor)


def test_a_minted_key_keeps_its_secret_out_of_its_name(world: World) -> None:
    made = machine_key(world.console, world.builders)

    assert made.secret not in repr(made)
    assert made.secret not in str(vars(made.key))
    stored = KeyIndex.objects.get(pk=made.key.pk)
    assert made.secret.encode() not in bytes(stored.digest)


def test_revoking_needs_no_rows_of_tenants(world: World) -> None:
    made = machine_key(world.acorn)
    with enter(world.acorn.ref):
        Key.objects.filter(pk=made.key.pk).delete()

    assert revoke([made.key.pk]) == 1
    assert revoke([made.key.pk]) == 0
    assert revoke([]) == 0


def test_a_key_in_the_making_falls_with_its_minter(committing: World) -> None:
    """Revocation waits for a minting that has begun, and then takes its key too."""
    minter = machine_key(committing.console, committing.builders)
    actor = acting_with(minter.secret)
    begun, go_on = Event(), Event()
    made: list[MintedKey] = []

    def mint_slowly() -> None:
        try:
            with transaction.atomic():
                made.append(machine_key(committing.console, committing.builders, minter=actor))
                begun.set()
                go_on.wait(10)
        finally:
            connections.close_all()

    def revoke_meanwhile() -> int:
        try:
            return revoke([minter.key.pk])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        minting: Future[None] = pool.submit(mint_slowly)
        assert begun.wait(10)
        revoking = pool.submit(revoke_meanwhile)
        with pytest.raises(TimeoutError):
            revoking.result(timeout=0.3)
        go_on.set()
        minting.result(10)
        assert revoking.result(10) == 2

    assert not KeyIndex.objects.get(pk=made[0].key.pk).is_alive
    _forget(committing, [minter, *made])


def _forget(world: World, keys: list[MintedKey]) -> None:
    ids = [minted.key.pk for minted in keys]
    with enter(world.console.ref):
        Key.objects.filter(pk__in=ids).delete()
    with registry():
        KeyIndex.objects.filter(pk__in=ids).delete()
