"""Writing an image in a format, and nothing else: no EXIF, place, comment, profile or text comes along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from apps.storage.images.recipes import Recipe


def save(image: Image.Image, target: Path, recipe: Recipe) -> None:
    """Write `image` (RGB or RGBA) to `target`."""
    # Pillow writes what it finds here, such as a profile or a comment.
    image.info.clear()
    image.save(target, recipe.format.upper(), **_options(recipe))


def _options(recipe: Recipe) -> dict[str, Any]:
    if recipe.format == "png":
        return {"compress_level": 9}
    how: dict[str, dict[str, Any]] = {
        "jpeg": {"optimize": True, "progressive": True},
        "webp": {"method": 4},
        "avif": {"speed": 9, "max_threads": 1},
    }
    return {"quality": recipe.quality, **how[recipe.format]}
