"""Fields that files need: names, content types, tags, metadata, checksums."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from rest_framework.fields import empty

from apps.core.problems import show
from apps.core.serializers import CharField, DictField, JSONField, NameField
from apps.core.strictjson import dumps

CONTENT_TYPE_PATTERN = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,48}/[a-z0-9][a-z0-9!#$&^_.+-]{0,48}"
_KINDS = ("application", "audio", "font", "image", "message", "model", "text", "video")
MOST_TAGS = 20
MOST_METADATA_BYTES = 4096
MOST_METADATA_LEVELS = 5


class FileNameField(NameField):
    """A file's name as people gave it, without any path: 1 to 255 characters, none of them invisible or a slash."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 255, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        for char in "/\\":
            if char in name:
                self.refuse("path_separator", f"A name has no {char} in it; folders can be tags.")
        if name in (".", ".."):
            self.refuse("reserved", f"{show(name)} means a folder.")
        return name


class ContentTypeField(CharField):
    """A media type without parameters, in lower case: `image/png`. With `patterns`, `image/*` too."""

    def __init__(self, *, patterns: bool = False, **kwargs: Any) -> None:
        self.patterns = patterns
        super().__init__(**{"max_length": 100, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        given = super().to_internal_value(data).lower()
        kind, _, rest = given.partition("/")
        if self.patterns and rest == "*" and kind in _KINDS:
            return str(given)
        if not re.fullmatch(CONTENT_TYPE_PATTERN, given):
            wanted = "image/png or image/*" if self.patterns else "image/png"
            self.refuse(
                "invalid_content_type",
                f"{show(data)} is no content type; write it like {wanted}, without parameters.",
            )
        return str(given)


class Sha256Field(CharField):
    """A SHA-256 as 64 hexadecimal digits; lower case inside."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 64, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        given = str(data).lower()
        if not re.fullmatch(r"[0-9a-f]{64}", given):
            self.refuse("invalid_sha256", f"{show(data)} is no SHA-256: it has 64 hexadecimal digits.")
        return given


class TagsField(DictField):
    """Up to 20 tags: short names with short texts."""

    child = CharField(max_length=100, allow_blank=True)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if len(data) > MOST_TAGS:
            self.refuse("too_many_tags", f"There are {len(data)} tags; a file takes {MOST_TAGS}.")
        for name in data:
            if not re.fullmatch(r"[\w.:-]{1,40}", name):
                self.refuse(
                    "invalid_tag",
                    f"{show(name)} is no name of a tag: 1 to 40 letters, digits, and any of _ . : -",
                )
        tags: dict[str, str] = super().to_internal_value(data)
        for name, text in tags.items():
            if not all(char.isprintable() or unicodedata.category(char) == "Zs" for char in text):
                self.refuse("invalid_character", f"The tag {show(name)} holds what cannot be printed.")
        return tags


class MetadataField(DictField):
    """An object of the caller's own: up to 4 KiB as JSON, nested up to five deep. null stands for an empty one."""

    child = JSONField(allow_null=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_null": True, **kwargs})

    def run_validation(self, data: Any = empty) -> Any:
        """As for every field; null is an object without members."""
        return super().run_validation({} if data is None else data)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        metadata: dict[str, Any] = super().to_internal_value(data)
        size = len(dumps(metadata))
        if size > MOST_METADATA_BYTES:
            self.refuse(
                "metadata_too_large",
                f"The metadata has {size} bytes as JSON, and {MOST_METADATA_BYTES} is the most; keep more in a record.",
            )
        if (levels := _levels(metadata)) > MOST_METADATA_LEVELS:
            self.refuse(
                "metadata_too_deep",
                f"The metadata nests {levels} levels deep, and {MOST_METADATA_LEVELS} is the most.",
            )
        return metadata


def _levels(value: Any) -> int:
    """How deep objects and arrays nest in `value`, which came through the strict reader; 0 for neither."""
    if not isinstance(value, dict | list):
        return 0
    inside = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_levels, inside), default=0)
