"""Fields of bodies and parameters: each takes exactly one JSON type and says what it got instead.

Inside a `Parameters` serializer the same fields read the text of a query string. What a secret field refuses
is never repeated.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import validate_email
from rest_framework import serializers

from apps.core import ids
from apps.core.problems import show
from apps.core.scopes import Scope, ScopeError
from apps.core.strictjson import kind_of, timestamp

MAX_TEXT = 500
_INT64 = 2**63


class StrictField(serializers.Field[Any, Any, Any, Any]):
    """What all strict fields share: the JSON types they take, and the words of a refusal."""

    takes: ClassVar[tuple[type, ...]] = (str,)
    wanted: ClassVar[str] = "a string"

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Refuse another JSON type before DRF could coerce it."""
        if data is not serializers.empty and data is not None:
            data = self.from_text(data) if self._is_textual() and isinstance(data, str) else data
            if not self._fits(data):
                self.refuse("invalid_type", f"Expected {self.wanted}, got {self.shown(data)}.")
        return super().run_validation(data)

    def from_text(self, text: str) -> Any:
        """Return the value that a query string's `text` stands for, or `text` itself."""
        return text

    def refuse(self, code: str, detail: str) -> None:
        """Raise the validation error `code`."""
        raise serializers.ValidationError(detail, code=code)

    def shown(self, data: object) -> str:
        """Return what was got, in words; a write-only field's value is not repeated."""
        return "something else" if self.write_only else kind_of(data)

    def _fits(self, data: object) -> bool:
        return isinstance(data, self.takes) and (not isinstance(data, bool) or bool in self.takes)

    def _is_textual(self) -> bool:
        return bool(getattr(self.root, "textual", False))


class CharField(StrictField, serializers.CharField):
    """Text of at most `max_length` characters (default 500), kept as it came, blanks at its ends included."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", MAX_TEXT)
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)


class IntegerField(StrictField, serializers.IntegerField):
    """A whole number, of 64 bits unless bounded closer; `1.0` and `"1"` are none."""

    takes = (int,)
    wanted = "a whole number"

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("min_value", -_INT64)
        kwargs.setdefault("max_value", _INT64 - 1)
        super().__init__(**kwargs)

    def from_text(self, text: str) -> Any:
        return int(text) if re.fullmatch(r"-?[0-9]{1,19}", text) else text


class FloatField(StrictField, serializers.FloatField):
    """A number."""

    takes = (int, float)
    wanted = "a number"

    def from_text(self, text: str) -> Any:
        return float(text) if re.fullmatch(r"-?[0-9]{1,19}(\.[0-9]{1,19})?", text) else text


class BooleanField(StrictField, serializers.BooleanField):
    """true or false."""

    takes = (bool,)
    wanted = "true or false"

    def from_text(self, text: str) -> Any:
        return {"true": True, "false": False}.get(text, text)


class ChoiceField(StrictField, serializers.ChoiceField):
    """One of a few words."""

    def to_internal_value(self, data: Any) -> Any:
        if data not in self.choices:
            words = ", ".join(str(choice) for choice in self.choices)
            self.refuse("invalid_choice", f"{show(data)} is none of: {words}.")
        return super().to_internal_value(data)


class ListField(StrictField, serializers.ListField):
    """An array of at most `max_length` items (default 100); in a query string, words between commas."""

    takes = (list,)
    wanted = "an array"

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 100)
        super().__init__(**kwargs)

    def from_text(self, text: str) -> Any:
        return [part for part in text.split(",") if part]


class DictField(StrictField, serializers.DictField):
    """An object with names of the caller's own choice."""

    takes = (dict,)
    wanted = "an object"


class JSONField(StrictField, serializers.JSONField):
    """Any JSON value."""

    takes = (dict, list, str, int, float, bool)
    wanted = "a JSON value"


