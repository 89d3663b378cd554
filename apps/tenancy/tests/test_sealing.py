"""A tenant's secrets open in that tenant, under their name, and with the master key of the installation."""

from __future__ import annotations

import stat
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import ProgrammingError, connection

from apps.core.sealing import SealBroken, SealError, SealMalformed, new_key
from apps.tenancy import master_key as master
from apps.tenancy.health import reason_not_ready
from apps.tenancy.models import DataKey
from apps.tenancy.sealing import DataKeyMissing, fingerprint, open_sealed, seal
from apps.tenancy.walls import NO_ORGANIZATION, enter, outside, registry
from tests.world import World


def test_a_secret_opens_in_its_tenant_under_its_name(world: World) -> None:
    with enter(world.acorn.ref):
        sealed = seal("stripe", "sk_live_x")
        assert sealed.startswith("pms1.1.")
        assert open_sealed("stripe", sealed) == "sk_live_x"
        with pytest.raises(SealBroken):
            open_sealed("paypal", sealed)
        with pytest.raises(SealMalformed):
            open_sealed("stripe", "sk_live_x")
    with enter(world.acorn.ref, NO_ORGANIZATION):
        assert open_sealed("stripe", sealed) == "sk_live_x"


def test_a_secret_does_not_open_in_another_tenant(world: World) -> None:
    with enter(world.acorn.ref):
        sealed = seal("stripe", "sk_live_x")
    with enter(world.birch.ref):
        with pytest.raises(DataKeyMissing):
            open_sealed("stripe", sealed)
        assert open_sealed("stripe", seal("stripe", "other")) == "other"
        with pytest.raises(SealBroken):
            open_sealed("stripe", sealed)
        assert fingerprint("stripe", "sk_live_x") == fingerprint("stripe", "sk_live_x")
        theirs = fingerprint("stripe", "sk_live_x")
    with enter(world.acorn.ref):
        assert fingerprint("stripe", "sk_live_x") != theirs


def test_a_key_that_is_moved_to_another_tenant_opens_nothing(world: World) -> None:
    with enter(world.acorn.ref):
        sealed = seal("stripe", "sk_live_x")
    with enter(world.birch.ref):
        seal("stripe", "sk_live_y")
    with registry():
        wrapped = DataKey.objects.get(tenant_id=world.acorn.ref.id).wrapped
        DataKey.objects.filter(tenant_id=world.birch.ref.id).update(wrapped=wrapped)
    with enter(world.birch.ref), pytest.raises(SealBroken):
        open_sealed("stripe", sealed)


def test_texts_under_an_older_key_still_open(world: World) -> None:
    from apps.core import sealing

    with enter(world.acorn.ref):
        old = seal("stripe", "sk_live_x")
        tenant = world.acorn.ref.id
        wrapped = sealing.encrypt(master.master_key(), new_key(), f"packmule data key|2|{tenant}")
        with registry():
            DataKey.objects.create(tenant_id=tenant, version=2, wrapped=wrapped)
        new = seal("stripe", "sk_live_y")
        assert new.startswith("pms1.2.")
        assert [open_sealed("stripe", text) for text in (old, new)] == ["sk_live_x", "sk_live_y"]


def test_outside_of_a_tenant_nothing_is_sealed(world: World) -> None:
    calls: list[Callable[[], str]] = [
        lambda: seal("x", "y"),
        lambda: open_sealed("x", "pms1.1." + "A" * 40),
    ]
    for call in calls:
        with outside(), pytest.raises(RuntimeError):
            call()


def test_a_tenants_own_role_reaches_no_key(world: World) -> None:
    with (
        enter(world.acorn.ref),
        connection.cursor() as cursor,
        pytest.raises(ProgrammingError, match="permission denied"),
    ):
        cursor.execute('select * from "public"."tenancy_datakey"')


