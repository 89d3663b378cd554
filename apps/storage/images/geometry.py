"""Where everything goes: which part of an image is used, how large it becomes, and on what ground it lies."""

from __future__ import annotations

from dataclasses import dataclass

from apps.storage.images.recipes import MOST_SIDE, Recipe

Size = tuple[int, int]
Box = tuple[float, float, float, float]
#: Which share of what is cut off goes at the left, and at the top.
_KEPT = {"center": (0.5, 0.5), "top": (0.5, 0), "bottom": (0.5, 1), "left": (0, 0.5), "right": (1, 0.5)}


@dataclass(frozen=True, slots=True)
class Layout:
    """`box` of the image becomes `size`, in the middle of `canvas`."""

    box: Box
    size: Size
    canvas: Size


def lay_out(size: Size, recipe: Recipe) -> Layout:
    """How an upright image of `size` is laid out. No side of the result is longer than MOST_SIDE."""
    return _cover(size, recipe) if recipe.fit == "cover" else _inside(size, recipe)


def _inside(size: Size, recipe: Recipe) -> Layout:
    bounds = _bounds(recipe)
    scale = min(bound / side for bound, side in zip(bounds, size, strict=True))
    becomes = _scaled(size, _held(scale, recipe))
    return Layout((0, 0, *size), becomes, bounds if recipe.fit == "contain" else becomes)


def _cover(size: Size, recipe: Recipe) -> Layout:
    bounds = _bounds(recipe)
    scale = max(bound / side for bound, side in zip(bounds, size, strict=True))
    used = tuple(min(bound / scale, side) for bound, side in zip(bounds, size, strict=True))
    left, top = (
        (whole - part) * share for whole, part, share in zip(size, used, _KEPT[recipe.crop], strict=True)
    )
    # A small image keeps the box's proportions, and its own size.
    becomes = bounds if scale <= 1 or recipe.upscale else _scaled(bounds, 1 / scale)
    return Layout((left, top, left + used[0], top + used[1]), becomes, becomes)


def _bounds(recipe: Recipe) -> Size:
    return recipe.width or MOST_SIDE, recipe.height or MOST_SIDE


def _held(scale: float, recipe: Recipe) -> float:
    return scale if recipe.upscale else min(scale, 1)


def _scaled(size: Size, scale: float) -> Size:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
