"""Which tenants may call this machine itself: environments that are not protected, and nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.core.outbound import AddressRefused, fetch
from apps.tenancy.walls import enter
from apps.tenancy.walls import outside as outside_of_tenants
from tests.standins.outside import answer, outside
from tests.world import World


def test_this_machine_is_reached_from_unprotected_environments_alone(world: World) -> None:
    protected, development = world.acorn.ref, replace(world.acorn.ref, protected=False)
    console = replace(world.console.ref, protected=False)
    with outside({"/": answer(b"hello")}) as server:
        with enter(development):
            assert fetch("GET", server.url()).content == b"hello"
            with pytest.raises(AddressRefused):
                fetch("GET", "http://10.0.0.1/")
        for place in (enter(protected), enter(console), outside_of_tenants()):
            with place, pytest.raises(AddressRefused):
                fetch("GET", server.url())
        assert len(server.asked) == 1


def test_a_setting_opens_this_machine_to_everybody(world: World, settings: Any) -> None:
    settings.PACKMULE_OUTBOUND_LOOPBACK = True
    with outside({"/": answer(b"hello")}) as server, enter(world.acorn.ref):
        assert fetch("GET", server.url()).content == b"hello"
        with pytest.raises(AddressRefused):
            fetch("GET", "http://169.254.169.254/")