class EmailField(CharField):
    """An e-mail address, its domain in lower case."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 254)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        local, _, domain = super().to_internal_value(data).rpartition("@")
        address = f"{local}@{domain.lower()}"
        try:
            validate_email(address)
        except DjangoValidationError:
            self.refuse("invalid_email", f"{show(data)} is no e-mail address.")
        return address


class IdField(StrictField):
    """The id of one kind of thing: a UUID inside, `org_01k…` outside."""

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        self.prefix = prefix
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> UUID:
        try:
            return ids.decode(data, self.prefix)
        except ValueError:
            wanted = f"the id of a {ids.noun(self.prefix)}, which looks like {self.prefix}_01k…"
            raise serializers.ValidationError(f"{show(data)} is not {wanted}", code="invalid_id") from None

    def to_representation(self, value: Any) -> str:
        # JSON made by the database holds UUIDs as text; what is shown already stays as it is.
        if isinstance(value, str) and value.startswith(f"{self.prefix}_"):
            return value
        return ids.encode(self.prefix, value if isinstance(value, UUID) else UUID(str(value)))


#: Names that would read as the platform's own, or as a host that people trust.
RESERVED_SLUGS = frozenset(
    {
        "admin", "administrator", "api", "auth", "console", "default", "docs", "information-schema",
        "internal", "localhost", "mail", "ns", "owner", "packmule", "postgres", "public", "root", "static",
        "status", "support", "system", "template", "v1", "webhooks", "www",
    }
)  # fmt: skip
SLUG_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"


class SlugField(CharField):
    """A name for URLs, hosts and tenants: lower case, digits, single hyphens, 2 to 40 characters."""

    def __init__(self, *, reserved: frozenset[str] = RESERVED_SLUGS, **kwargs: Any) -> None:
        self.reserved = reserved
        super().__init__(**{"min_length": 2, "max_length": 40, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        if not re.fullmatch(SLUG_PATTERN, data):
            rule = "lower-case letters, digits and single hyphens between them"
            self.refuse("invalid_slug", f"{show(data)} is no slug; use {rule}, such as acme-2.")
        if data in self.reserved or data.startswith("pg-"):
            self.refuse("reserved", f"{show(data)} is a name that the platform keeps for itself.")
        return str(data)


class NameField(CharField):
    """A name for people to read: trimmed, NFC, 1 to 120 printable characters (so no control or bidi ones)."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 120)
        super().__init__(**{**kwargs, "trim_whitespace": True})

    def to_internal_value(self, data: Any) -> str:
        name = unicodedata.normalize("NFC", super().to_internal_value(data))
        for char in name:
            if not _is_printable(char):
                self.refuse("invalid_character", f"U+{ord(char):04X} has no place in a name.")
        return name


def _is_printable(char: str) -> bool:
    # The two joiners are what emoji and several scripts are written with.
    return char in " \u200c\u200d" or char.isprintable()


class ScopesField(ListField):
    """Scopes such as `applications:write`, or `*`; each once, in their order."""

    child = CharField(max_length=200)

    def to_internal_value(self, data: Any) -> list[str]:
        texts = list(dict.fromkeys(super().to_internal_value(data)))
        for text in texts:
            try:
                Scope.parse(text)
            except ScopeError as error:
                self.refuse("invalid_scope", str(error))
        return texts


_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


class TimestampField(StrictField):
    """A point in time: RFC 3339 with an offset; UTC inside, `2026-11-01T09:30:00.000000Z` outside."""

    def to_internal_value(self, data: Any) -> datetime:
        at = point_in_time(str(data))
        if at is None:
            wanted = "a time with an offset, such as 2026-11-01T09:30:00Z"
            raise serializers.ValidationError(f"{show(data)} is not {wanted}.", code="invalid_time")
        return at

    def to_representation(self, value: Any) -> str:
        return timestamp(value)


def point_in_time(text: str) -> datetime | None:
    """The time that an RFC 3339 text with an offset stands for, in UTC; None for any other text."""
    try:
        at = datetime.fromisoformat(text.upper()) if _TIMESTAMP.fullmatch(text) else None
        return at.astimezone(UTC) if at else None
    except (ValueError, OverflowError):
        return None
