"""What the stories of machine sign-in have in common."""

from __future__ import annotations

import pytest

from apps.tenancy.walls import enter
from tests.oauth import Browser, Program, register
from tests.world import World

SECRET = "pmo_cs_of_a_client_that_tests_made"


@pytest.fixture
def program(world: World) -> Program:
    """A confidential client of acorn as a whole."""
    with enter(world.acorn.ref):
        made = register(None, secret=SECRET)
    return Program(world.acorn, made.public_id, SECRET)


@pytest.fixture
def browser(world: World) -> Browser:
    """The owner of north, signed in to acorn."""
    return Browser.of(world.acorn, world.acorn.parties["north"])
