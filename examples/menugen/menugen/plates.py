"""What lies on the plate: a few simple things seen from above, chosen by the words of a dish's name."""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Callable, Iterator

from PIL import ImageDraw

Draw = ImageDraw.ImageDraw
Point = tuple[int, int]
Serve = Callable[[Draw, Point, int, str, random.Random], None]

_CHINA, _RIM = "#f7f4ee", "#e2dbcf"
_SHADOW = "#241f1c"
_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
_GREENS = ("#4f8a3d", "#6aa84f", "#8cbf5f", "#3c6e33")
_BROWNS = ("#8a4b2a", "#a65e34", "#6f3b22")

# The first kind with a word in the name; a menu's words in the languages that menus are mostly printed in.
_WORDS = (
    (
        "drink",
        r"tea|coffee|espresso|cappuccino|beer|wine|vino|birra|juice|water|lemonade|soda|茶|咖啡|酒|汁|奶",
    ),
    (
        "sweet",
        r"cake|tart|tiramis|gelato|ice cream|pudding|panna|dessert|cheesecake|donut|pancake|cookie|糕|冰|甜",
    ),
    ("pizza", r"pizza|margherita|focaccia|flatbread|餅|饼|pie"),
    ("soup", r"soup|broth|minestrone|zuppa|chowder|bisque|湯$|汤$|羹$"),
    (
        "noodles",
        r"noodle|spaghetti|tagliatelle|linguine|lo mein|chow|pasta|penne|lasagne|ramen|pho|gnocchi|麵|面|粉",
    ),
    ("dumplings", r"dumpling|wonton|ravioli|tortellini|egg roll|spring roll|gyoza|餃|饺|餛飩|包|抄手|炒手"),
    ("rice", r"rice|risotto|paella|biryani|飯|饭"),
    ("salad", r"salad|insalata|vegetable|greens|broccoli|spinach|tofu|bean|caprese|菜|豆"),
    ("fish", r"fish|salmon|shrimp|prawn|tuna|trout|branzino|scallop|lobster|crab|calamari|魚|鱼|蝦|虾"),
)


def kind_of(name: str) -> str:
    """Which of SERVED a dish looks like; "meat" when its name tells nothing."""
    lower = name.lower()
    return next((kind for kind, words in _WORDS if re.search(words, lower)), "meat")


def luck(name: str) -> random.Random:
    """Chance that is the same for the same name, on every machine."""
    return random.Random(hashlib.sha256(name.encode()).digest())  # noqa: S311 - a drawing, no secret


def _disc(
    draw: Draw, at: Point, radius: float, fill: str, outline: str | None = None, width: int = 1
) -> None:
    x, y = at
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill, outline=outline, width=width)


