"""Serializers of the API's edge: strict on the way in, fast on the way out.

`StrictSerializer.read(data)` validates a body and returns its fields; what is unknown is refused. `Output`
declares an answer for OpenAPI like any serializer, and renders through getters that are compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.fields import SkipField, _UnvalidatedField

from apps.core import problems
from apps.core.fields import (
    BooleanField,
    CharField,
    ChoiceField,
    DictField,
    EmailField,
    FloatField,
    IdField,
    IntegerField,
    JSONField,
    ListField,
    NameField,
    ScopesField,
    SlugField,
    StrictField,
    TimestampField,
)
from apps.core.problem_handlers import validation_failed
from apps.core.problems import Problem, show

__all__ = [
    "BooleanField",
    "CharField",
    "ChoiceField",
    "DictField",
    "EmailField",
    "FloatField",
    "IdField",
    "IntegerField",
    "JSONField",
    "ListField",
    "NameField",
    "Output",
    "ScopesField",
    "SlugField",
    "StrictField",
    "StrictSerializer",
    "TimestampField",
]

_MAX_REPORTED = 20


class StrictSerializer(serializers.Serializer[Any]):
    """Validates a JSON object: unknown fields are refused, and each field takes one JSON type.

    Declare fields of this module only; a lenient DRF field is a TypeError when the class is made.
    """

    refusal: ClassVar[type[Problem]] = problems.ValidationFailed
    field_noun: ClassVar[str] = "field"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, field in getattr(cls, "_declared_fields", {}).items():
            _require_strict(f"{cls.__name__}.{name}", field)

    @classmethod
    def read(cls, data: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
        """Return the validated fields of `data`; with `partial`, of those that are there.

        Raises `refusal` (ValidationFailed) with one error a field.
        """
        try:
            return dict(_shared(cls, partial).run_validation(data))
        except serializers.ValidationError as error:
            raise validation_failed(error.detail, cls.refusal) from None

    @classmethod
    def has_required(cls) -> bool:
        """Say whether an empty body cannot do; cheap, because it asks the shared instance."""
        return any(field.required for field in _shared(cls, False).fields.values())

    def to_internal_value(self, data: Any) -> Any:
        unknown = self._unknown(data) if isinstance(data, Mapping) else {}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**unknown, **_by_field(error.detail)}) from None
        if unknown:
            raise serializers.ValidationError(unknown)
        return value

    def _unknown(self, data: Mapping[str, Any]) -> dict[str, list[Any]]:
        known = [name for name, field in self.fields.items() if not field.read_only]
        strays = [name for name in data if name not in known][:_MAX_REPORTED]
        code = f"unknown_{self.field_noun}"
        return {name: serializers.ValidationError(self._stray(name, known), code).detail for name in strays}  # type: ignore[misc]

    def _stray(self, name: str, known: list[str]) -> str:
        near = get_close_matches(name[:60], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(known) or 'none'}."
        return f"There is no {self.field_noun} {show(name)} here; {hint}"


def _by_field(detail: Any) -> dict[str, Any]:
    return dict(detail) if isinstance(detail, Mapping) else {"non_field_errors": detail}


def _require_strict(where: str, field: serializers.Field[Any, Any, Any, Any]) -> None:
    child = getattr(field, "child", None)
    if not isinstance(
        field, StrictField | StrictSerializer | serializers.ListSerializer | serializers.HiddenField
    ):
        raise TypeError(
            f"{where} is a lenient {type(field).__name__}; take the field from apps.core.serializers"
        )
    if child is not None and not isinstance(child, _UnvalidatedField):
        _require_strict(f"{where}[]", child)


@cache
def _shared(cls: type[StrictSerializer], partial: bool) -> StrictSerializer:
    # Validation keeps no state on the serializer, so one instance serves every thread; making one costs
    # ten times what using it does. Touching `fields` binds them before another thread can see it.
    made = cls(partial=partial)
    _ = made.fields
    return made


Getter = Callable[[Any], Any]
_Row = tuple[str, Getter, Getter, Getter | None]


class Output(serializers.Serializer[Any]):
    """The declaration of an answer. Sources are attributes, or keys where the thing is a mapping."""

    @classmethod
    def render(cls, instance: Any) -> dict[str, Any]:
        """Return the answer for one thing; an optional field is left out where a mapping lacks it."""
        is_mapping = isinstance(instance, Mapping)
        answer = {}
        for name, from_attribute, from_key, convert in _compiled(cls):
            try:
                value = from_key(instance) if is_mapping else from_attribute(instance)
            except SkipField:
                continue
            answer[name] = value if convert is None or value is None else convert(value)
        return answer

    @classmethod
    def render_many(cls, instances: Iterable[Any]) -> list[dict[str, Any]]:
        """Return the answers for several things."""
        return [cls.render(instance) for instance in instances]

    def to_representation(self, instance: Any) -> Any:
        return self.render(instance)


@cache
def _compiled(cls: type[Output]) -> list[_Row]:
    return [_row(name, field) for name, field in cls().fields.items() if not field.write_only]


def _row(name: str, field: serializers.Field[Any, Any, Any, Any]) -> _Row:
    if field.source == "*":
        return name, _itself, _itself, _conversion(field)
    return name, attrgetter(".".join(field.source_attrs)), _key_getter(field), _conversion(field)


def _itself(instance: Any) -> Any:
    return instance


def _key_getter(field: serializers.Field[Any, Any, Any, Any]) -> Getter:
    path, optional = field.source_attrs, not field.required

    def get(mapping: Any) -> Any:
        for key in path:
            if optional and key not in mapping:
                raise SkipField
            mapping = mapping[key]
        return mapping

    return get


def _conversion(field: Any) -> Getter | None:
    """Return what has to be done to the field's value; None where JSON takes it as it is."""
    if isinstance(field, serializers.ListSerializer) and isinstance(field.child, Output):
        return _many(type(field.child))
    if isinstance(field, Output):
        return type(field).render
    if isinstance(field, _PLAIN):
        return None
    convert: Getter = field.to_representation
    return convert


def _many(child: type[Output]) -> Getter:
    def render(rows: Any) -> list[dict[str, Any]]:
        return child.render_many(rows.all() if hasattr(rows, "all") else rows)

    return render


# Their values are JSON already; the renderer writes times and UUIDs.
_PLAIN = (
    serializers.CharField,
    serializers.IntegerField,
    serializers.FloatField,
    serializers.BooleanField,
    serializers.ChoiceField,
    serializers.JSONField,
    TimestampField,
)
