"""What a migration does to rows that were there before it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.core.management.commands.migrate import Command as MigrateCommand

from apps.core.ids import encode
from apps.storage.models import Usage
from apps.storage.tests.parcels import PNG, announce, arrive
from apps.tenancy.blueprint import migrate_schema
from apps.tenancy.owner import owner
from apps.tenancy.walls import enter
from tests.client import Api
from tests.scratch import Scratch, scratch_tenant
from tests.world import World

SIZE = len(PNG)


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    with scratch_tenant() as made:
        assert Api(made.key).post("/v1/buckets", {"name": "photos"}).status == 201
        yield made


def go_back(scratch: Scratch, migration: str) -> None:
    """Undo what came after `migration` of this room."""
    connection = owner()
    before = connection.wall
    connection.set_tenant(
        SimpleNamespace(schema_name=scratch.ref.schema_name, get_tenant_type=lambda: "environment")
    )
    try:
        call_command(MigrateCommand(), "storage", migration, database="owner", verbosity=0)
    finally:
        connection.stand_in(before)


def test_uploads_that_were_open_before_anything_was_reserved_are_counted(scratch: Scratch) -> None:
    api, organization = Api(scratch.key), encode("org", scratch.organization.pk)
    done, *_ = [announce(api) for _ in range(3)]
    arrive(scratch, done["id"], PNG)  # type: ignore[arg-type] # all that it needs is `ref`
    assert api.post(f"/v1/files/{done['id']}/complete").status == 200
    made = announce(api, organization=organization)
    with enter(scratch.ref):
        # Before, an organization that had stored nothing had no row.
        Usage.objects.filter(organization=scratch.organization).delete()
    go_back(scratch, "0003")
    migrate_schema(scratch.ref.schema_name, "environment")
    with enter(scratch.ref):
        rows = Usage.objects.in_order().values_list("bytes", "files", "reserved_bytes", "open_uploads")
        assert list(rows) == [(SIZE, 1, 2 * SIZE, 2), (0, 0, SIZE, 1)]
    arrive(scratch, made["id"], PNG)  # type: ignore[arg-type] # all that it needs is `ref`
    assert api.post(f"/v1/files/{made['id']}/complete")["status"] == "ready"
