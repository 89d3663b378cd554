"""What MenuGen takes a piece of text for."""

from __future__ import annotations

import pytest
from menugen.reading.words import has_decimals, take_apart


@pytest.mark.parametrize(
    ("text", "code", "name", "prices"),
    [
        ("Panna cotta", "", "Panna cotta", []),
        ("Panna cotta ........ 6.20", "", "Panna cotta", ["6.20"]),
        ("Panna cotta 6,20 €", "", "Panna cotta", ["6.20"]),
        ("Panna cotta € 6", "", "Panna cotta", ["6"]),
        ("12. Panna cotta", "12", "Panna cotta", []),
        ("S3. Panna cotta...", "S3", "Panna cotta", []),
        ("S 3) Panna cotta 6.20", "S 3", "Panna cotta", ["6.20"]),
        ("C7.", "C7", "", []),
        ("S1", "S1", "", []),
        ("..10.50", "", "", ["10.50"]),
        (".6.25.", "", "", ["6.25"]),
        ("9.1513.65", "", "", ["9.15", "13.65"]),
        ("8.75 12.95", "", "", ["8.75", "12.95"]),
        ("(S) 2.25 (L) 3.85", "", "", ["2.25", "3.85"]),
        ("Small 4.50 Large 7.00", "", "", ["4.50", "7.00"]),
        ("Spare ribs (S) 8.45 (L) 14.95", "", "Spare ribs", ["8.45", "14.95"]),
        (".. Plain) 5.25", "", "", ["5.25"]),
        ("6..95", "", "", ["6.95"]),
        ("715", "", "", ["7.15"]),
        ("Dumplings [8] Steamed or fried", "", "Dumplings (8)", []),
        ("Fish of the day (2 persons) 41.00", "", "Fish of the day (2 persons)", ["41.00"]),
        ("7 Up", "", "7 Up", []),
        ("Call 973.340.8881", "", "Call 973.340.8881", []),
    ],
)
def test_a_menu_with_decimals(text: str, code: str, name: str, prices: list[str]) -> None:
    words = take_apart(text, decimals=True)
    assert (words.code, words.name, words.prices) == (code, name, prices)


@pytest.mark.parametrize(
    ("text", "name", "prices"),
    [
        ("Risotto 18", "Risotto", ["18"]),
        ("三寶牛肉麵180", "三寶牛肉麵", ["180"]),
        ("酸辣湯餃(高)80", "酸辣湯餃(高)", ["80"]),
        ("一份25半張50一張90", "", ["25", "50", "90"]),
        ("牛肉麵 120元", "牛肉麵", ["120"]),
        ("Wine 0.2l", "Wine 0.2l", []),
        ("訂購專線:(02)22112580", "訂購專線:(02)22112580", []),
    ],
)
def test_a_menu_of_whole_numbers(text: str, name: str, prices: list[str]) -> None:
    words = take_apart(text, decimals=False)
    assert (words.name, words.prices) == (name, prices)


@pytest.mark.parametrize(
    "text", ["Extra cheese 1.50", "Add chicken 3.00", "+ bacon 2.00", "大碗加20元", "Add 2.00"]
)
def test_an_addition_is_known_by_its_words(text: str) -> None:
    assert take_apart(text, decimals=True).surcharge


@pytest.mark.parametrize(
    ("texts", "decimals"),
    [
        (["Soup 5.50", "Bread 2.00", "Table 12"], True),
        (["Soup 5", "Bread 2", "Wine 24", "Water 2.50"], False),
        (["牛肉麵120", "湯30"], False),
        ([], False),
    ],
)
def test_how_a_menu_prints_its_prices(texts: list[str], decimals: bool) -> None:
    assert has_decimals(texts) is decimals
