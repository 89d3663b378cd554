"""The first credentials: made once, kept for their owner alone, and never claimed to open what they do not."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from django.utils.crypto import get_random_string

from apps.accounts.models import User
from apps.audit.models import Event
from apps.console.bootstrap import FirstCredentials, first_credentials, found_console
from apps.core.actor import Call, Edge, system_actor
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import PASSWORD, World


def test_the_first_agent_works_at_once_and_the_trail_begins(world: World, api: Api, tmp_path: Path) -> None:
    kept = tmp_path / "credentials.json"
    with enter(world.console.ref):
        founded = found_console(system_actor(world.console.ref, Call("req_test", Edge.COMMAND)), kept=kept)
        person = User.objects.get(email=founded.credentials.admin_email)
        assert person.is_operator
        assert person.check_password(founded.credentials.admin_password or "")
        assert Event.objects.filter(operation="installation.found", actor_kind="system").count() == 1

    me = api.using(founded.credentials.console_key).get("/v1/whoami")
    assert (me["actor"]["kind"], me["organization"]["slug"], me["owner"]["name"]) == (
        "agent",
        "first",
        person.email,
    )
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["console_key"] == founded.credentials.console_key
    with enter(world.console.ref):
        assert (founded.credentials.console_key or "") not in str(list(Event.objects.values()))


def test_only_what_still_opens_something_is_told_again(world: World, tmp_path: Path) -> None:
    kept = tmp_path / "credentials.json"
    held = {
        "console_key": world.builders.agent_key,
        "admin_email": world.builders.email,
        "admin_password": PASSWORD,
    }
    kept.write_text(json.dumps(held))
    assert first_credentials(world.console.ref, kept) == FirstCredentials(**held)

    with enter(world.console.ref):
        person = User.objects.get(email=world.builders.email)
        person.set_password(get_random_string(20))
        person.save()
    kept.write_text(json.dumps({**held, "console_key": held["console_key"].swapcase()}))

    assert first_credentials(world.console.ref, kept) == FirstCredentials(admin_email=world.builders.email)


def test_a_lost_or_broken_file_claims_nothing(world: World, tmp_path: Path) -> None:
    assert first_credentials(world.console.ref, tmp_path / "none.json") == FirstCredentials()
    broken = tmp_path / "broken.json"
    broken.write_text("[")
    assert first_credentials(world.console.ref, broken) == FirstCredentials()
