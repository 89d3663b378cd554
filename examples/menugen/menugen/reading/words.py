"""What a piece of text says: a dish's code, its name, its prices. Nothing here knows where the text stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

_LEADER = re.compile(r"[.·•…_]{2,}|…|\s[.·•]+(?=\s|$)")
_BROKEN_POINT = re.compile(r"(?<=\d)\.\.(?=\d\d(?!\d))")
_STRAY_POINT = re.compile(r"(?<![\w)])[.,·•:]+(?=\s*[\d(€$£])")
_CODE = re.compile(r"^\s*(?:[A-Z]{1,2}\s?-?\d{1,3}|\d{1,3})\s*[.):、]+(?=\s|\D|$)\s*(?!\d)")
_LONE_CODE = re.compile(r"^\s*[A-Z]{1,2}-?\d{1,3}\s*$")

_CURRENCY = r"(?:€|\$|£|¥|￥|NT\$|EUR|USD|CHF)"
_UNIT = r"(?:€|£|元|円|원|EUR|CHF|kr|zł|,-|\.-|,[\u2013\u2014])"
_DECIMALS = r"(?<![\d.,])(?:\d{1,3}[.,]\d{2})+(?![\d.,]*\d)"
_MARKED = rf"{_CURRENCY}\s*\d{{1,4}}(?![\d.,]*\d)|(?<![\d.,])\d{{1,4}}\s*{_UNIT}(?!\w)"
_WHOLE = r"(?<![\d.,:#(/+-])\d{1,4}(?![\d.,:%)(/]*\d)(?![%A-Za-z)])(?!\.\s)"
_WITH_DECIMALS = re.compile(rf"{_CURRENCY}?\s*{_DECIMALS}\s*{_UNIT}?|{_MARKED}")
_WITHOUT_DECIMALS = re.compile(rf"{_WITH_DECIMALS.pattern}|{_WHOLE}")
_ONE_DECIMAL = re.compile(r"\d{1,3}[.,]\d{2}")
_LOST_POINT = re.compile(r"^\D{0,2}(\d{1,2})(\d\d)\D{0,2}$")

_END = re.compile(r"[\s.,·•:;*)\]\-\u2013\u2014]*$")
_SIZE_BEFORE = re.compile(r"[(\[]?\s*[^\W\d]{1,8}\s*[)\]]\s*$")
_SIZE_LENGTH = 8  # characters: what stands between two prices of one dish is a size ("large"), not a name
_COUNTED = re.compile(r"^(.*\S\s*\([1-9]\d{0,2}\))\s*\S.*$")
_SURCHARGE = re.compile(
    r"^\W*(?:\+|add\b|extra\b|plus\b|supplement\b|加)|(?:\+|\bextra|加)\W*$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Words:
    """One piece of text taken apart. `prices` with a point; `surcharge`: they are the price of an addition."""

    code: str = ""
    name: str = ""
    prices: list[str] = field(default_factory=list)
    surcharge: bool = False


def has_decimals(texts: Sequence[str]) -> bool:
    """Whether a menu prints its prices with decimals ("9.50") rather than as whole numbers ("9")."""
    with_decimals = sum(bool(_amounts(_plain(text), _WITH_DECIMALS)) for text in texts)
    whole = sum(bool(_amounts(_plain(text), _WITHOUT_DECIMALS)) for text in texts)
    return with_decimals > (whole - with_decimals) / 3


def take_apart(text: str, *, decimals: bool) -> Words:
    """What `text` says, on a menu whose prices have `decimals` or have none."""
    plain = _plain(text)
    code = _CODE.match(plain) or _LONE_CODE.match(plain)
    rest = plain[code.end() :] if code else plain
    amounts = _amounts(rest, _WITH_DECIMALS if decimals else _WITHOUT_DECIMALS)
    prices = [price for amount in amounts for price in _values(amount.group())]
    before = rest[: amounts[0].start()] if amounts else rest
    if not prices and decimals and not code:
        prices = _with_the_point(rest)
    return Words(
        code=code.group().strip(" .):、") if code else "",
        name=_name(_without_size(before, rest, amounts)),
        prices=prices,
        surcharge=bool(_SURCHARGE.search(before.strip())),
    )


def _plain(text: str) -> str:
    """Without the dots that lead to the price, and with round brackets, which OCR takes for square ones."""
    text = (
        _BROKEN_POINT.sub(".", text).replace("[", "(").replace("]", ")").replace("{", "(").replace("}", ")")
    )
    return _STRAY_POINT.sub(" ", _LEADER.sub(" ", text)).strip()


def _amounts(text: str, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    """The prices at the end of `text`, with nothing but sizes between them."""
    found = list(pattern.finditer(text))
    if not found or not _END.fullmatch(text, found[-1].end()):
        return []
    first = len(found) - 1
    while first and len(text[found[first - 1].end() : found[first].start()].strip()) <= _SIZE_LENGTH:
        first -= 1
    return found[first:]


def _without_size(before: str, text: str, amounts: Sequence[re.Match[str]]) -> str:
    """What stands before the prices, but for the first one's size: `Ribs (S) 8.45 (L) 14.95`, `Plain) 6.35`."""
    sized = any(text[one.end() : other.start()].strip(" /|") for one, other in pairwise(amounts))
    if sized and len(before.strip(" ()")) <= _SIZE_LENGTH:
        return ""
    shorter = _SIZE_BEFORE.sub("", before)
    return shorter if amounts and (sized or not shorter.strip(" .")) else before


def _values(amount: str) -> list[str]:
    """Glued prices are split after their decimals: `9.1513.65` is 9.15 and 13.65."""
    if decimals := _ONE_DECIMAL.findall(amount):
        return [value.replace(",", ".") for value in decimals]
    return re.findall(r"\d+", amount)


def _with_the_point(text: str) -> list[str]:
    """A price alone whose point was too faint to be read."""
    lost = _LOST_POINT.match(text)
    return [f"{lost[1]}.{lost[2]}"] if lost else []


def _name(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip(" .,·•:;*-\u2013\u2014|/")
    if text.count("(") > text.count(")") and text.endswith(tuple("0123456789")):
        text += ")"
    # A count in brackets closes a name; what follows in the line describes it.
    counted = _COUNTED.match(text)
    name = counted[1] if counted else text
    return name if sum(character.isalpha() for character in name) > 1 else ""
