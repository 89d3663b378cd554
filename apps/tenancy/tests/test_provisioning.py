"""Tenants are made whole, claimed once, and gone when they are deleted."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier, Thread

import pytest
from django.db import connection, connections, transaction

from apps.core.problems import Conflict, Problem
from apps.tenancy import provisioning
from apps.tenancy.blueprint import is_behind
from apps.tenancy.inspection import inspect
from apps.tenancy.installation import install
from apps.tenancy.models import Blueprint, Domain, Tenant
from apps.tenancy.owner import drop_schema, owner
from apps.tenancy.walls import enter, outside, registry, tenant_role
from tests.client import Api
from tests.fixtures import SPARES
from tests.world import World


def schemas() -> set[str]:
    """The tenants' schemas that are really there."""
    with owner().cursor() as cursor:
        cursor.execute(
            "select nspname from pg_namespace where nspname like 't\\_%%' and nspname not like '%%template%%'"
        )
        return {name for (name,) in cursor.fetchall()}


@pytest.fixture
def tidy(committing: World) -> Iterator[World]:
    """The world for tests that commit tenants; what they made beyond it is dropped."""
    before = set(Tenant.objects.values_list("pk", flat=True))
    yield committing
    for tenant in Tenant.objects.exclude(pk__in=before):
        with registry():
            tenant.delete()
        drop_schema(tenant.schema_name)
    for _ in range(SPARES - Tenant.objects.spare("environment").count()):
        provisioning.build_spare("environment")


def test_claiming_takes_a_spare_and_gives_it_a_name_and_a_host(world: World) -> None:
    spares = Tenant.objects.spare("environment").count()

    tenant = provisioning.claim(
        "environment", "oak/production", protected=True, host="production--oak.localhost"
    )

    assert Tenant.objects.spare("environment").count() == spares - 1
    assert (tenant.name, tenant.state, tenant.protected) == ("oak/production", "active", True)
    assert Domain.objects.get(domain="production--oak.localhost").tenant_id == tenant.id
    [finding] = inspect([tenant])
    assert (finding.status, finding.problems) == ("current", [])


def test_a_name_is_given_once(world: World) -> None:
    with pytest.raises(Conflict) as refusal:
        provisioning.claim("environment", "acorn/production")

    assert refusal.value.code == "tenant_exists"


def test_an_operation_that_fails_leaves_the_spare(world: World) -> None:
    before = set(Tenant.objects.spare("environment").values_list("pk", flat=True))

    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012 - the failure comes after the claim
        provisioning.claim("environment", "oak/production")
        raise ZeroDivisionError

    assert set(Tenant.objects.spare("environment").values_list("pk", flat=True)) == before
    assert Tenant.objects.named("oak/production") is None


def test_two_calls_never_get_the_same_tenant_from_an_empty_pool(tidy: World) -> None:
    for spare in Tenant.objects.spare("environment"):
        provisioning._drop_spare(spare)
    start, claimed = Barrier(3), []

    def claim(name: str) -> None:
        start.wait()
        claimed.append(provisioning.claim("environment", name).pk)
        connections.close_all()

    threads = [Thread(target=claim, args=(f"race/e{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == len(set(claimed)) == 3


def test_refilling_replaces_spares_that_are_out_of_date(tidy: World, settings: object) -> None:
    old = Tenant.objects.spare("environment").order_by("id")[0]
    with registry():
        Tenant.objects.filter(pk=old.pk).update(fingerprint="older code")

    provisioning.refill_pool()

    assert not Tenant.objects.filter(pk=old.pk).exists()
    assert old.schema_name not in schemas()
    with owner().cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_roles where rolname like %s", [f"{tenant_role(old.schema_name)}%"]
        )
        assert cursor.fetchone() == (0,)
    assert all(not is_behind(spare) for spare in Tenant.objects.spare("environment"))


def test_refilling_is_no_part_of_a_transaction(world: World) -> None:
    with pytest.raises(RuntimeError):
        provisioning.refill_pool()


def test_an_installation_that_was_not_prepared_says_so(world: World) -> None:
    with registry():
        Blueprint.objects.filter(kind="environment").update(fingerprint="older code")

    assert not Blueprint.objects.filter(fingerprint="older code", kind="console").exists()
    with pytest.raises(Problem) as refusal, transaction.atomic():
        provisioning.require_blueprint("environment")

    assert (refusal.value.code, refusal.value.status) == ("not_prepared", 503)


def test_a_tenant_that_is_behind_is_not_served(world: World, api: Api) -> None:
    with registry():
        Tenant.objects.filter(name="acorn/production").update(fingerprint="older code")

    refused = api.using(world.acorn.root_key).get("/v1/whoami")

    assert (refused.status, refused.code) == (503, "tenant_behind")
    assert refused["remedy"]["command"] == "manage.py prepare"
    assert api.using(world.birch.root_key).get("/v1/whoami").status == 200


def test_preparing_brings_a_tenant_up_to_date(tidy: World) -> None:
    tenant = Tenant.objects.get(name="birch/production")
    with owner().cursor() as cursor:
        cursor.execute(f'alter table "{tenant.schema_name}".orgs_membership disable row level security')
    assert inspect([tenant])[0].status == "damaged"
    with registry():
        Tenant.objects.filter(pk=tenant.pk).update(fingerprint="older code")

    said: list[str] = []
    install(said.append)

    assert "tenant birch/production: bringing it up to date" in said
    tenant = Tenant.objects.get(pk=tenant.pk)
    assert inspect([tenant])[0].status == "current"


def test_a_deleted_tenant_is_out_of_service(world: World, api: Api) -> None:
    with outside():
        tenant = Tenant.objects.get(name="acorn/production")
    provisioning.soft_delete(tenant)

    assert api.using(world.acorn.root_key).get("/v1/whoami").code == "tenant_deleted"
    assert api.on(world.acorn.host).get("/v1/whoami").code == "host_refused"
    with enter(tenant), connection.cursor() as cursor:
        cursor.execute("select count(*) from orgs_organization")
        assert cursor.fetchone() == (2,), "its data stays"


def test_the_console_stays(world: World) -> None:
    with pytest.raises(Conflict), outside():
        provisioning.soft_delete(Tenant.objects.get(name="console"))
