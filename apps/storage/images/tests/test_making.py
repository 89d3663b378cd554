"""What comes out: upright, in the right colours, of the right size, and with nothing said about it."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from apps.storage.images.tests.pictures import (
    BLUE,
    GREEN,
    RED,
    UPRIGHT,
    WHITE,
    close,
    corners,
    encoded,
    exif,
    made_of,
    seen,
    swapped_profile,
    texts,
)

#: How the picture lies in the file when it was taken with the camera held like that.
LYING = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", LYING)
def test_every_picture_is_turned_upright(orientation: int) -> None:
    turn = LYING[orientation]
    lying = corners((1200, 800)).transpose(turn) if turn is not None else corners((1200, 800))
    image, _ = made_of(encoded(lying, "JPEG", exif=exif(orientation)), width=120, format="png")
    assert image.size == (120, 80)
    assert close(seen(image), UPRIGHT)
    top, _ = made_of(
        encoded(lying, "JPEG", exif=exif(orientation)), width=100, height=20, fit="cover", crop="top"
    )
    assert close(seen(top), (RED, GREEN, RED))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("wanted", ["webp", "jpeg", "png", "avif"])
def test_what_a_camera_says_about_a_picture_does_not_come_along(kind: str, wanted: str) -> None:
    profile = swapped_profile()
    more: dict[str, Any] = {"pnginfo": texts(Author="made-up author")} if kind == "PNG" else {}
    more |= {"comment": "made-up author"} if kind == "JPEG" else {}
    content = encoded(
        corners(), kind, exif=exif(1), icc_profile=profile, xmp=b"<x>made-up author</x>", **more
    )
    assert b"telephone" in content
    image, result = made_of(content, width=60, format=wanted)
    assert dict(image.getexif()) == {}
    assert not {"icc_profile", "comment", "xmp", "Author"} & set(image.info)
    for said in (b"telephone", b"made-up", b"Exif", profile[200:260]):
        assert said not in result
    assert image.format == wanted.upper()


def test_a_colour_profile_becomes_srgb() -> None:
    content = encoded(corners(), "PNG", icc_profile=swapped_profile())
    image, _ = made_of(content, width=60, format="png")
    assert close(seen(image), (GREEN, RED, BLUE), by=40)


@pytest.mark.parametrize("profile", [b"no profile at all", swapped_profile()[:300]])
def test_a_broken_profile_means_srgb(profile: bytes) -> None:
    image, _ = made_of(encoded(corners(), "PNG", icc_profile=profile), width=60, format="png")
    assert close(seen(image), UPRIGHT)


def test_a_cmyk_jpeg_is_shown_in_its_colours() -> None:
    content = encoded(corners((240, 160)).convert("CMYK"), "JPEG", quality=95)
    image, _ = made_of(content, width=60, format="jpeg", quality=95)
    assert image.mode == "RGB"
    assert close(seen(image), UPRIGHT, by=30)


def test_sixteen_bits_of_grey_are_not_all_white() -> None:
    row = b"\x00\x40" * 20 + b"\x00\x80" * 20
    grey = Image.frombytes("I;16", (40, 40), row * 40)
    image, _ = made_of(encoded(grey), width=20, format="png")
    assert close(seen(image), ((64,) * 3, (128,) * 3, (64,) * 3))


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_other_modes_are_shown_as_they_are(mode: str) -> None:
    image, _ = made_of(encoded(corners().convert("L").convert(mode)), width=60, format="png")
    assert close(seen(image)[0], {"1": seen(image)[0]}.get(mode, (76,) * 3))
    assert close(image.convert("RGB").getpixel((55, 35)), WHITE)


def see_through(mode: str) -> bytes:
    """Its left half is red, its right one nothing."""
    made = Image.new("RGBA", (80, 40), (0, 0, 0, 0))
    made.paste((255, 0, 0, 255), (0, 0, 40, 40))
    if mode != "P":
        return encoded(made.convert(mode))
    palette = Image.new("P", (80, 40), 1)
    palette.putpalette([255, 0, 0, 0, 0, 0])
    palette.paste(0, (0, 0, 40, 40))
    return encoded(palette, transparency=1)


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_transparency_stays_or_becomes_the_ground(mode: str) -> None:
    kept, _ = made_of(see_through(mode), width=40, format="webp")
    assert kept.convert("RGBA").getpixel((35, 10))[3] == 0  # type: ignore[index]
    assert close(kept.convert("RGBA").getpixel((5, 10)), (254, 0, 0, 255))
    white, _ = made_of(see_through(mode), width=40, format="jpeg")
    assert close(white.getpixel((35, 10)), WHITE)
    blue, _ = made_of(see_through(mode), width=40, format="png", background="#0000ff")
    assert close(blue.getpixel((35, 10)), BLUE)


def test_of_an_animation_the_first_frame_is_seen() -> None:
    frames = [Image.new("RGB", (40, 30), color) for color in (RED, GREEN, BLUE)]
    for kind in ("GIF", "WEBP"):
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
        image, _ = made_of(content, width=20, format="webp")
        assert (getattr(image, "n_frames", 1), image.size) == (1, (20, 15))
        assert close(seen(image), (RED, RED, RED))


@pytest.mark.parametrize(
    ("recipe", "size", "colors"),
    [
        ({"width": 60}, (60, 40), UPRIGHT),
        ({"height": 40}, (60, 40), UPRIGHT),
        ({"width": 60, "height": 60}, (60, 40), UPRIGHT),
        ({"width": 60, "height": 60, "fit": "contain", "background": "#00ff00"}, (60, 60), UPRIGHT),
        ({"width": 40, "height": 40, "fit": "cover"}, (40, 40), UPRIGHT),
        ({"width": 30, "height": 60, "fit": "cover", "crop": "left"}, (30, 60), (RED, RED, BLUE)),
        ({"width": 30, "height": 60, "fit": "cover", "crop": "right"}, (30, 60), (GREEN, GREEN, WHITE)),
        ({"width": 60, "height": 10, "fit": "cover", "crop": "bottom"}, (60, 10), (BLUE, WHITE, BLUE)),
        ({"width": 1200}, (120, 80), UPRIGHT),
        ({"width": 1200, "upscale": True}, (1200, 800), UPRIGHT),
        ({"width": 400, "height": 400, "fit": "cover"}, (80, 80), UPRIGHT),
        ({"width": 400, "height": 400, "fit": "cover", "upscale": True}, (400, 400), UPRIGHT),
    ],
)
def test_the_size_is_as_asked_and_never_larger_unasked(
    recipe: dict[str, object], size: tuple[int, int], colors: tuple[object, ...]
) -> None:
    image, _ = made_of(encoded(corners()), format="png", **recipe)
    assert image.size == size
    assert close(seen(image), colors)


def test_what_is_contained_lies_in_the_middle() -> None:
    image, _ = made_of(encoded(corners()), width=200, height=200, fit="contain", format="png")
    assert image.size == (200, 200)
    alpha = image.getchannel("A")
    assert alpha.getbbox() == (40, 60, 160, 140)


@pytest.mark.parametrize("size", [(3000, 1), (1, 3000), (1, 1)])
@pytest.mark.parametrize("fit", ["inside", "contain", "cover"])
@pytest.mark.parametrize("upscale", [False, True])
def test_the_thinnest_image_becomes_no_giant(size: tuple[int, int], fit: str, upscale: bool) -> None:
    content = encoded(Image.new("RGB", size, RED))
    image, _ = made_of(content, width=300, height=200, fit=fit, upscale=upscale, format="png")
    assert 1 <= image.width <= 300
    assert 1 <= image.height <= 200


def test_a_giant_of_one_side_stays_within_the_limit() -> None:
    image, _ = made_of(encoded(Image.new("RGB", (10, 3000), RED)), width=4096, upscale=True)
    assert max(image.size) == 4096