def test_two_first_secrets_at_once_share_a_key(committing: World) -> None:
    sealed: list[str] = []
    together = Barrier(4)

    def work(number: int) -> None:
        try:
            with enter(committing.birch.ref):
                together.wait()
                sealed.append(seal("n", str(number)))
        finally:
            connection.close()

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        with enter(committing.birch.ref):
            assert sorted(open_sealed("n", text) for text in sealed) == ["0", "1", "2", "3"]
        with outside():
            assert DataKey.objects.filter(tenant_id=committing.birch.ref.id).count() == 1
    finally:
        with registry():
            DataKey.objects.filter(tenant_id=committing.birch.ref.id).delete()


# The master key.


@pytest.fixture
def without_a_key(world: World, settings: Any, tmp_path: Path) -> Path:
    """An installation whose environment holds no master key."""
    settings.PACKMULE_MASTER_KEY, settings.PACKMULE_DATA_DIR = "", tmp_path
    return tmp_path


def test_without_a_master_key_nothing_serves_and_nothing_is_made(without_a_key: Path) -> None:
    for refused in (master.check_master_key, master.ensure_master_key, master.master_key):
        with pytest.raises(master.MasterKeyMissing, match="There is no master key: set PACKMULE_MASTER_KEY"):
            refused()
    assert list(without_a_key.iterdir()) == []
    for command in ("serve", "worker"):
        with pytest.raises(CommandError, match="There is no master key"):
            call_command(command)
    assert "There is no master key" in str(reason_not_ready())


def test_a_new_installation_makes_its_key_once(without_a_key: Path) -> None:
    with registry():
        DataKey.objects.all().delete()
    said = master.ensure_master_key()
    kept = without_a_key / "master_key"
    assert str(kept) in said
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    text = kept.read_text()
    assert text.strip() not in said
    assert master.ensure_master_key() == ""
    assert kept.read_text() == text
    assert master.objection() is None


def test_a_wrong_key_is_refused_and_nothing_is_overwritten(
    world: World, settings: Any, tmp_path: Path
) -> None:
    settings.PACKMULE_DATA_DIR = tmp_path
    with outside():
        before = list(DataKey.objects.values_list("pk", "wrapped"))
    settings.PACKMULE_MASTER_KEY = b64encode(new_key()).decode()
    for refused in (master.check_master_key, master.ensure_master_key):
        with pytest.raises(master.MasterKeyWrong, match="is not the one with which this installation began"):
            refused()
    with outside():
        assert list(DataKey.objects.values_list("pk", "wrapped")) == before
    with pytest.raises(CommandError, match="Put the right one back"):
        call_command("serve")
    assert list(tmp_path.iterdir()) == []


def test_what_a_wrong_key_opens_is_nothing(world: World, settings: Any) -> None:
    with enter(world.acorn.ref):
        sealed = seal("stripe", "sk_live_x")
        settings.PACKMULE_MASTER_KEY = b64encode(new_key()).decode()
        with pytest.raises(SealError):
            open_sealed("stripe", sealed)


def _in_url_letters(settings: Any) -> str:
    return urlsafe_b64encode(b"the master key of all the tests!").decode()


@pytest.mark.parametrize("spelled", [_in_url_letters])
def test_both_alphabets_of_base64_are_read(
    world: World, settings: Any, spelled: Callable[[Any], str]
) -> None:
    settings.PACKMULE_MASTER_KEY = spelled(settings)
    master.check_master_key()


@pytest.mark.parametrize(
    "text", ["short", b64encode(b"x" * 31).decode(), b64encode(b"x" * 33).decode(), "é" * 44]
)
def test_what_is_no_key_is_refused_without_being_repeated(world: World, settings: Any, text: str) -> None:
    settings.PACKMULE_MASTER_KEY = text
    with pytest.raises(master.MasterKeyMissing, match="openssl rand -base64 32") as refusal:
        master.master_key()
    assert text not in str(refusal.value)


def test_what_serves_nothing_needs_no_key(settings: Any, tmp_path: Path) -> None:
    settings.PACKMULE_MASTER_KEY, settings.PACKMULE_DATA_DIR = "", tmp_path
    call_command("check", stdout=StringIO(), stderr=StringIO())
    assert list(tmp_path.iterdir()) == []
