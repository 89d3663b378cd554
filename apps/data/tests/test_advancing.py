"""The worker carries on what definitions began: in all collections, within the time of one call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.data import advancing
from apps.data.models import Collection
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World


@pytest.fixture
def busy(world: World, api: Api) -> Iterator[list[str]]:
    """The names of five collections that say that there is something left to do; the tenant stands."""
    names = [f"dishes{n}" for n in range(5)]
    for name in names:
        body = {"name": name, "schema": {"type": "object"}}
        assert api.using(world.acorn.root_key).post("/v1/collections", body).status == 201
    with enter(world.acorn.ref):
        Collection.objects.filter(name__in=names).update(busy=True)
        yield names


def test_one_that_always_fails_is_not_asked_for_again_at_once(
    busy: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = advancing.carry_on

    def carry_on(collection: Collection, **how: float) -> None:
        if collection.name == busy[0]:
            raise OSError("made up for the test")
        real(collection, seconds=how["seconds"])

    monkeypatch.setattr(advancing, "carry_on", carry_on)
    assert advancing.carry_on_everywhere() == len(busy) - 1
    assert advancing.carry_on_everywhere() == 0
    assert f"{busy[0]} cannot be carried on" in caplog.text


def test_all_share_the_time_of_one_call_and_none_is_always_last(
    busy: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moment, shares, reached = [100.0], list[float](), set[str]()

    def carry_on(collection: Collection, *, seconds: float) -> None:
        shares.append(seconds)
        reached.add(collection.name)
        moment[0] += 2

    monkeypatch.setattr(advancing, "monotonic", lambda: moment[0])
    monkeypatch.setattr(advancing, "carry_on", carry_on)
    assert advancing.carry_on_everywhere() == 2, "then the time of the call is over"
    assert shares == [advancing.SECONDS / 5, (advancing.SECONDS - 2) / 4]
    for _ in range(200):
        advancing.carry_on_everywhere()
    assert reached == set(busy)
