"""A bucket's presets: which derivatives of its images may be asked for, each by a name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rest_framework.serializers import ValidationError

from apps.core.problems import show
from apps.core.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    DictField,
    IntegerField,
    StrictSerializer,
)
from apps.storage.errors import PresetUnknown
from apps.storage.images.recipes import CONTENT_TYPES, CROPS, FITS, MOST_SIDE, Recipe, can_write

if TYPE_CHECKING:
    from apps.storage.models import Bucket

MOST_PRESETS = 20
#: What every bucket has, whatever it declares.
BUILT_IN: Mapping[str, Recipe] = {"preview": Recipe(width=320, height=320)}


class PresetInput(StrictSerializer):
    """How an image is made of another one. At least one of `width` and `height` is needed."""

    width = IntegerField(min_value=1, max_value=MOST_SIDE, required=False, help_text="Pixels.")
    height = IntegerField(min_value=1, max_value=MOST_SIDE, required=False, help_text="Pixels.")
    fit = ChoiceField(
        choices=FITS,
        required=False,
        help_text="inside (the default): whole, no side longer. contain: whole, the rest filled up. cover: the box"
        " filled, what stands out cut off.",
    )
    format = ChoiceField(choices=list(CONTENT_TYPES), required=False, help_text="webp by default.")
    quality = IntegerField(
        min_value=1, max_value=100, required=False, help_text="80 by default; not for png."
    )
    crop = ChoiceField(choices=CROPS, required=False, help_text="What `cover` keeps; the center by default.")
    upscale = BooleanField(required=False, help_text="Whether small images are enlarged; false by default.")
    background = CharField(
        max_length=7,
        required=False,
        help_text="A color like #ffffff below what is transparent, and for what `contain` fills up.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what makes no sense together, each field with why."""
        wrong = {name: ValidationError(said, code).detail for name, code, said in _objections(attrs)}
        if wrong:
            raise ValidationError(wrong)
        return attrs


class PresetsField(DictField):
    """Up to 20 presets by name."""

    child = PresetInput()

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if len(data) > MOST_PRESETS:
            self.refuse("too_many_presets", f"There are {len(data)} presets; a bucket takes {MOST_PRESETS}.")
        for name in data:
            self._require_name(name)
        presets: dict[str, Any] = super().to_internal_value(data)
        return presets

    def _require_name(self, name: str) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
            said = "1 to 40 lower-case letters, digits, hyphens and underscores, a letter or digit first."
            self.refuse("invalid_preset_name", f"{show(name)} is no name of a preset: {said}")
        if name in BUILT_IN:
            self.refuse(
                "reserved", f"Every bucket has the preset {show(name)} already, and it stays as it is."
            )


def recipe_of(bucket: Bucket, preset: str) -> Recipe:
    """The recipe of a preset of `bucket`. Raises PresetUnknown with the names of those that there are."""
    if preset in BUILT_IN:
        return BUILT_IN[preset]
    if preset not in bucket.presets:
        known = sorted({*BUILT_IN, *bucket.presets})
        raise PresetUnknown(
            f"{bucket} has no preset {show(preset)}; it has: {', '.join(known)}.", extra={"presets": known}
        )
    return Recipe.of(bucket.presets[preset])


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Names of the presets of which what was made is good no more."""
    return [name for name, said in before.items() if name not in after or _differ(said, after[name])]


def _differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return Recipe.of(one).fingerprint != Recipe.of(other).fingerprint


def _objections(preset: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What is wrong with a preset as a whole: field, code and a sentence."""
    fit, kind = preset.get("fit", "inside"), preset.get("format", "webp")
    absent = [name for name in ("width", "height") if name not in preset]
    found = []
    if len(absent) == 2:
        found.append(("width", "required", "Say how wide or how high it may become, or both."))
    elif absent and fit != "inside":
        found.append((absent[0], "required", f"{fit} needs a width and a height."))
    if "crop" in preset and fit != "cover":
        found.append(("crop", "not_with_fit", f"{fit} cuts nothing off; only cover does."))
    if "quality" in preset and kind == "png":
        found.append(("quality", "not_with_format", "png loses nothing, so that it has no quality."))
    if not can_write(kind):
        found.append(("format", "not_available", f"{kind} cannot be written by this installation."))
    if "background" in preset and not re.fullmatch(r"#[0-9a-fA-F]{6}", preset["background"]):
        said = f"{show(preset['background'])} is no color; write it like #ffffff."
        found.append(("background", "invalid_color", said))
    return found
