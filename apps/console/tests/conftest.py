"""Who sits at the admin in these stories."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import User
from apps.console.tests.support import Person
from apps.tenancy.walls import enter


@pytest.fixture
def owner(world: Any) -> Person:
    """The owner of acorn, signed in."""
    return Person(world.builders.email)


@pytest.fixture
def viewer(world: Any) -> Person:
    """A viewer of acorn, signed in."""
    return Person("viewer@acorn.test")


@pytest.fixture
def operator(world: Any) -> Person:
    """The owner of acorn, who runs the installation too."""
    with enter(world.console.ref):
        User.objects.filter(email=world.builders.email).update(is_operator=True)
    return Person(world.builders.email)
