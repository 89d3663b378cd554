"""Opening an image of a stranger's: only kinds that are known, and only when it is not too large, by its header."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import AvifImagePlugin, Image, ImageFile, WebPImagePlugin  # noqa: F401 - plugins that are needed

from apps.storage.images.refusals import Damaged, NotAnImage, TooLarge

#: What is decoded at most: 50 megapixels, which are 200 MB with transparency.
MOST_PIXELS = 50_000_000
_HEAD = 32
_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (8, b"WEBP", "WEBP"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (0, b"BM", "BMP"),
)


def open_image(path: Path) -> Image.Image:
    """The image at `path`, of which only the header was read; of an animated one the first frame is seen.

    Raises NotAnImage, TooLarge and Damaged.
    """
    _be_strict()
    with path.open("rb") as file:
        head = file.read(_HEAD)
    kind = kind_of(head)
    if kind == "WEBP":
        # Its library makes room for the whole picture as soon as it is opened.
        require_small(_webp_size(head))
    try:
        image = Image.open(path, formats=(kind,))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooLarge(f"It has more than {MOST_PIXELS} pixels.") from None
    except MemoryError:
        raise
    except Exception as failure:  # noqa: BLE001 - whatever a plugin says of a broken header
        raise Damaged(f"Its header cannot be read ({type(failure).__name__}).") from None
    require_small(image.size)
    return image


def kind_of(head: bytes) -> str:
    """The kind of image that begins with `head`, as Pillow names it. Raises NotAnImage."""
    for place, signature, kind in _SIGNATURES:
        if head[place : place + len(signature)] == signature and (kind != "WEBP" or head[:4] == b"RIFF"):
            return kind
    raise NotAnImage("Its first bytes are those of no JPEG, PNG, WebP, GIF, AVIF or BMP.")


def require_small(size: tuple[int, int]) -> None:
    """Raise TooLarge for more than MOST_PIXELS, Damaged for none at all."""
    width, height = size
    if width * height > MOST_PIXELS:
        raise TooLarge(
            f"It has {width} x {height} pixels; up to {MOST_PIXELS // 1_000_000} million are read."
        )
    if width < 1 or height < 1:
        raise Damaged(f"It says that it has {width} x {height} pixels.")


def _webp_size(head: bytes) -> tuple[int, int]:
    """Width and height by the first chunk, as the WebP container specification and RFC 6386 and 9649 lay it out."""
    chunk, body = head[12:16], head[20:]
    if chunk == b"VP8X":
        return _number(body[4:7]) + 1, _number(body[7:10]) + 1
    if chunk == b"VP8L":
        packed = _number(body[1:5])
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        return _number(body[6:8]) & 0x3FFF, _number(body[8:10]) & 0x3FFF
    raise Damaged("Its first chunk is none of WebP's.")


def _number(text: bytes) -> int:
    return int.from_bytes(text, "little")


def _be_strict() -> None:
    """Have Pillow hold the limit too, and give no half of an image for a whole one."""
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    # The time that is allowed is that of one processor.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
