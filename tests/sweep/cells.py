"""Whose things are whose: the world of the tests divided into cells, each recognisable in any answer.

A cell is what belongs together behind one wall: an organization's rows in one tenant, or those that belong to the
tenant as a whole. Every text in it carries a mark that occurs nowhere else, because the ids of two tenants are equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import CharField, Model

from apps.accounts.models import ServiceAccount, User
from apps.apikeys.models import Key
from apps.core.ids import decode, encode, noun
from apps.core.walls import declaration_of
from apps.tenancy.schema import models_of
from apps.tenancy.walls import enter
from tests.world import Party, Space, World, same_id

#: What an id is made of that nobody has.
NOBODY = same_id("nobody at all")
_TEXTS = ("name", "purpose", "title", "description")


@dataclass
class Cell:
    """One party's rows in one tenant. `things` are ids and slugs of it, by prefix or name of a URL's argument.

    `signs` are the texts by which an answer shows that something of the cell is in it.
    """

    name: str
    space: Space | None = None
    party: Party | None = None
    things: dict[str, str] = field(default_factory=dict)
    signs: set[str] = field(default_factory=set)

    @property
    def mark(self) -> str:
        """The text that all names in the cell are."""
        return f"mark of {self.name.replace('/', ' ')}"

    @property
    def organization(self) -> UUID | None:
        """The organization whose rows these are; None for the tenant's own."""
        return self.party.uuid if self.party else None


Maker = Callable[[Cell], str]
_makers: dict[str, Maker] = {}


def example(name: str) -> Callable[[Maker], Maker]:
    """Declare how a cell gets its example for the URL argument `name`, or for ids with the prefix `name`.

    The maker is called with a cell that has a party, standing in its tenant; it returns the text for the URL. What it
    creates should have an id by `same_id` where it may, and `cell.mark` as its name.
    """

    def declare(maker: Maker) -> Maker:
        _makers[name] = maker
        return maker

    return declare


def divide(world: World) -> dict[str, Cell]:
    """The cells of `world` by name, all marked. Writes: call it in a transaction that will be rolled back."""
    from tests.sweep import examples, holdings  # noqa: F401 - they declare the makers

    cells: dict[str, Cell] = {}
    for title, space in (("console", world.console), ("acorn", world.acorn), ("birch", world.birch)):
        made = _divide_space(title, space)
        with enter(space.ref):
            _mark(space, made)
            for cell in made:
                _fill(cell)
        cells |= {cell.name: cell for cell in made}
    for company in ("acorn", "birch"):
        owner = cells[f"console/{company}"]
        owner.things |= {"slug": company, "environment": "production"}
    cells["nowhere"] = nowhere()
    return cells


def is_prefix(name: str) -> bool:
    """True for the prefix of an id, false for the name of a URL's argument."""
    try:
        return bool(noun(name))
    except KeyError:
        return False


def nowhere() -> Cell:
    """A cell of which nothing exists: others' things have to be answered like these."""
    things = {name: encode(name, NOBODY) if is_prefix(name) else "nowhere" for name in _makers}
    by_hand = {"slug": "nowhere", "environment": "nowhere", "number": "1", "thing": encode("agt", NOBODY)}
    # A collection is everybody's in its tenant, and has the same name in each. Ids are written without i, l, o and u,
    # so that such a name is part of none.
    by_hand |= {
        "bare_org": encode("org", NOBODY),
        "dead_job": encode("job", NOBODY),
        "collection": "pool",
        "preset": "preview",
    }
    by_hand |= {"event_type": "pool_order.paid", "pushed_queue": "pushed", "queue": "hull"}
    return Cell("nowhere", things=things | by_hand)


def _divide_space(title: str, space: Space) -> list[Cell]:
    cells = [Cell(f"{title}/{slug}", space, party) for slug, party in space.parties.items()]
    for party_cell in cells:
        party = party_cell.party
        assert party is not None
        party_cell.signs |= {party.email, f"viewer@{party.slug}.test", f'"{party.slug}"'}
    whole = Cell(f"{title}/tenant", space)
    root = Cell(f"{title}/root", space, things={"svc": space.root})
    stranger = Cell(f"{title}/stranger", space, things={"usr": space.stranger})
    visitor = Cell(f"{title}/visitor", space)
    place = Cell(f"{title}/place", space)
    if space.name != "console":
        place.signs |= {f'"{space.name}"', space.host}
    return [*cells, whole, root, stranger, visitor, place]


def _fill(cell: Cell) -> None:
    """Give a party's cell one of everything, and every cell its signs."""
    if cell.party is not None:
        cell.things |= {name: maker(cell) for name, maker in _makers.items()}
    cell.signs |= {cell.mark, *(thing for name, thing in cell.things.items() if "_" in thing)}


def _mark(space: Space, cells: list[Cell]) -> None:
    """Write each cell's mark over the names of its rows."""
    by_name = {cell.name.partition("/")[2]: cell for cell in cells}
    whole = by_name["tenant"]
    for model in models_of(space.ref.kind):
        for column in _free_texts(model):
            for cell in cells:
                if cell.party is not None or cell is whole:
                    _rows(model, cell).update(**{column: cell.mark})
    for slug, cell in by_name.items():
        if cell.party is not None:
            User.objects.filter(email__endswith=f"@{slug}.test").update(name=cell.mark)
    User.objects.filter(pk=decode(space.stranger, "usr")).update(name=by_name["stranger"].mark)
    ServiceAccount.objects.filter(pk=decode(space.root, "svc")).update(name=by_name["root"].mark)
    Key.objects.filter(kind="pk").update(name=by_name["visitor"].mark)


def _rows(model: type[Model], cell: Cell) -> Any:
    declaration = declaration_of(model)
    assert declaration is not None
    return model._default_manager.filter(**{f"{declaration.column}": cell.organization})


def _free_texts(model: type[Model]) -> list[str]:
    """The columns of a walled model that hold a text of no consequence: no part of any key, and writable."""
    declaration = declaration_of(model)
    if declaration is None or declaration.column is None or declaration.append_only:
        return []
    keys = {name for constraint in model._meta.constraints for name in getattr(constraint, "fields", ())}
    keys |= {name for group in model._meta.unique_together for name in group}
    found = []
    for name in _TEXTS:
        column = next((f for f in model._meta.local_fields if f.name == name), None)
        if isinstance(column, CharField) and not column.unique and name not in keys and not column.choices:
            found.append(name)
    return found
