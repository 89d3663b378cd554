"""A tenant of one test's own, for what really commits: threads, and what another connection has to see."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Barrier, Thread
from typing import TypeVar

from django.db import connections

from apps.accounts.models import ServiceAccount
from apps.apikeys.minting import mint
from apps.apikeys.models import KeyKind
from apps.core import clock
from apps.core.actor import TenantRef
from apps.core.ids import uuid7
from apps.core.scopes import Scopes
from apps.orgs.models import Organization
from apps.tenancy.models import Tenant
from apps.tenancy.owner import drop_schema
from apps.tenancy.provisioning import build_spare
from apps.tenancy.walls import enter, registry

T = TypeVar("T")


@dataclass(frozen=True)
class Scratch:
    """A tenant with one organization and a key of the tenant as a whole."""

    ref: TenantRef
    key: str
    organization: Organization


@contextmanager
def scratch_tenant() -> Iterator[Scratch]:
    """Make a tenant, committed, and take everything of it away again."""
    tenant = build_spare("environment")
    with registry():
        name = f"scratch/{str(uuid7())[-12:]}"
        Tenant.objects.filter(pk=tenant.pk).update(name=name, state="active")
    tenant.name = name
    try:
        yield _furnished(tenant.ref)
    finally:
        with registry():
            Tenant.objects.filter(pk=tenant.pk).delete()
        connections.close_all()
        drop_schema(tenant.schema_name)


def _furnished(ref: TenantRef) -> Scratch:
    with enter(ref):
        minted = mint(
            tenant=ref,
            principal=ServiceAccount.objects.create(name="root", role="owner"),
            kind=KeyKind.SECRET,
            name="root",
            scopes=Scopes.everything(),
            expires_at=clock.now() + timedelta(days=90),
            minter=None,
        )
        return Scratch(ref, minted.secret, Organization.objects.create(slug="first", name="First"))


def wait_until_somebody_waits() -> None:
    """Go on as soon as one connection waits for a lock that another holds; AssertionError after ten seconds."""
    deadline = time.monotonic() + 10
    waiting = "select count(*) from pg_locks where not granted"
    while time.monotonic() < deadline:
        with connections["default"].cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waited")


def begun(call: Callable[[], object]) -> Thread:
    """A thread that does `call` with connections of its own; to be joined."""

    def run() -> None:
        try:
            call()
        finally:
            connections.close_all()

    made = Thread(target=run)
    made.start()
    return made


def at_once(works: Sequence[Callable[[], T]]) -> list[T]:
    """Begin all of `works` at the same moment, each in a thread with connections of its own; what they return."""
    meet, found = Barrier(len(works), timeout=20), dict[int, T]()

    def run(number: int, work: Callable[[], T]) -> None:
        try:
            meet.wait()
            found[number] = work()
        finally:
            connections.close_all()

    threads = [Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == len(works), "a thread failed; its traceback is above"
    return [found[number] for number in range(len(works))]
