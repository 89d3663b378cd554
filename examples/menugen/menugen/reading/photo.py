"""A photo as it was sent: opened, turned as the camera says, and brought to the size that is read best."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from menugen.reading.refusals import CorruptImage, NotAnImage, NothingToRead, TooLarge

SIDE = 2000  # pixels: letters of a photographed page are then some 20 high, which is what the models were trained on
MAX_PIXELS = 64_000_000
MIN_SIDE = 32  # below this no letter can be told from another
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_HEIC = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1")

# Its own limit warns first and refuses at twice as much; ours is asked before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


def opened(data: bytes) -> Image.Image:
    """The photo as RGB, upright by its EXIF, its longer side at most SIDE pixels. Raises UnreadablePhoto."""
    image = _recognized(data)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise TooLarge(
            f"This image has {width} x {height} pixels, and at most {MAX_PIXELS // 1_000_000} million are read. "
            "Send a smaller one."
        )
    if min(width, height) < MIN_SIDE:
        raise NothingToRead(f"This image has {width} x {height} pixels: too few for any text.")
    return _decoded(image)


def _recognized(data: bytes) -> Image.Image:
    if any(data[4:16].startswith(brand) for brand in _HEIC):
        raise NotAnImage("This is a HEIC photo, which is not read. Send it as JPEG.")
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (OSError, SyntaxError, ValueError) as error:
        raise NotAnImage(
            f"These {len(data)} bytes are not an image that is read: send JPEG, PNG, WebP or GIF."
        ) from error


def _decoded(image: Image.Image) -> Image.Image:
    try:
        # A JPEG is decoded at a half, a quarter or an eighth, so that a large one takes little memory.
        image.draft("RGB", (SIDE, SIDE))
        image.load()
        image = _smooth(image)
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        return _upright(_as_rgb(image))
    except (OSError, SyntaxError, ValueError, IndexError) as error:
        raise CorruptImage(
            f"This {image.format} is damaged or cut off ({error}). Send the photo again."
        ) from error


def _smooth(image: Image.Image) -> Image.Image:
    """The same in a mode whose pixels have something in between: those of others are left out when it is shrunk."""
    if image.mode not in ("1", "P"):
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - whatever is wrong with what a camera wrote beside it, the picture is there
        return image


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16 bits of grey; converting alone would cut everything above 255 to white.
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(paper, layer).convert("RGB")
    return image.convert("RGB")
