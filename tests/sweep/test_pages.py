"""Every page of an environment's admin with every kind of session: what a hand-off opens, and that nothing else does.

Pages come from what is registered with the site and from the actions that it offers, so that a new one is swept
without being named here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db.models import Model
from pytest_django import DjangoDbBlocker

from apps.core.admin import environments
from apps.core.admin_actions import CONFIRMATION, REASON, SHOWN_FOR, VERSION, actions_above, actions_on
from tests.sweep.callers import Caller
from tests.sweep.cells import Cell
from tests.sweep.examples import INSTEAD
from tests.sweep.filling import Filled
from tests.sweep.stage import Stage, raised

pytestmark = pytest.mark.sweep


@dataclass(frozen=True)
class Page:
    """A page of the admin: `path` with `{}` for what it is about, which a cell has as `prefix`; '' for nothing."""

    path: str
    prefix: str = ""
    sends: bool = False

    def about(self, cell: Cell, place: str) -> Filled | None:
        """The page about the cell's thing, shown for the organization `place`; None where it has no such thing."""
        thing = cell.things.get(self.prefix, "")
        if self.prefix and not thing:
            return None
        form = {REASON: "swept", CONFIRMATION: cell.mark, VERSION: "1", SHOWN_FOR: place}
        return Filled(self.path.format(thing), form if self.sends else None, {}, cell)


def _pages() -> Iterator[Page]:
    yield Page("/admin/")
    yield Page("/admin/jobs/job/overview/")
    for model in environments._registry:
        yield from _pages_of(model)


def _pages_of(model: type[Model]) -> Iterator[Page]:
    room, prefix = f"/admin/{model._meta.app_label}/{model._meta.model_name}/", str(model.id_prefix)  # type: ignore[attr-defined]
    yield Page(room)
    yield Page(room + "{}/change/", prefix)
    for sends in (False, True):
        for action in actions_above(model, "environment"):
            yield Page(f"{room}do/{action.operation.name}/", sends=sends)
        for action in actions_on(model, "environment"):
            name = action.operation.name
            yield Page(f"{room}{{}}/do/{name}/", _standing_for(name) or prefix, sends=sends)


def _standing_for(operation: str) -> str:
    """What stands for the thing that the operation is about; '' where nothing has to."""
    found = (
        thing for (name, said_by), thing in INSTEAD.items() if name == operation and said_by.endswith("_id")
    )
    return next(found, "")


PAGES = list(_pages())
#: What a visitor does about their own session.
OWN = [Page("/admin/switch/", sends=True), Page("/admin/leave/", sends=True)]
WITHIN_NORTH = "a hand-off within north"


def _named(pages: list[Page]) -> list[str]:
    return [f"{'send ' if page.sends else ''}{page.path}" for page in pages]


@pytest.fixture(scope="module")
def stage(django_db_setup: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Stage]:
    """One stage for all pages, in a transaction that ends with the module."""
    with raised(django_db_setup, django_db_blocker) as made:
        yield made


@pytest.mark.parametrize("page", PAGES, ids=_named(PAGES))
def test_a_page_opens_for_a_hand_off_and_shows_its_own_alone(stage: Stage, page: Page) -> None:
    served = [caller.name for caller in stage.visitors if _visit(stage, page, caller)]
    assert "a hand-off" in served, f"Nobody got through {page.path}, so this sweep proves nothing about it."


@pytest.mark.parametrize("page", OWN, ids=_named(OWN))
def test_a_visitor_ends_and_moves_their_own_session_alone(stage: Stage, page: Page) -> None:
    # Within north it would be refused by the sweep: sessions are rows of no organization.
    visitors = [caller for caller in stage.visitors if caller.name != WITHIN_NORTH]
    assert [caller.name for caller in visitors if _visit(stage, page, caller)] == ["a hand-off"]


def _visit(stage: Stage, page: Page, caller: Caller) -> bool:
    """Open the page about things of the caller and of others; True when its own was there."""
    place = stage.cells[caller.own].things["org"] if caller.name == WITHIN_NORTH else ""
    filled = {name: page.about(cell, place) for name, cell in stage.cells.items()}
    own, nowhere = filled[caller.own], filled["nowhere"]
    assert nowhere is not None
    assert own is not None, f"Give {caller.own} an example of {page.prefix} in tests/sweep/examples.py."
    mine = stage.visit(own, caller)
    if caller.refused is None and page.prefix:
        nothing = stage.visit(nowhere, caller)
        assert nothing.status == 404
        # The twins' ids are the same, and so are the addresses of their things.
        near = {one.path for name in caller.reach if (one := filled[name])}
        for other in (filled[target] for target in caller.targets):
            if other is not None and other.path not in near:
                things = {*other.cell.things.values(), *nowhere.cell.things.values()}
                answer = stage.visit(other, caller)
                assert answer.neutral(things) == nothing.neutral(things), f"{caller.name} at {other.path}"
    return mine.status < 400 and caller.refused is None
