"""Ending a delegation while it is being passed on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connections, transaction

from apps.accounts.models import ServiceAccount
from apps.apikeys.delegations.models import Delegation
from apps.core import clock
from apps.core.ids import decode
from apps.core.strictjson import timestamp
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.scratch import Scratch, scratch_tenant, wait_until_somebody_waits
from tests.world import World


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    with scratch_tenant() as made:
        yield made


def test_what_is_passed_on_meanwhile_ends_too(scratch: Scratch) -> None:
    """Whoever passes it on holds its lock; who ends it waits for that, and finds what was passed on afterwards."""
    root = Api(scratch.key)
    worker: Any = root.post("/v1/service-accounts", {"name": "worker", "role": "owner"})
    end = timestamp(clock.now() + timedelta(days=1))
    given: Any = root.post(
        "/v1/delegations", {"actor": worker["id"], "scopes": ["agents:read"], "expires_at": end}
    )
    answers: list[Answer] = []

    def end_it() -> None:
        answers.append(root.delete(f"/v1/delegations/{given['id']}"))
        connections.close_all()

    with enter(scratch.ref), transaction.atomic():
        parent = Delegation.objects.select_for_update().get(pk=decode(given["id"], "dlg"))
        thread = Thread(target=end_it)
        thread.start()
        wait_until_somebody_waits()
        child = _passed_on(parent)
    thread.join(20)
    assert [answer.status for answer in answers] == [204]
    assert root.get(f"/v1/delegations/{child.public_id}")["status"] == "revoked"


def _passed_on(parent: Delegation) -> Delegation:
    """What is written when the delegate passes it on."""
    other = ServiceAccount.objects.create(name="another", role="owner")
    child = Delegation(parent=parent, delegate_id=other.pk, delegate_name=other.name)
    for name in ("delegator_kind", "delegator_id", "delegator_name", "delegate_kind", "scopes"):
        setattr(child, name, getattr(parent, name))
    child.granted_at, child.expires_at = parent.granted_at, parent.expires_at
    child.save(force_insert=True)
    return child
