"""Make sample-menu.jpg: a menu that nobody serves, printed, laid on a table and photographed by hand.

Run `.venv/bin/python photos/make_sample.py` in examples/menugen. It writes the photo and, beside it, what is on it.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
SIZE = (1500, 2000)
PAGE = (1240, 1754)
NAME = "Trattoria La Mula"
SECTIONS = {
    "ANTIPASTI": [
        ("Bruschetta al pomodoro", "6.50", "grilled bread, tomatoes, basil"),
        ("Caprese di bufala", "9.80", "with oil from our own trees"),
        ("Carpaccio di manzo", "12.40", "rocket, lemon, shavings of parmesan"),
    ],
    "PRIMI": [
        ("Minestrone della casa", "7.90", "whatever the garden gave today"),
        ("Tagliatelle alla bolognese", "13.20", "cooked for five hours"),
        ("Gnocchi al gorgonzola", "12.80", "walnuts and sage"),
        ("Risotto ai funghi porcini", "15.60", "twenty minutes, and worth it"),
    ],
    "SECONDI": [
        ("Branzino al forno", "21.50", "with fennel and potatoes"),
        ("Saltimbocca alla romana", "19.70", "veal, ham, sage, white wine"),
        ("Pollo alla cacciatora", "17.30", "olives, tomatoes, rosemary"),
    ],
    "DOLCI": [
        ("Panna cotta al caramello", "6.20", "made this morning"),
        ("Torta di mandorle", "5.90", "almonds, and no flour"),
    ],
}
_INK, _RED, _GREY = "#2c2621", "#8e2f24", "#6f665c"


def main() -> None:
    page = np.asarray(_printed())
    photo = _developed(_lit(_on_the_table(page)))
    Image.fromarray(photo).save(HERE / "sample-menu.jpg", quality=80, optimize=True)
    dishes = [{"name": name, "price": price} for section in SECTIONS.values() for name, price, _ in section]
    (HERE / "sample-menu.json").write_text(json.dumps({"language": "it", "dishes": dishes}, indent=1) + "\n")


def _printed() -> Image.Image:
    page = Image.new("RGB", PAGE, "#f6f0e2")
    draw = ImageDraw.Draw(page)
    draw.rectangle((40, 40, PAGE[0] - 40, PAGE[1] - 40), outline=_RED, width=4)
    draw.text((PAGE[0] / 2, 130), NAME, _RED, ImageFont.load_default(76), anchor="mm")
    draw.text(
        (PAGE[0] / 2, 196), "Via dei Basti 9, open from noon", _GREY, ImageFont.load_default(28), anchor="mm"
    )
    top = 262
    for heading, dishes in SECTIONS.items():
        draw.text((PAGE[0] / 2, top), heading, _RED, ImageFont.load_default(36), anchor="mm")
        top += 36
        for dish in dishes:
            _print_dish(draw, top, *dish)
            top += 93
        top += 34
    note = "Bread is on the house. Tell us what you must not eat."
    draw.text((PAGE[0] / 2, PAGE[1] - 90), note, _GREY, ImageFont.load_default(26), anchor="mm")
    return page


def _print_dish(draw: ImageDraw.ImageDraw, top: int, name: str, price: str, about: str) -> None:
    left, right = 130, PAGE[0] - 130
    font, small = ImageFont.load_default(38), ImageFont.load_default(26)
    draw.text((left, top), name, _INK, font)
    draw.text((right, top), price, _INK, font, anchor="ra")
    start, end = left + font.getlength(name) + 16, right - font.getlength(price) - 16
    for x in range(int(start), int(end), 14):
        draw.ellipse((x, top + 36, x + 3, top + 39), fill=_GREY)
    draw.text((left, top + 48), about, _GREY, small)


def _on_the_table(page: np.ndarray) -> np.ndarray:
    """Held by hand: turned a little, and nearer at one side."""
    width, height = PAGE
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    seen = np.array([[190, 150], [1330, 95], [1418, 1868], [96, 1912]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(corners, seen)
    photo = _wood()
    shadow = np.zeros(SIZE[::-1], dtype=np.float32)
    cv2.fillConvexPoly(shadow, (seen + np.array([16, 22])).astype(np.int32), 0.6)
    photo = photo * (1 - cv2.GaussianBlur(shadow, (0, 0), 16))[..., None]
    mask = cv2.warpPerspective(np.ones(page.shape[:2], dtype=np.float32), matrix, SIZE)[..., None]
    laid = cv2.warpPerspective(page, matrix, SIZE, flags=cv2.INTER_AREA).astype(np.float32)
    return photo * (1 - mask) + laid * mask


def _wood() -> np.ndarray:
    chance = np.random.default_rng(1)
    grain = cv2.GaussianBlur(chance.normal(0, 60, (SIZE[1], 1)).repeat(SIZE[0], axis=1), (0, 0), 5)
    wave = cv2.GaussianBlur(chance.normal(0, 300, SIZE[::-1]), (0, 0), 24)
    return np.clip(np.array([112.0, 78.0, 50.0]) + (grain + wave)[..., None], 0, 255).astype(np.float32)


def _lit(photo: np.ndarray) -> np.ndarray:
    """A lamp at the upper left, and the shadow of an arm at the lower right."""
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]].astype(np.float32)
    lamp = 1.12 - 0.42 * np.hypot(x / SIZE[0] - 0.25, y / SIZE[1] - 0.2)
    arm = 1 - 0.22 / (1 + np.exp(-(x + 0.7 * y - 2350) / 90))
    return photo * (lamp * arm)[..., None] * np.array([1.02, 1.0, 0.93])


def _developed(photo: np.ndarray) -> np.ndarray:
    blurred = cv2.GaussianBlur(photo, (0, 0), 0.9)
    noise = np.random.default_rng(2).normal(0, 4, blurred.shape)
    return np.clip(blurred + noise, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
