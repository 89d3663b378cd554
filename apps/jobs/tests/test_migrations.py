"""What migrations do to rows that are there."""

from __future__ import annotations

from importlib import import_module

from django.db import connection

from apps.jobs.registry import Lane
from apps.tenancy.walls import registry
from tests.world import World


def test_lanes_that_were_there_are_marked_by_where_their_jobs_go(world: World) -> None:
    statement = import_module("apps.jobs.migrations.0005_outgoing_lanes").MARK
    lanes = {
        "pushed": "platform",
        "packmule.webhooks": "platform",
        "packmule.schedules": "platform",
        "pulled": "client",
    }
    with registry():
        for queue, runner in lanes.items():
            Lane(schema_name="t_old", queue=queue, runner=runner).save(force_insert=True)
        with connection.cursor() as cursor:
            cursor.execute(statement)
        marked = Lane.objects.filter(schema_name="t_old", outgoing=True)
        assert set(marked.values_list("queue", flat=True)) == {"pushed", "packmule.webhooks"}
