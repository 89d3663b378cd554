"""From pieces of text to dishes: which name, which prices, and what is neither.

The rules hold for menus in general. A price belongs to the name at its left in the same line, the nearer column first.
What has neither a price nor a code (headings, descriptions, addresses) is no dish.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from menugen.reading.boxes import Box
from menugen.reading.levels import levels
from menugen.reading.menu import Dish
from menugen.reading.words import Words, has_decimals, take_apart

_SURE = 0.6  # OCR's scores below this are noise: patterns, logos, the other side of the paper
_SAME_LINE = 0.75  # of the text's height: how far apart two levels of one line may be
_FRAGMENT_GAP = 1.2  # heights between the words of one name
_CODE_GAP = 4.0  # heights between a code and its name
_NEXT_LINE = 1.9  # heights between the lines of one name
_BELOW = 3.5  # heights between a name and the price printed under it
_ALIKE = 2.5  # times as high as the price: names printed larger than that are titles
_LARGE = 1.6  # times the usual height of a name: a price printed so large stands for a whole block
_COLUMN = 0.12  # of the page's width: names whose left edges are further apart stand in different columns
_FAR = 2.0  # how many heights of difference in level weigh as much as the page's width between name and price
_GOES_ON = re.compile(
    r"(?:\b(?:with|and|or|in|on|of|w\.|w/|con|e|di|mit|und|et|de|à)|[&,+/-])$", re.IGNORECASE
)
_CONTINUES = re.compile(r"^(?:with|and|or|in|on|&|w\.|w/|con|mit|und|et)\s", re.IGNORECASE)


@dataclass(slots=True, eq=False)
class _Spot:
    """A piece of text in its line. A name collects the prices that turn out to be its own."""

    words: Words
    left: float
    right: float
    level: float
    height: float
    name: str
    code: str
    prices: list[tuple[float, str]] = field(default_factory=list)


def pair(boxes: Iterable[Box]) -> list[Dish]:
    """The dishes in reading order: column by column, from above."""
    sure = [box for box in boxes if box.score >= _SURE and box.text.strip()]
    decimals = has_decimals([box.text for box in sure])
    spots = [_spot(box, level, decimals) for box, level in zip(sure, levels(sure), strict=True)]
    names = _joined([spot for spot in spots if spot.name or (spot.code and not spot.words.prices)])
    width = max((spot.right for spot in spots), default=0.0) - min((spot.left for spot in spots), default=0.0)
    _give_prices([spot for spot in spots if not spot.name and spot.words.prices], names, max(width, 1.0))
    _join_lines(names)
    return [_dish(spot) for spot in _in_reading_order(names, width) if _is_dish(spot)]


def _spot(box: Box, level: float, decimals: bool) -> _Spot:
    words = take_apart(box.text, decimals=decimals)
    spot = _Spot(words, box.left, box.right, level, box.height, words.name, words.code)
    if spot.name:
        spot.prices = [(box.right + number, price) for number, price in enumerate(words.prices)]
    return spot


def _same_line(one: _Spot, other: _Spot) -> bool:
    return abs(one.level - other.level) <= _SAME_LINE * min(one.height, other.height)


def _joined(spots: Sequence[_Spot]) -> list[_Spot]:
    """Names whose code and words were found apart, put together; codes without a name are left out."""
    names: list[_Spot] = []
    for spot in sorted(spots, key=lambda spot: spot.left):
        before = next((name for name in reversed(names) if _goes_on_in(name, spot)), None)
        if before is None:
            names.append(spot)
        else:
            _append(before, spot)
    return [name for name in names if name.name]


def _goes_on_in(one: _Spot, other: _Spot) -> bool:
    if one.prices or (one.name and other.code) or not _same_line(one, other):
        return False
    height = min(one.height, other.height)
    gap = other.left - one.right
    return -height <= gap <= height * (_FRAGMENT_GAP if one.name else _CODE_GAP)


def _append(one: _Spot, other: _Spot) -> None:
    between = "" if _is_cjk(one.name[-1:]) and _is_cjk(other.name[:1]) else " "
    one.name = f"{one.name}{between}{other.name}".strip()
    one.code = one.code or other.code
    one.right, one.height = other.right, max(one.height, other.height)
    one.level = (one.level + other.level) / 2
    one.prices += other.prices


def _is_cjk(character: str) -> bool:
    return "\u3040" <= character <= "\u9fff"


def _give_prices(prices: Sequence[_Spot], names: Sequence[_Spot], width: float) -> None:
    usual = median([name.height for name in names] or [1.0])
    large = [price for price in prices if price.height >= _LARGE * usual]
    for price in sorted(prices, key=lambda price: price.left):
        name = _at_its_left(price, names, width) or _above(price, names)
        if name and price not in large:
            _give(price, [name])
    # One large price beside a block of names is the price of each of them.
    for price in large:
        name = _at_its_left(price, names, width) or _above(price, names)
        if name:
            _give(price, _block(name, names))


def _give(price: _Spot, names: Iterable[_Spot]) -> None:
    for name in names:
        name.prices += [(price.left + number, value) for number, value in enumerate(price.words.prices)]


def _block(name: _Spot, names: Sequence[_Spot]) -> list[_Spot]:
    """The name and those that follow each other above and below it, as long as they have no price of their own."""
    block = [name]
    for other in sorted(names, key=lambda other: abs(other.level - name.level)):
        if other is not name and not other.prices and any(_follow_each_other(other, one) for one in block):
            block.append(other)
    return block


def _follow_each_other(one: _Spot, other: _Spot) -> bool:
    height = max(one.height, other.height)
    return abs(one.left - other.left) <= height and abs(one.level - other.level) <= _NEXT_LINE * height


def _at_its_left(price: _Spot, names: Sequence[_Spot], width: float) -> _Spot | None:
    """The name in the price's line; of two columns' names the nearer one."""
    in_line = [name for name in names if name.left < price.left and _same_line(name, price)]

    def distance(name: _Spot) -> float:
        return abs(name.level - price.level) / price.height + _FAR * (price.left - name.left) / width

    return min(in_line, key=distance, default=None)


def _above(price: _Spot, names: Sequence[_Spot]) -> _Spot | None:
    """The name over the price, on menus that print prices under names."""
    over = [
        name
        for name in names
        if not name.prices
        and not _describes(name)
        and name.left < price.right
        and name.right > price.left
        and name.height <= _ALIKE * price.height
        and 0 < price.level - name.level <= _BELOW * max(price.height, name.height)
    ]
    return min(over, key=lambda name: price.level - name.level, default=None)


def _describes(spot: _Spot) -> bool:
    return spot.name[:1].islower() or bool(_CONTINUES.search(spot.name))


def _join_lines(names: Sequence[_Spot]) -> None:
    """Names over two lines, where that is clear: the first ends with "with", or the second begins in lower case."""
    for spot in sorted(names, key=lambda spot: spot.level):
        if not spot.prices or spot.code:
            continue
        above = _line_above(spot, names)
        if above is None:
            continue
        if _GOES_ON.search(above.name) or _CONTINUES.search(spot.name):
            spot.name, spot.code, above.name = f"{above.name} {spot.name}", above.code, ""
        elif spot.name[:1].islower():
            # The price stands at the end of the description: the line above it is the dish.
            spot.name, spot.code, above.name = above.name, above.code, ""


def _line_above(spot: _Spot, names: Sequence[_Spot]) -> _Spot | None:
    over = [
        name
        for name in names
        if name.name
        and not name.prices
        and abs(name.left - spot.left) <= 2 * spot.height
        and 0 < spot.level - name.level <= _NEXT_LINE * spot.height
    ]
    return max(over, key=lambda name: name.level, default=None)


def _in_reading_order(names: Sequence[_Spot], width: float) -> list[_Spot]:
    columns: list[list[_Spot]] = []
    for spot in sorted(names, key=lambda spot: spot.left):
        if columns and spot.left - median(other.left for other in columns[-1]) <= _COLUMN * width:
            columns[-1].append(spot)
        else:
            columns.append([spot])
    return [spot for column in columns for spot in sorted(column, key=lambda spot: spot.level)]


def _is_dish(spot: _Spot) -> bool:
    """Additions ("extra cheese"), and what begins with "with", are printed with prices too."""
    if not spot.name or spot.words.surcharge or _CONTINUES.search(spot.name):
        return False
    return bool(spot.prices or spot.code)


def _dish(spot: _Spot) -> Dish:
    prices = tuple(price for _, price in sorted(spot.prices))
    return Dish(spot.name, prices[0] if prices else None, prices)
