"""The cards that MenuGen draws for its dishes."""

from __future__ import annotations

import io

import pytest
from menugen import lettering
from menugen.lettering import Lettering
from menugen.pictures import SIZE, DrawnCards, painter
from menugen.plates import SERVED, kind_of
from menugen.reading.menu import Dish
from PIL import Image

SOUP = Dish("Minestrone della casa", "7.90", ("7.90",))
LABEL = (0, 340, *SIZE)  # the part of a card that has the name and the price
NAME = (0, 340, 480, SIZE[1])


def card(dish: Dish) -> Image.Image:
    return Image.open(io.BytesIO(DrawnCards().paint(dish)))


def is_blank(image: Image.Image) -> bool:
    return all(low > 200 for low, _ in image.getextrema())  # type: ignore[misc]


class Redly:
    """A painter of somebody else."""

    def paint(self, dish: Dish) -> bytes:
        return b"red " + dish.name.encode()


def test_a_card_is_a_jpeg_of_one_size_and_the_same_for_the_same_dish() -> None:
    image = card(SOUP)
    assert (image.format, image.size) == ("JPEG", SIZE)
    assert DrawnCards().paint(SOUP) == DrawnCards().paint(SOUP)
    assert DrawnCards().paint(SOUP) != DrawnCards().paint(Dish("Minestrone della nonna", "7.90"))


@pytest.mark.parametrize("kind", sorted(SERVED))
def test_every_kind_of_dish_is_drawn(kind: str) -> None:
    names = {
        "drink": "Green tea", "sweet": "Apple cake", "pizza": "Pizza", "soup": "酸辣湯", "noodles": "炸醬麵",
        "dumplings": "Pork dumplings", "rice": "Risotto", "salad": "Green salad", "fish": "Grilled salmon", "meat": "X",
    }  # fmt: skip
    assert kind_of(names[kind]) == kind
    plate = card(Dish(names[kind], None)).crop((200, 30, 440, 310))
    assert len(plate.quantize(16).getcolors() or []) > 3


def test_name_and_price_are_on_the_label() -> None:
    assert not is_blank(card(SOUP).crop(NAME).convert("RGB"))
    with_price, without = (
        card(Dish("Soup", price)).crop((500, *LABEL[1:])).convert("RGB") for price in ("7.90", None)
    )
    assert is_blank(without)
    assert not is_blank(with_price)


def test_a_long_name_is_wrapped_and_at_last_cut_but_never_runs_out_of_its_room() -> None:
    short = Lettering.fitted("Soup", 600, largest=76, smallest=44)
    wrapped = Lettering.fitted("Tagliatelle with the sauce of the house", 600, largest=76, smallest=44)
    cut = Lettering.fitted("Tagliatelle with the sauce of the house " * 4, 600, largest=76, smallest=44)
    one_word = Lettering.fitted("Rindfleischetikettierungsgesetzsuppe" * 2, 600, largest=76, smallest=44)
    assert [len(one.lines) for one in (short, wrapped, cut, one_word)] == [1, 2, 2, 1]
    assert cut.lines[-1].endswith("…")
    assert one_word.lines[-1].endswith("…")
    assert all(one.width <= 600 for one in (short, wrapped, cut, one_word))


def test_a_name_that_no_font_can_draw_is_left_out_and_the_rest_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lettering, "_system_fonts", list)
    image = card(Dish("三寶牛肉麵", "180"))
    assert is_blank(image.crop(NAME).convert("RGB"))
    assert not is_blank(image.crop((500, *LABEL[1:])).convert("RGB"))


def test_another_painter_is_plugged_in_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(painter(), DrawnCards)
    monkeypatch.setenv("MENUGEN_PAINTER", f"{__name__}:Redly")
    assert painter().paint(SOUP) == b"red Minestrone della casa"


@pytest.mark.parametrize("path", ["", "nowhere:At", "menugen.pictures:Nobody", "menugen.pictures"])
def test_a_painter_that_is_not_there_is_named(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENUGEN_PAINTER", path)
    with pytest.raises(ValueError, match=f"MENUGEN_PAINTER is '{path}'"):
        painter()
