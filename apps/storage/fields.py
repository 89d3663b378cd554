"""Fields that files need: names, content types, tags, checksums."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from apps.core.problems import show
from apps.core.serializers import CharField, DictField, NameField

CONTENT_TYPE_PATTERN = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,48}/[a-z0-9][a-z0-9!#$&^_.+-]{0,48}"
_KINDS = ("application", "audio", "font", "image", "message", "model", "text", "video")
MOST_TAGS = 20


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
