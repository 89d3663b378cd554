"""Who opens what in these stories."""

from __future__ import annotations

from typing import Any

import pytest

from apps.console.handoff.tests.support import Browser, environment_of


@pytest.fixture
def acorn(world: Any) -> str:
    """The shown id of acorn's production, which is protected."""
    return environment_of(world, world.acorn)


@pytest.fixture
def builder(world: Any) -> Browser:
    """The owner of the company acorn, signed in to the console."""
    return Browser(world.builders.email)


@pytest.fixture
def inside(world: Any, builder: Browser, acorn: str) -> Browser:
    """The same, who has opened acorn's admin."""
    assert builder.open(world.acorn, acorn).status_code == 200
    return builder
