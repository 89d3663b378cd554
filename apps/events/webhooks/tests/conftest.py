"""What the tests of webhooks share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.client import Api
from tests.receiving import Receiver, receiving
from tests.world import World


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """A running receiver, which a tenant may call as if it were an unprotected environment."""
    settings.PACKMULE_OUTBOUND_LOOPBACK = True
    with receiving() as made:
        yield made


@pytest.fixture
def root(world: World, api: Api) -> Api:
    """The tenant acorn's own machine."""
    return api.using(world.acorn.root_key)


@pytest.fixture
def north(world: World, api: Api) -> Api:
    """The machine of the organization north in acorn."""
    return api.using(world.acorn.parties["north"].service_key)


@pytest.fixture
def south(world: World, api: Api) -> Api:
    """That of south."""
    return api.using(world.acorn.parties["south"].service_key)
