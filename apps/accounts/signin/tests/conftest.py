"""What the stories of signing in have in common: time that passes, and settings of a tenant."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.signin.tests.headless import Configure, Travel
from apps.core import clock
from tests.client import Api
from tests.world import World

__all__ = ["Configure", "Travel", "configure", "travel"]


@pytest.fixture
def travel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Travel]:
    """Move every clock of the process by so much, forwards or back: ours, Django's, and the one that allauth reads."""
    moved, really, now = [timedelta(0)], time.time, timezone.now

    def current() -> datetime:
        return now() + moved[0]

    monkeypatch.setattr(time, "time", lambda: really() + moved[0].total_seconds())
    monkeypatch.setattr(timezone, "now", current)
    with clock.frozen(clock.now()) as ours:

        def move(by: timedelta) -> None:
            moved[0] += by
            ours.move(by)

        yield move


@pytest.fixture
def configure(world: World) -> Configure:
    """Change how people get into acorn."""

    def change(**settings: Any) -> Any:
        answer = Api(world.acorn.root_key).patch("/v1/sign-in-settings", settings)
        assert answer.status == 200, answer
        return answer

    return change