def _plate(draw: Draw, at: Point, radius: int) -> None:
    _disc(draw, (at[0] + radius // 16, at[1] + radius // 12), radius, _SHADOW)
    _disc(draw, at, radius, _CHINA)
    _disc(draw, at, radius * 0.76, _CHINA, _RIM, max(3, radius // 40))


def _bowl(draw: Draw, at: Point, radius: int, content: str) -> None:
    _disc(draw, (at[0] + radius // 16, at[1] + radius // 12), radius, _SHADOW)
    _disc(draw, at, radius, _CHINA)
    _disc(draw, at, radius * 0.86, _RIM)
    _disc(draw, at, radius * 0.82, content)


def _around(at: Point, distance: float, angle: float) -> Point:
    return int(at[0] + distance * math.cos(angle)), int(at[1] + distance * math.sin(angle))


def _scattered(at: Point, radius: float, count: int, chance: random.Random) -> Iterator[Point]:
    """Points spread evenly over a disc, as seeds lie in a sunflower, each a little out of its place."""
    turn = chance.random() * math.tau
    for number in range(count):
        away = radius * math.sqrt((number + chance.random()) / count)
        yield _around(at, away, turn + number * _GOLDEN_ANGLE + chance.uniform(-0.3, 0.3))


def _leaf(draw: Draw, at: Point, size: float, angle: float, fill: str) -> None:
    """Two arcs between a stem and a tip, with a rib."""
    steps = [number / 12 for number in range(13)]
    edge = [(step * size, math.sin(step * math.pi) * size * 0.28) for step in steps]
    outline = edge + [(x, -y) for x, y in reversed(edge)]
    cos, sin = math.cos(angle), math.sin(angle)
    draw.polygon([(at[0] + x * cos - y * sin, at[1] + x * sin + y * cos) for x, y in outline], fill=fill)
    draw.line((*at, at[0] + size * 0.9 * cos, at[1] + size * 0.9 * sin), fill="#dfe8c8", width=3)


def _garnish(draw: Draw, at: Point, radius: float, chance: random.Random, leaves: int = 3) -> None:
    start = chance.random() * math.tau
    for number in range(leaves):
        _leaf(draw, at, radius * 0.34, start + number * 2.1, chance.choice(_GREENS))


def _soup(draw: Draw, at: Point, radius: int, accent: str, chance: random.Random) -> None:
    _bowl(draw, at, radius, accent)
    for spot in _scattered(at, radius * 0.68, 16, chance):
        _disc(draw, spot, radius * chance.uniform(0.02, 0.05), "#fff3c9")
    for spot in _scattered(at, radius * 0.62, 9, chance):
        _disc(draw, spot, radius * 0.06, chance.choice(_GREENS))
        _disc(draw, spot, radius * 0.03, accent)
    _garnish(draw, at, radius, chance)


def _noodles(draw: Draw, at: Point, radius: int, accent: str, chance: random.Random) -> None:
    _bowl(draw, at, radius, chance.choice(_BROWNS))
    for centre in _scattered(at, radius * 0.34, 46, chance):
        reach, begin = radius * chance.uniform(0.14, 0.42), chance.randrange(360)
        box = (centre[0] - reach, centre[1] - reach, centre[0] + reach, centre[1] + reach)
        draw.arc(box, begin, begin + chance.randrange(120, 260), fill="#b98a3c", width=radius // 18)
        draw.arc(box, begin, begin + chance.randrange(120, 260), fill="#f3d58b", width=radius // 24)
    for spot in _scattered(at, radius * 0.42, 5, chance):
        _disc(draw, spot, radius * 0.07, accent)
    _garnish(draw, at, radius, chance)


def _rice(draw: Draw, at: Point, radius: int, accent: str, chance: random.Random) -> None:
    _plate(draw, at, radius)
    _disc(draw, at, radius * 0.6, "#efe3c8")
    for x, y in _scattered(at, radius * 0.58, 420, chance):
        angle, length = chance.random() * math.tau, radius * 0.05
        end = (x + length * math.cos(angle), y + length * math.sin(angle))
        draw.line((x, y, *end), fill=chance.choice(("#fffaf0", "#f6ecd4", "#e6d6b0")), width=radius // 34)
    for spot in _scattered(at, radius * 0.5, 18, chance):
        _disc(draw, spot, radius * 0.045, chance.choice((accent, *_GREENS, *_BROWNS)))
    _garnish(draw, at, radius, chance)


def _pizza(draw: Draw, at: Point, radius: int, accent: str, chance: random.Random) -> None:
    _plate(draw, at, radius)
    _disc(draw, at, radius * 0.86, "#c98b45")
    _disc(draw, at, radius * 0.77, "#c2452d")
    for spot in _scattered(at, radius * 0.64, 26, chance):
        _disc(draw, spot, radius * chance.uniform(0.06, 0.13), "#fbeec4")
    for spot in _scattered(at, radius * 0.58, 7, chance):
        _disc(draw, spot, radius * 0.09, accent, "#a63b26", 5)
    for spot in _scattered(at, radius * 0.5, 6, chance):
        _leaf(draw, spot, radius * 0.2, chance.random() * math.tau, chance.choice(_GREENS))


def _dumplings(draw: Draw, at: Point, radius: int, accent: str, chance: random.Random) -> None:
    _plate(draw, at, radius)
    for number in range(6):
        x, y = _around(at, radius * 0.46, number * math.tau / 6)
        size = radius * 0.21
        _disc(draw, (x, y), size, "#ead2a0", "#c9a766", 5)
        for fold in range(-2, 3):
            draw.line((x + fold * size * 0.3, y - size * 0.6, x, y + size * 0.35), fill="#c9a766", width=5)
    _disc(draw, at, radius * 0.2, _RIM)
    _disc(draw, at, radius * 0.17, chance.choice((accent, "#5a2f1c")))


def _salad(draw: Draw, at: Point, radius: int, accent: str, chance: random.Random) -> None:
    _bowl(draw, at, radius, "#35552c")
    for spot in _scattered(at, radius * 0.56, 54, chance):
        _leaf(
            draw, spot, radius * chance.uniform(0.2, 0.34), chance.random() * math.tau, chance.choice(_GREENS)
        )
    for spot in _scattered(at, radius * 0.55, 7, chance):
        _disc(draw, spot, radius * 0.09, "#d6452f")
        _disc(draw, spot, radius * 0.06, "#ea7a5a")
    for spot in _scattered(at, radius * 0.55, 6, chance):
        _disc(draw, spot, radius * 0.05, chance.choice((accent, "#fbf3df")))


def _fish(draw: Draw, at: Point, radius: int, accent: str, chance: random.Random) -> None:
    _plate(draw, at, radius)
    x, y = at
    _leaf(draw, (int(x - radius * 0.62), y), radius * 1.1, 0, "#e58e6b")
    for number in range(5):
        line = x - radius * 0.3 + number * radius * 0.14
        draw.arc(
            (line, y - radius * 0.16, line + radius * 0.16, y + radius * 0.16),
            270,
            90,
            fill="#f6c3a4",
            width=7,
        )
    draw.polygon(
        [(x + radius * 0.4, y), (x + radius * 0.68, y - radius * 0.2), (x + radius * 0.68, y + radius * 0.2)],
        fill="#cf7553",
    )
    lemon = _around(at, radius * 0.5, -1.9)
    _disc(draw, lemon, radius * 0.17, "#f4d03f", "#fff6c8", 8)
    for number in range(6):
        draw.line((*lemon, *_around(lemon, radius * 0.15, number * math.tau / 6)), fill="#fff6c8", width=4)
    _garnish(draw, _around(at, radius * 0.45, 1.2), radius, chance)
    _disc(draw, _around(at, radius * 0.5, 2.3), radius * 0.1, accent)


def _meat(draw: Draw, at: Point, radius: int, accent: str, chance: random.Random) -> None:
    _plate(draw, at, radius)
    brown = chance.choice(_BROWNS)
    _disc(draw, at, radius * 0.62, accent)
    for x, y in _scattered(at, radius * 0.4, 11, chance):
        wide, high = radius * chance.uniform(0.13, 0.2), radius * chance.uniform(0.1, 0.15)
        draw.ellipse((x - wide, y - high, x + wide, y + high), fill=brown, outline="#4c2817", width=4)
        draw.arc(
            (x - wide * 0.7, y - high * 0.7, x + wide * 0.7, y + high * 0.7),
            190,
            300,
            fill="#d99a6c",
            width=6,
        )
    for spot in _scattered(at, radius * 0.5, 14, chance):
        _disc(draw, spot, radius * 0.025, "#fff3d6")
    _garnish(draw, at, radius, chance)


def _sweet(draw: Draw, at: Point, radius: int, accent: str, chance: random.Random) -> None:
    _plate(draw, at, radius)
    x, y = at
    half, deep = radius * 0.42, radius * 0.34
    for number, colour in enumerate(("#7b4a2d", "#f6e7c8", "#7b4a2d", "#f6e7c8")):
        top = y - deep + number * deep / 2
        draw.rounded_rectangle((x - half, top, x + half, top + deep / 2), radius=14, fill=colour)
    draw.rounded_rectangle((x - half, y - deep - 16, x + half, y - deep + 22), radius=16, fill="#5a3320")
    _disc(draw, (int(x + half * 0.4), int(y - deep - 20)), radius * 0.1, "#c5283d")
    _garnish(draw, (int(x + half * 0.15), int(y - deep - 10)), radius * 0.6, chance, leaves=2)
    for _ in range(12):
        _disc(
            draw,
            _around(at, radius * 0.62, chance.random() * math.tau),
            radius * 0.03,
            chance.choice((accent, "#c5283d")),
        )


def _drink(draw: Draw, at: Point, radius: int, accent: str, chance: random.Random) -> None:
    _plate(draw, at, int(radius * 0.9))
    x, y = at
    draw.rounded_rectangle(
        (x + radius * 0.4, y - radius * 0.12, x + radius * 0.82, y + radius * 0.12), radius=24, fill=_RIM
    )
    _disc(draw, at, radius * 0.56, "#ffffff", _RIM, 8)
    _disc(draw, at, radius * 0.47, chance.choice((accent, *_BROWNS)))
    draw.arc(
        (x - radius * 0.3, y - radius * 0.3, x + radius * 0.3, y + radius * 0.3),
        200,
        300,
        fill="#fff3d6",
        width=9,
    )


#: How each kind is drawn: on a canvas, around a point, with a radius, an accent colour and the dish's own chance.
SERVED: dict[str, Serve] = {
    "drink": _drink,
    "sweet": _sweet,
    "pizza": _pizza,
    "soup": _soup,
    "noodles": _noodles,
    "dumplings": _dumplings,
    "rice": _rice,
    "salad": _salad,
    "fish": _fish,
    "meat": _meat,
}
