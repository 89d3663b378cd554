"""What reading a photo gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dish:
    """A dish as printed. Prices are decimal strings without a currency ("10.50", "180"): `price` is the first one,
    None where none is printed; `prices` are all of them (sizes, variants)."""

    name: str
    price: str | None
    prices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Menu:
    """The dishes in reading order. `turned`: by how many degrees, clockwise, the photo had to be turned."""

    dishes: list[Dish]
    turned: int = 0
