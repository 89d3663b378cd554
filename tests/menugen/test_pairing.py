"""From boxes to dishes: layouts that menus have, and MenuGen's own photo as it was once read."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from menugen.reading.boxes import Box
from menugen.reading.pairing import pair

from tests.menugen.boxes import PHOTOS, box, lines, recorded, tilted
from tests.menugen.matching import compare

TRATTORIA = lines(
    ("PRIMI", ""),
    ("Minestrone", "7.90"),
    ("Gnocchi al gorgonzola", "12.80"),
    ("Tagliatelle alla bolognese", "13.20"),
    ("Bread is on the house", ""),
)


def found(boxes: list[Box]) -> list[tuple[str, ...]]:
    return [(dish.name, *dish.prices) for dish in pair(boxes)]


def test_the_sample_s_boxes_are_all_of_its_dishes_and_nothing_else() -> None:
    listed: list[dict[str, Any]] = json.loads((PHOTOS / "sample-menu.json").read_text())["dishes"]
    result = compare(listed, [asdict(dish) for dish in pair(recorded())])
    assert (result.named, result.priced, result.invented) == (12, 12, 0)


@pytest.mark.parametrize("degrees", [0, -9, -4, 4, 9])
def test_a_price_belongs_to_the_name_in_its_line_however_the_paper_lies(degrees: float) -> None:
    assert found(tilted(TRATTORIA, degrees)) == [
        ("Minestrone", "7.90"),
        ("Gnocchi al gorgonzola", "12.80"),
        ("Tagliatelle alla bolognese", "13.20"),
    ]


def test_lines_that_bend_at_a_fold_are_followed() -> None:
    def folded(one: Box) -> Box:
        a, b, c, d = ((x, y + abs(x - 700) * 0.12) for x, y in one.corners)
        return Box(one.text, one.score, (a, b, c, d))

    rows = [
        (f"Soup of the house, number {row}", f"Roast of the day {row}", f"{row}.90") for row in range(1, 9)
    ]
    bent = [folded(one) for one in lines(*rows, at=(100, 760, 1300))]
    assert found(bent) == [(f"Roast of the day {row}", f"{row}.90") for row in range(1, 9)]


def test_two_columns_are_read_one_after_the_other() -> None:
    boxes = lines(
        ("Green salad", "5.00", "Beef stew", "15.00"),
        ("Tomato salad", "6.00", "Roast pork", "16.00"),
        at=(100, 700, 1000, 1600),
    )
    names = [
        ("Green salad", "5.00"),
        ("Tomato salad", "6.00"),
        ("Beef stew", "15.00"),
        ("Roast pork", "16.00"),
    ]
    assert found(boxes) == names


def test_several_prices_are_in_the_order_of_the_line_and_the_first_is_the_price() -> None:
    boxes = lines(
        ("", "Pt.", "Qt."), ("Wonton soup", "2.75", "4.95"), ("Egg soup", "2.80 5.05"), at=(100, 900, 1050)
    )
    assert found(boxes) == [("Wonton soup", "2.75", "4.95"), ("Egg soup", "2.80", "5.05")]
    assert pair(boxes)[0].price == "2.75"


def test_a_code_found_apart_from_its_name_is_left_out_and_makes_a_dish_without_a_price() -> None:
    boxes = lines(
        ("1.", "Egg roll", "1.85"),
        ("2.", "Daily special", ""),
        ("", "Ask the waiter", ""),
        at=(100, 170, 900),
    )
    assert found(boxes) == [("Egg roll", "1.85"), ("Daily special",)]
    assert pair(boxes)[1].price is None


def test_a_price_under_a_name_belongs_to_it() -> None:
    boxes = [box("Duck breast", 400, 100), box("with orange", 410, 150, 28), box("19.50", 450, 190)]
    assert found(boxes) == [("Duck breast", "19.50")]


def test_a_name_over_two_lines_is_joined_where_it_clearly_goes_on() -> None:
    boxes = lines(("Grilled salmon with", ""), ("fennel and potatoes", "21.00"), ("Tart of the day", "6.00"))
    assert found(boxes)[0] == ("Grilled salmon with fennel and potatoes", "21.00")


def test_a_price_at_the_end_of_a_description_is_that_of_the_dish_above() -> None:
    boxes = lines(("Margherita", ""), ("tomato, mozzarella, basil", "9.50"))
    assert found(boxes) == [("Margherita", "9.50")]


def test_one_large_price_is_that_of_the_whole_block() -> None:
    boxes = [
        *lines(("M1. Chicken and broccoli",), ("M2. Spare ribs",), ("M3. Teriyaki chicken",)),
        box("15.95", 900, 130, height=80),
    ]
    names = ("Chicken and broccoli", "Spare ribs", "Teriyaki chicken")
    assert found(boxes) == [(name, "15.95") for name in names]


def test_additions_variants_and_noise_are_no_dishes() -> None:
    boxes = [
        *lines(("Burger", "9.50"), ("Extra cheese", "1.50"), ("with bacon and egg", "2.00")),
        box("x7 qq", 100, 400, score=0.3),
        box("3.20", 1000, 400),
    ]
    assert found(boxes) == [("Burger", "9.50")]


def test_a_chinese_order_slip() -> None:
    boxes = lines(("麵類", "湯類"), ("三寶牛肉麵180", "酸辣湯30"), ("炸醬麵60", "貢丸湯30"), at=(100, 700))
    assert found(boxes) == [("三寶牛肉麵", "180"), ("炸醬麵", "60"), ("酸辣湯", "30"), ("貢丸湯", "30")]


def test_no_boxes_are_no_dishes() -> None:
    assert pair([]) == []
