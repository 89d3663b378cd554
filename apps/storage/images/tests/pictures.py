"""Images that the tests make themselves, and what is made of them."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image, ImageCms, PngImagePlugin

from apps.storage.images.drawing import draw
from apps.storage.images.opening import open_image
from apps.storage.images.recipes import Recipe
from apps.storage.images.saving import save

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
#: The letters of the corners of `corners()`, as they are seen: top left, top right, bottom left.
UPRIGHT = (RED, GREEN, BLUE)
_ORIENTATION, _GPS, _MAKE = 0x0112, 0x8825, 0x010F


def corners(size: tuple[int, int] = (120, 80)) -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right."""
    made = Image.new("RGB", size, WHITE)
    across, down = size[0] // 2, size[1] // 2
    for color, place in ((RED, (0, 0)), (GREEN, (across, 0)), (BLUE, (0, down))):
        made.paste(color, (*place, place[0] + across, place[1] + down))
    return made


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of `image` in a format."""
    sink = BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    """What a telephone says of a picture: how it was held, who made it, and where."""
    made = Image.Exif()
    made[_ORIENTATION], made[_MAKE] = orientation, "made-up telephone"
    made.get_ifd(_GPS).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    return made


def bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """A PNG of a few bytes that says it has so many pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def webp_bomb() -> bytes:
    """A WebP whose header says that its canvas has 2^28 pixels."""
    body = struct.pack("<I", 0) + (16383).to_bytes(3, "little") * 2
    chunk = b"VP8X" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def many_scans(count: int) -> bytes:
    """A small JPEG that has its whole picture gone over so many times."""
    plain = encoded(Image.new("L", (6000, 6000), 128), "JPEG", progressive=True)
    last = plain[plain.rindex(b"\xff\xda") : -2]
    return plain[:-2] + last * count + plain[-2:]


def texts(**said: str) -> PngImagePlugin.PngInfo:
    """Texts in a PNG."""
    made = PngImagePlugin.PngInfo()
    for name, text in said.items():
        made.add_text(name, text)
    return made


def swapped_profile() -> bytes:
    """A colour profile in which red means green: whoever ignores it gets the colours wrong."""
    plain = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # The table of tags names rXYZ and gXYZ, each with where its numbers are.
    red, green = plain.index(b"rXYZ"), plain.index(b"gXYZ")
    plain[red : red + 4], plain[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(plain)


def made_of(content: bytes, **recipe: Any) -> tuple[Image.Image, bytes]:
    """What is made of `content`, here instead of in a process of its own: the image, and its bytes. Raises Refused."""
    with TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        source.write_bytes(content)
        with open_image(source) as opened:
            save(draw(opened, Recipe(**recipe)), target, Recipe(**recipe))
        result = target.read_bytes()
    image = Image.open(BytesIO(result))
    image.load()
    return image, result


def seen(image: Image.Image) -> tuple[tuple[int, ...], ...]:
    """The colours a little inside of the corners: top left, top right, bottom left."""
    plain = image.convert("RGB")
    across, down = image.width // 4, image.height // 4
    places = ((across, down), (image.width - across, down), (across, image.height - down))
    return tuple(_pixel(plain, place) for place in places)


def close(one: Any, other: Any, by: int = 12) -> bool:
    """True when two colours, or lists of colours, look the same."""
    if isinstance(one, int):
        return bool(abs(one - other) <= by)
    return len(one) == len(other) and all(close(a, b, by) for a, b in zip(one, other, strict=True))


def _pixel(image: Image.Image, place: tuple[int, int]) -> tuple[int, ...]:
    found = image.getpixel(place)
    assert isinstance(found, tuple)
    return tuple(int(part) for part in found)
