"""Whole photos, read by the example's own Python with its own packages, and without a network."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.menugen.demo import EXAMPLE, ROOT, SAMPLE, make_ready
from tests.menugen.matching import compare

OTHERS = ROOT.parent / "shared" / "menus"

pytestmark = pytest.mark.slow
Read = Callable[[Path], dict[str, Any]]


@dataclass
class Photographer:
    """The sample, changed and stored."""

    folder: Path

    def turned(self, degrees: float) -> Path:
        """Anticlockwise, on a larger sheet."""
        image = Image.open(SAMPLE).rotate(degrees, expand=True, fillcolor="#6b4a30")
        return self.stored(image, f"turned{degrees}.jpg")

    def stored(self, image: Image.Image, name: str) -> Path:
        image.save(self.folder / name, quality=90)
        return self.folder / name


@pytest.fixture(scope="module")
def read() -> Iterator[Read]:
    """Read the photo at a path. One process for all of them: the models take a second to load."""
    make_ready()
    command = [EXAMPLE / ".venv" / "bin" / "python", Path(__file__).with_name("child.py")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={"PYTHONPATH": str(EXAMPLE)}, **pipes) as child:  # type: ignore[call-overload]

        def answer(path: Path) -> dict[str, Any]:
            child.stdin.write(f"{path}\n")
            child.stdin.flush()
            said: dict[str, Any] = json.loads(child.stdout.readline())
            return said

        yield answer
        child.stdin.close()


@pytest.fixture
def photographer(tmp_path: Path) -> Photographer:
    return Photographer(tmp_path)


def sample() -> list[dict[str, Any]]:
    dishes: list[dict[str, Any]] = json.loads(SAMPLE.with_suffix(".json").read_text())["dishes"]
    return dishes


def test_every_dish_of_the_sample_is_read(read: Read) -> None:
    menu = read(SAMPLE)
    result = compare(sample(), menu["dishes"])
    assert (result.named, result.priced, result.invented, menu["turned"]) == (12, 12, 0, 0), result


@pytest.mark.parametrize(
    ("degrees", "turn"),
    [
        (90, 90),
        pytest.param(180, 180, marks=pytest.mark.menugen),
        pytest.param(270, 270, marks=pytest.mark.menugen),
    ],
)
def test_a_photo_that_lies_on_its_side_is_turned(
    degrees: int, turn: int, read: Read, photographer: Photographer
) -> None:
    menu = read(photographer.turned(degrees))
    assert menu["turned"] == turn
    result = compare(sample(), menu["dishes"])
    assert result.priced >= 11, result
    assert result.invented == 0, result


@pytest.mark.menugen
@pytest.mark.parametrize("degrees", [-7, 6])
def test_a_photo_held_askew_is_read(degrees: float, read: Read, photographer: Photographer) -> None:
    menu = read(photographer.turned(degrees))
    assert menu["turned"] == 0
    result = compare(sample(), menu["dishes"])
    assert result.priced >= 11, result


@pytest.mark.menugen
def test_a_large_photo_is_read(read: Read, photographer: Photographer) -> None:
    large = Image.open(SAMPLE).resize((5500, 7334))
    result = compare(sample(), read(photographer.stored(large, "large.jpg"))["dishes"])
    assert result.priced >= 11, result


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGB", (900, 1200), "#f4f1ea"),
        pytest.param(Image.effect_noise((900, 1200), 40), marks=pytest.mark.menugen),
    ],
)
def test_a_blank_page_says_so(image: Image.Image, read: Read, photographer: Photographer) -> None:
    answer = read(photographer.stored(image, "blank.jpg"))
    assert answer["error"] == "nothing_to_read"
    assert "photo" in answer["message"]


@pytest.mark.menugen
def test_text_that_is_no_menu_is_no_menu(read: Read, photographer: Photographer) -> None:
    heading = Image.open(SAMPLE).crop((400, 150, 1100, 330))
    answer = read(photographer.stored(heading, "heading.jpg"))
    assert answer["error"] == "nothing_to_read"
    assert "no dish with a price" in answer["message"]


def test_what_is_no_image_ends_in_a_refusal_too(read: Read, tmp_path: Path) -> None:
    page = tmp_path / "page.jpg"
    page.write_text("<html>not found</html>")
    assert read(page)["error"] == "not_an_image"


@pytest.mark.parametrize(
    ("number", "names", "prices"),
    [
        ("01", 0.9, 0.85),
        pytest.param("02", 0.9, 0.85, marks=pytest.mark.menugen),
        pytest.param("03", 0.8, 0.8, marks=pytest.mark.menugen),
    ],
)
def test_other_people_s_menus(number: str, names: float, prices: float, read: Read) -> None:
    photo = OTHERS / f"menu-{number}.jpg"
    if not photo.exists():
        pytest.skip(f"There is no {photo.name} beside the repository.")
    result = compare(json.loads(photo.with_suffix(".json").read_text())["dishes"], read(photo)["dishes"])
    assert result.named / result.listed >= names, result
    assert result.priced / result.listed >= prices, result
    assert result.invented <= 0.05 * result.listed, result
