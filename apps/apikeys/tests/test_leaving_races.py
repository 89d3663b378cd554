"""Somebody is removed while they make something that would outlast them, in threads that commit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from threading import Event
from typing import Any, TypeVar

import pytest
from django.db import connections

from apps.accounts.models import Agent, ServiceAccount, User
from apps.apikeys.minting import MintedKey, mint
from apps.core import clock
from apps.core.strictjson import timestamp
from apps.orgs import hooks
from apps.orgs.models import Membership, Organization
from apps.tenancy.models import Domain, Tenant
from apps.tenancy.walls import enter, registry
from tests.client import Answer, Api
from tests.scratch import scratch_tenant
from tests.sessions import begin_session
from tests.world import Space, World

T = TypeVar("T")
EVERYTHING = {"name": "k", "scopes": ["*"]}
CLIENT = {"name": "Export", "grants": ["client_credentials"], "scopes": ["*"]}


@dataclass
class Scene:
    """An organization with an owner, and an admin who is about to be removed."""

    space: Space
    organization: Organization
    service: ServiceAccount
    agent: Agent
    owner: Api
    leaver: Api
    seat: str

    def remove(self) -> Answer:
        """The owner removes the admin."""
        return self.owner.delete(f"/v1/organizations/{self.organization.public_id}/members/{self.seat}")

    def let_in_again(self) -> None:
        """They come back, with none of what they had."""
        with enter(self.space.ref):
            person = User.objects.get(email="leaver@example.test")
            made = Membership.objects.create(organization=self.organization, user=person, role="admin")
        self.seat = made.public_id

    def mint(self) -> Answer:
        """The admin mints a key of the service account, which stays."""
        return self.leaver.post(f"/v1/service-accounts/{self.service.public_id}/keys", EVERYTHING)


@pytest.fixture
def scene(committing: World) -> Iterator[Scene]:
    """Take it all away afterwards."""
    with scratch_tenant() as scratch:
        host = f"{scratch.ref.schema_name.replace('_', '-')}.localhost"
        with registry():
            Domain.objects.create(domain=host, tenant=Tenant.objects.get(pk=scratch.ref.id))
        yield _furnished(Space(scratch.ref, host), scratch.organization)
        with registry():
            Domain.objects.filter(domain=host).delete()


def _furnished(space: Space, organization: Organization) -> Scene:
    with enter(space.ref):
        people = [User.objects.create_user(f"{name}@example.test") for name in ("owner", "leaver")]
        seats = [
            Membership.objects.create(organization=organization, user=user, role=role)
            for user, role in zip(people, ("owner", "admin"), strict=True)
        ]
        service = ServiceAccount.objects.create(name="backend", role="admin", organization=organization)
        owned = {"owner_kind": "user", "owner_id": people[0].pk, "owner_name": "owner"}
        agent = Agent.objects.create(name="helper", role="admin", organization=organization, **owned)
    ours, theirs = (
        Api(None, host=space.host).sending(x_session_token=begin_session(space, user)) for user in people
    )
    return Scene(space, organization, service, agent, ours, theirs, seats[1].public_id)


def attempts(scene: Scene) -> dict[str, Callable[[], Answer]]:
    """Everything that the admin could make and leave behind."""
    key = scene.owner.post(f"/v1/service-accounts/{scene.service.public_id}/keys", EVERYTHING)["id"]
    body = CLIENT | {"service_account": scene.service.public_id}
    client = f"/v1/oauth-clients/{scene.owner.post('/v1/oauth-clients', body)['id']}"
    end = timestamp(clock.now() + timedelta(days=1))
    given = {"actor": scene.agent.public_id, "scopes": ["users:read"], "expires_at": end}
    return {
        "mint": scene.mint,
        "rotate": lambda: scene.leaver.post(f"/v1/keys/{key}/rotate"),
        "register": lambda: scene.leaver.post("/v1/oauth-clients", body),
        "rotate-secret": lambda: scene.leaver.post(f"{client}/rotate-secret"),
        "update": lambda: scene.leaver.patch(client, {"scopes": ["users:read"]}),
        "delegate": lambda: scene.leaver.post("/v1/delegations", given),
    }


def _closing(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        connections.close_all()


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not is_so():
        time.sleep(0.01)


def _somebody_waits() -> bool:
    with connections["default"].cursor() as cursor:
        cursor.execute("select exists (select from pg_locks where not granted)")
        return bool(cursor.fetchone()[0])


def test_who_is_being_removed_makes_nothing_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for what, attempt in attempts(scene).items():
        with monkeypatch.context() as patch:
            assert during_a_removal(scene, patch, attempt).code == "not_a_member", what
        scene.let_in_again()


def during_a_removal(scene: Scene, patch: pytest.MonkeyPatch, attempt: Callable[[], Answer]) -> Answer:
    """The removal has ended all that it found and is not committed; the attempt that begins now has to wait for it."""
    tell, told, made = hooks.about_to_leave, Event(), Event()

    def tell_and_wait(member: Membership) -> None:
        tell(member)
        told.set()
        _until(lambda: made.is_set() or _somebody_waits())

    def make() -> Answer:
        assert told.wait(10)
        try:
            return attempt()
        finally:
            made.set()

    patch.setattr(hooks, "about_to_leave", tell_and_wait)
    with ThreadPoolExecutor(2) as pool:
        removing, making = pool.submit(_closing, scene.remove), pool.submit(_closing, make)
        assert removing.result(20).status == 204
        return making.result(20)


def test_what_they_have_begun_to_make_goes_with_them(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is written and not committed when the removal begins, which waits and then finds it."""
    written = Event()

    def mint_and_wait(**options: Any) -> MintedKey:
        made = mint(**options)
        written.set()
        _until(_somebody_waits)
        return made

    def remove() -> Answer:
        assert written.wait(10)
        return scene.remove()

    monkeypatch.setattr("apps.apikeys.services.mint", mint_and_wait)
    with ThreadPoolExecutor(2) as pool:
        minting: Future[Answer] = pool.submit(_closing, scene.mint)
        removing = pool.submit(_closing, remove)
        made = minting.result(20)
        assert (made.status, removing.result(20).status) == (201, 204)
    assert Api(made["secret"]).get("/v1/whoami").code == "key_revoked"


def test_one_persons_keys_are_minted_one_after_the_other(scene: Scene) -> None:
    with ThreadPoolExecutor(3) as pool:
        minting = [pool.submit(_closing, scene.mint) for _ in range(6)]
        assert [one.result(20).status for one in minting] == [201] * 6
