"""`manage.py standin_jobs`: enqueue the tests' own tasks."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.db import transaction

from apps.jobs.models import job_id
from apps.jobs.registry import Lane, Runner
from apps.tenancy.models import Tenant
from apps.tenancy.walls import enter, outside, registry
from tests.standins.jobs.tasks import QUEUE, TASKS


class Command(BaseCommand):
    """Enqueue jobs of one tenant, and print their ids as one line of JSON."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which, how many, and how long leases of the lane are."""
        parser.add_argument("tenant")
        parser.add_argument("kind", choices=sorted(TASKS))
        parser.add_argument("--count", type=int, default=1)
        parser.add_argument("--payload", type=json.loads, default={})
        parser.add_argument("--lease", type=int, default=4)

    def handle(self, *_: Any, **options: Any) -> None:
        """Enqueue them all in one transaction."""
        with outside():
            tenant = Tenant.objects.get(name=options["tenant"]).ref
        rules = {"runner": Runner.PLATFORM, "lease_seconds": options["lease"], "active": False}
        with registry():
            Lane.objects.get_or_create(schema_name=tenant.schema_name, queue=QUEUE, defaults=rules)
        wishes: list[tuple[Any, UUID | None]] = [(options["payload"], None)] * options["count"]
        with enter(tenant), transaction.atomic():
            jobs = TASKS[options["kind"]].enqueue_many(None, wishes)
        self.stdout.write(json.dumps([job_id(job) for job in jobs]))
