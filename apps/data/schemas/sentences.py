"""What is wrong with a value, in a sentence for each keyword."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from apps.core.problems import show
from apps.data.schemas.keywords import JSON

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Violation:
    """Where in the record (a JSON pointer), which keyword of the schema, and a sentence with the value."""

    pointer: str
    code: str
    detail: str


def sentence(keyword: str, expected: JSON, data: JSON, fitting: int = 0) -> str:
    """Return what `data` breaks of `{keyword: expected}`; `fitting` is how many of the choices or elements fit."""
    return _SENTENCES[keyword](expected, data, fitting)


def stray(name: str, known: Iterable[str]) -> str:
    """Return that the schema has no member `name`, with the nearest of those `known` or some of them."""
    names = list(known)
    near = get_close_matches(name[:60], names, n=1)
    hint = f"did you mean {show(near[0])}?" if near else f"known are: {_listed(names) or 'none'}."
    return f"The schema allows no {show(name)} here; {hint}"


def _listed(names: list[str]) -> str:
    shown = ", ".join(show(name) for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def _value(data: JSON) -> str:
    if isinstance(data, list):
        return f"an array of {len(data)}"
    if isinstance(data, dict):
        return f"an object of {len(data)}"
    return show(data)


def _type(expected: JSON, data: JSON) -> str:
    types = expected if isinstance(expected, list) else [expected]
    return f"{_value(data)} is not of the type {' or '.join(types)}."


def _missing(expected: JSON, data: JSON) -> str:
    lacking = {
        name: [needed for needed in more if needed not in data]
        for name, more in expected.items()
        if name in data
    }
    return " ".join(
        f"{show(name)} needs {_listed(more)} beside it." for name, more in lacking.items() if more
    )


def _enum(expected: JSON, data: JSON) -> str:
    shown = ", ".join(_value(choice) for choice in expected[:_SHOWN])
    more = f" and {len(expected) - _SHOWN} more" if len(expected) > _SHOWN else ""
    return f"{_value(data)} is none of {shown}{more}."


_SENTENCES: dict[str, Callable[[JSON, JSON, int], str]] = {
    "type": lambda expected, data, _: _type(expected, data),
    "enum": lambda expected, data, _: _enum(expected, data),
    "const": lambda expected, data, _: f"{_value(data)} is not {_value(expected)}, the one value taken here.",
    "multipleOf": lambda expected, data, _: f"{_value(data)} is not a multiple of {expected}.",
    "minimum": lambda expected, data, _: f"{_value(data)} is less than {expected}.",
    "maximum": lambda expected, data, _: f"{_value(data)} is more than {expected}.",
    "exclusiveMinimum": lambda expected, data, _: f"{_value(data)} is not more than {expected}.",
    "exclusiveMaximum": lambda expected, data, _: f"{_value(data)} is not less than {expected}.",
    "minLength": lambda expected, data, _: (
        f"{_value(data)} has {len(data)} characters, and {expected} is the least."
    ),
    "maxLength": lambda expected, data, _: (
        f"{_value(data)} has {len(data)} characters, and {expected} is the most."
    ),
    "pattern": lambda expected, data, _: f"{_value(data)} does not match the pattern {show(expected)}.",
    "format": lambda expected, data, _: f"{_value(data)} is not of the format {expected}.",
    "minItems": lambda expected, data, _: f"The array has {len(data)} elements, and {expected} is the least.",
    "maxItems": lambda expected, data, _: f"The array has {len(data)} elements, and {expected} is the most.",
    "uniqueItems": lambda _, data, __: f"An element of the array of {len(data)} is there twice.",
    "contains": lambda _, data, __: f"No element of the array of {len(data)} is as `contains` asks.",
    "minContains": lambda expected, _, fitting: (
        f"{fitting} elements are as `contains` asks, and {expected} is the least."
    ),
    "maxContains": lambda expected, _, fitting: (
        f"{fitting} elements are as `contains` asks, and {expected} is the most."
    ),
    "minProperties": lambda expected, data, _: (
        f"The object has {len(data)} members, and {expected} is the least."
    ),
    "maxProperties": lambda expected, data, _: (
        f"The object has {len(data)} members, and {expected} is the most."
    ),
    "required": lambda expected, _, __: f"{show(expected)} is missing.",
    "dependentRequired": lambda expected, data, _: _missing(expected, data),
    "propertyNames": lambda _, data, __: f"{show(data)} is no name that the schema takes.",
    "anyOf": lambda expected, data, _: f"{_value(data)} fits none of the {len(expected)} forms it may have.",
    "oneOf": lambda expected, data, fitting: (
        f"{_value(data)} fits {fitting or 'none'} of the {len(expected)} forms of which it may have one."
    ),
    "not": lambda _, data, __: f"{_value(data)} is what the schema excludes.",
}


def forbidden(data: JSON) -> str:
    """Return that a subschema `false` takes no value at all."""
    return f"No value is taken here, and this is {_value(data)}."
