"""Drawing an image as a recipe says: upright, in sRGB, in RGB or RGBA, and with nothing said about it."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, JpegImagePlugin
from PIL.Image import Resampling, Transpose

from apps.storage.images.geometry import Box, Size, lay_out
from apps.storage.images.recipes import Recipe
from apps.storage.images.refusals import Damaged

_ORIENTATION = 0x0112
#: How an image is turned upright, by what EXIF says of the camera.
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_LYING = frozenset({5, 6, 7, 8})
#: Before the good and slow filter an image is averaged down to so many times its size.
_GAP = 2.0


def draw(image: Image.Image, recipe: Recipe) -> Image.Image:
    """The first frame of `image` as `recipe` says. Raises Damaged when it cannot be decoded."""
    turn = _turn(image)
    upright = _turned_size(image.size, turn)
    layout = lay_out(upright, recipe)
    profile = image.info.get("icc_profile")
    pixels = _decoded(image, upright, layout.box, layout.size, turn)
    if turn in _TURNS:
        pixels = pixels.transpose(_TURNS[turn])
    box = _fitted(layout.box, upright, pixels.size)
    small = pixels.resize(layout.size, Resampling.LANCZOS, box=box, reducing_gap=_GAP)
    return _grounded(_in_srgb(small, profile), layout.canvas, recipe.opaque_ground)


def _turn(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - what is said about an image may be broken where the image is not
        return 1


def _turned_size(size: Size, turn: int) -> Size:
    return (size[1], size[0]) if turn in _LYING else size


def _decoded(image: Image.Image, upright: Size, box: Box, wanted: Size, turn: int) -> Image.Image:
    """The pixels in a mode that can be resized; of a JPEG as few of them as are needed."""
    try:
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            image.draft(None, _turned_size(_needed(upright, box, wanted), turn))
        image.load()
    except MemoryError:
        raise
    except Exception as failure:  # noqa: BLE001 - a decoder's own errors are of any kind
        raise Damaged(f"It cannot be decoded ({failure}).") from None
    return _plain(image)


def _needed(upright: Size, box: Box, wanted: Size) -> Size:
    """How large the whole image has to be for its `box` to have `wanted` pixels, and some to average over."""
    scale = max(wanted[0] / (box[2] - box[0]), wanted[1] / (box[3] - box[1])) * _GAP
    return max(1, round(upright[0] * scale)), max(1, round(upright[1] * scale))


def _fitted(box: Box, before: Size, after: Size) -> Box:
    """`box` on the image as it was decoded, which may be smaller."""
    across, down = after[0] / before[0], after[1] / before[1]
    return (
        box[0] * across,
        box[1] * down,
        min(box[2] * across, after[0]),
        min(box[3] * down, after[1]),
    )


def _plain(image: Image.Image) -> Image.Image:
    """In L, RGB, RGBA or CMYK: other modes cannot be averaged, or are converted wrongly by Pillow."""
    if image.mode.startswith("I"):
        return _eight_bits(image)
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Sixteen bits of grey in eight. Pillow itself would take all that is brighter than 255 for white."""
    return image.point(lambda value: value * (1 / 256)).convert("L")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """In RGB or RGBA, with the colours that `profile` means."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    plain = image.convert("RGB") if alpha else image
    coloured = _converted(plain, profile) if profile else None
    done = coloured or plain.convert("RGB")
    if alpha:
        done.putalpha(alpha)
    return done


def _converted(image: Image.Image, profile: bytes) -> Image.Image | None:
    """By the profile; None where it is broken, or is that of another kind of image: such an image means sRGB."""
    from PIL import ImageCms  # most images have no profile

    try:
        meant = ImageCms.ImageCmsProfile(BytesIO(profile))
        return ImageCms.profileToProfile(image, meant, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _grounded(image: Image.Image, canvas: Size, ground: str) -> Image.Image:
    """In the middle of `canvas`, on the colour `ground`; on nothing where that is ''."""
    if image.size == canvas and not (ground and image.mode == "RGBA"):
        return image
    made = Image.new("RGB", canvas, ground) if ground else Image.new("RGBA", canvas)
    place = ((canvas[0] - image.width) // 2, (canvas[1] - image.height) // 2)
    if ground and image.mode == "RGBA":
        made.paste(image, place, image)
    else:
        made.paste(image, place)
    return made
