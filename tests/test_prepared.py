"""A prepared statement looks its tables up where the connection stands now, not where it stood when it was prepared."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from apps.orgs.models import Organization
from apps.tenancy.walls import enter, outside
from tests.world import World

_PREPARED = "select count(*) from pg_prepared_statements where statement like '%%orgs_organization%%'"


def names() -> list[str]:
    return list(Organization.objects.order_by("slug").values_list("name", flat=True))


def prepared() -> int:
    with outside(), connection.cursor() as cursor:
        cursor.execute(_PREPARED)
        return int(cursor.fetchone()[0])


def test_the_login_prepares_what_it_repeats(world: World) -> None:
    with enter(world.acorn.ref):
        for _ in range(6):
            names()

    assert prepared() >= 1


def test_a_prepared_statement_reads_the_tenant_that_stands(world: World) -> None:
    with enter(world.birch.ref):
        Organization.objects.update(name="of birch")
    for _ in range(6):
        with enter(world.acorn.ref):
            assert "of birch" not in names()
        with enter(world.birch.ref):
            assert set(names()) == {"of birch"}

    assert prepared() >= 1


def test_a_prepared_statement_obeys_the_wall_between_organizations(world: World) -> None:
    for _ in range(6):
        assert _seen(world, world.acorn.parties["north"].uuid) == ["North"]
        assert _seen(world, world.acorn.parties["south"].uuid) == ["South"]
        assert _seen(world, None) == ["North", "South"]


def _seen(world: World, organization: UUID | None) -> list[str]:
    with enter(world.acorn.ref, organization):
        return names()
