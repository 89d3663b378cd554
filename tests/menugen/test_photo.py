"""What MenuGen makes of the bytes that people send as a photo."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from pathlib import Path

import pytest
from menugen.reading.photo import SIDE, opened
from menugen.reading.refusals import CorruptImage, NotAnImage, NothingToRead, TooLarge
from PIL import Image, ImageDraw

from tests.menugen.boxes import PHOTOS

SAMPLE = (PHOTOS / "sample-menu.jpg").read_bytes()


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def half_red(mode: str, size: tuple[int, int] = (400, 300)) -> Image.Image:
    """White, with its upper half red."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((0, 0, size[0], size[1] // 2 - 1), fill="red")
    return image.convert(mode)


def is_red(image: Image.Image, x: int, y: int) -> bool:
    red, green, blue = image.getpixel((x, y))  # type: ignore[misc]
    return red > 180 and green < 90 and blue < 90


def test_a_photo_is_brought_to_the_size_that_is_read_best() -> None:
    image = opened(encoded(half_red("RGB", (6000, 3000)), "JPEG"))
    assert (image.mode, image.size) == ("RGB", (SIDE, SIDE // 2))


@pytest.mark.parametrize(
    ("orientation", "red"), [(1, (200, 20)), (3, (200, 280)), (6, (280, 200)), (8, (20, 200))]
)
def test_the_camera_s_orientation_is_applied(orientation: int, red: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert is_red(opened(encoded(half_red("RGB"), "JPEG", exif=exif)), *red)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(
    "exif", [b"II*\0\xff\xff\xff\x7f", b"MM\0*\0\0\0\x08\xff\xff", b"no TIFF at all", b""]
)
def test_a_camera_that_writes_nonsense_beside_a_photo_spoils_nothing(exif: bytes) -> None:
    assert is_red(opened(encoded(half_red("RGB"), "JPEG", exif=b"Exif\0\0" + exif)), 200, 20)


@pytest.mark.parametrize("mode", ["1", "P"])
def test_thin_lines_of_a_scan_stay_when_it_is_shrunk(mode: str) -> None:
    scan = Image.new("L", (8000, 400), "white")
    for x in range(1, 8000, 8):
        scan.paste(0, (x, 0, x + 1, 400))
    shrunk = opened(encoded(scan.convert(mode), "PNG"))
    # One line of black in eight of white, at a quarter of the size: grey, and no line is left out.
    columns = shrunk.convert("L").crop((100, 50, 1900, 51)).tobytes()
    assert all(min(columns[x : x + 2]) < 250 for x in range(0, 1800, 2))


@pytest.mark.parametrize(
    "data",
    [
        encoded(half_red("CMYK"), "JPEG"),
        encoded(half_red("P"), "PNG"),
        encoded(half_red("RGBA"), "WEBP", lossless=True),
        encoded(half_red("P"), "GIF", save_all=True, append_images=[Image.new("P", (400, 300), 3)]),
    ],
    ids=["cmyk", "palette", "webp", "animation"],
)
def test_every_kind_of_colour_becomes_rgb_and_an_animation_its_first_frame(data: bytes) -> None:
    image = opened(data)
    assert image.mode == "RGB"
    assert is_red(image, 200, 20)
    assert not is_red(image, 200, 280)


def test_sixteen_bits_of_grey_keep_their_shades() -> None:
    rows = [(20_000).to_bytes(2, "little") * 100 * 50, (65_535).to_bytes(2, "little") * 100 * 50]
    image = Image.frombytes("I;16", (100, 100), b"".join(rows))
    grey = opened(encoded(image, "PNG"))
    assert [grey.getpixel((50, y)) for y in (10, 90)] == [(78, 78, 78), (255, 255, 255)]


def test_what_is_transparent_is_paper() -> None:
    image = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    assert opened(encoded(image, "PNG")).getpixel((50, 50)) == (255, 255, 255)


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", b"%PDF-1.7", b"\xff\xd8\xff", SAMPLE[1:]])
def test_what_is_no_image_is_refused_with_what_to_send(data: bytes) -> None:
    with pytest.raises(NotAnImage, match="send JPEG, PNG, WebP or GIF"):
        opened(data)


def test_a_photo_of_a_telephone_s_own_kind_is_named() -> None:
    with pytest.raises(NotAnImage, match="HEIC"):
        opened(b"\x00\x00\x00\x24ftypheic" + bytes(100))


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_jpeg_cut_off_is_refused(kept: float) -> None:
    with pytest.raises(CorruptImage, match="JPEG is damaged or cut off"):
        opened(SAMPLE[: int(len(SAMPLE) * kept)])


def test_a_png_with_bytes_altered_is_refused() -> None:
    data = bytearray(encoded(Image.effect_noise((300, 300), 80), "PNG"))
    data[len(data) // 2 : len(data) // 2 + 40] = random.Random(3).randbytes(40)
    with pytest.raises(CorruptImage, match="PNG"):
        opened(bytes(data))


def test_a_bomb_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    # As in the example's own process: the platform, which may be in this one, sets its own.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(TooLarge, match=r"20000 x 20000 pixels, and at most 64 million"):
        opened(encoded(Image.new("1", (20_000, 20_000)), "PNG"))


@pytest.mark.parametrize("size", [(1, 1), (2000, 20), (31, 400)])
def test_an_image_too_small_for_text_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(NothingToRead, match=f"{size[0]} x {size[1]} pixels"):
        opened(encoded(Image.new("RGB", size), "PNG"))


_MEASURED = """
import resource, sys
from pathlib import Path
from menugen.reading.photo import opened
opened(Path(sys.argv[2]).read_bytes())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
size = opened(Path(sys.argv[1]).read_bytes()).size
print(size, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="getrusage tells other units elsewhere")
def test_forty_million_pixels_take_little_memory(tmp_path: Path) -> None:
    photo = tmp_path / "large.jpg"
    half_red("RGB", (7300, 5480)).save(photo, "JPEG")
    command = [sys.executable, "-c", _MEASURED, str(photo), str(PHOTOS / "sample-menu.jpg")]
    environment = {"PYTHONPATH": str(PHOTOS.parent)}
    said = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    size, _, megabytes = said.strip().rpartition(" ")
    assert size == "(2000, 1501)"
    assert int(megabytes) < 40, (
        f"decoded whole, it takes 120 MB; it took {megabytes} MB more than a small one"
    )
