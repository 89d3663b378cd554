"""How well a menu was read: what was printed against what was found."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

_ALIKE = 0.9


@dataclass(frozen=True)
class Result:
    """Counts of dishes: `listed` are printed, `named` of them were found, `priced` with their first price as well;
    `invented` were found and are not printed. `prices` of `all_prices` counts each size of a dish found."""

    listed: int
    named: int
    priced: int
    invented: int
    prices: int
    all_prices: int
    missed: list[str]
    surplus: list[str]


def normalized(name: str) -> str:
    """Letters and digits alone, in lower case."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).lower())


def compare(listed: list[dict[str, Any]], found: list[dict[str, Any]]) -> Result:
    """Each dish printed takes the most similar dish found that no other took; of equals, the one with its price."""
    left, missed, priced, named, prices, all_prices = list(found), [], 0, 0, 0, 0
    for dish in listed:
        printed = tuple(entry["price"] for entry in dish.get("prices") or [dish])
        all_prices += len(printed)
        best = max(
            left, key=lambda other: (_similarity(dish, other), other["price"] == dish["price"]), default=None
        )
        if best is None or _similarity(dish, best) < _ALIKE:
            missed.append(dish["name"])
            continue
        left.remove(best)
        named += 1
        priced += best["price"] == dish["price"]
        prices += sum(one == other for one, other in zip(printed, best["prices"], strict=False))
        if printed != tuple(best["prices"]):
            missed.append(f"{dish['name']}: {printed} was read {best['prices']}")
    surplus = [f"{dish['name']} {dish['prices']}" for dish in left]
    return Result(len(listed), named, priced, len(left), prices, all_prices, missed, surplus)


def _similarity(dish: dict[str, Any], other: dict[str, Any]) -> float:
    one, two = normalized(dish["name"]), normalized(other["name"])
    return 1.0 if one == two else SequenceMatcher(None, one, two, autojunk=False).ratio()
