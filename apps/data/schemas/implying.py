"""What follows from the parts of an old schema for a value that satisfies all of them; see comparing.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from apps.data.schemas import engine
from apps.data.schemas.keywords import ANNOTATIONS, JSON, TYPES

# Schemas that a value satisfies, all of them: objects, or True where it is not known to satisfy anything.
Parts = list[JSON]

_NUMBERS = frozenset({"number", "integer"})
_CONCERNS: dict[str, frozenset[str]] = {
    **dict.fromkeys(("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _NUMBERS),
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), frozenset({"string"})),
    **dict.fromkeys(
        [
            "minItems",
            "maxItems",
            "uniqueItems",
            "items",
            "prefixItems",
            "contains",
            "minContains",
            "maxContains",
            "unevaluatedItems",
        ],
        frozenset({"array"}),
    ),
    **dict.fromkeys(
        [
            "minProperties",
            "maxProperties",
            "required",
            "dependentRequired",
            "dependentSchemas",
            "properties",
            "patternProperties",
            "additionalProperties",
            "propertyNames",
            "unevaluatedProperties",
        ],
        frozenset({"object"}),
    ),
}


def types(known: Parts) -> frozenset[str]:
    """Return the types that `known` leaves; "number" stands for those that are no integers."""
    left = frozenset(TYPES)
    for said in _all(known, "type"):
        left &= _spread(said)
    return left


def named_types(known: Parts) -> list[str]:
    """Return the types that `known` leaves, as a schema would write them; [] when it leaves all."""
    left = types(known)
    return [] if left == frozenset(TYPES) else [name for name in TYPES if name in left]


def cannot_concern(keyword: str, left: frozenset[str]) -> bool:
    """Say whether `keyword` holds for every value of the types `left` by not being about them."""
    return keyword in _CONCERNS and not _CONCERNS[keyword] & left


def bare(schema: dict[str, JSON]) -> dict[str, bytes]:
    """Return `schema`, each keyword as text without its annotations, so that true is not 1."""
    kept = {
        key: value for key, value in schema.items() if key not in ANNOTATIONS and not key.startswith("x-")
    }
    return {key: engine.canonical(value) for key, value in kept.items()}


def listed(known: Parts) -> list[JSON] | None:
    """Return the values of which the value is one; None when `known` lists none."""
    lists = [*_all(known, "enum"), *([value] for value in _all(known, "const"))]
    return min(lists, key=len) if lists else None


def at_member(known: Parts, name: str) -> Parts:
    """Return what the member `name` satisfies, where there is one."""
    found: Parts = []
    for item in _objects(known):
        found += [item["properties"][name]] if name in item.get("properties", ()) else []
        found += [
            sub
            for pattern, sub in item.get("patternProperties", {}).items()
            if engine.holds("pattern", pattern, name)
        ]
        if "additionalProperties" in item and not names(item, name):
            found.append(item["additionalProperties"])
    return found


def names(item: dict[str, JSON], name: str) -> bool:
    """Say whether `properties` or `patternProperties` of `item` describe the member `name`."""
    patterns = item.get("patternProperties", ())
    return name in item.get("properties", ()) or any(engine.holds("pattern", text, name) for text in patterns)


def closed_lists(known: Parts) -> Iterator[list[str]]:
    """Yield lists of names that each hold all that an object may have."""
    for item in _objects(known):
        if item.get("additionalProperties") is False and not item.get("patternProperties"):
            yield list(item.get("properties", ()))


def at_element(known: Parts, place: int) -> Parts:
    """Return what the element at `place` satisfies, where there is one."""
    found: Parts = []
    for item in _objects(known):
        prefix = item.get("prefixItems", ())
        if place < len(prefix):
            found.append(prefix[place])
        elif "items" in item:
            found.append(item["items"])
    return found


def _objects(known: Parts) -> list[dict[str, JSON]]:
    return [item for item in known if isinstance(item, dict)]


def _all(known: Parts, keyword: str) -> list[JSON]:
    return [item[keyword] for item in _objects(known) if keyword in item]


def _spread(said: JSON) -> frozenset[str]:
    named = set(said) if isinstance(said, list) else {said}
    return frozenset(named | _NUMBERS if "number" in named else named)


def _type(known: Parts, said: JSON) -> bool:
    return types(known) <= _spread(said)


def _same(keyword: str) -> Callable[[Parts, JSON], bool]:
    return lambda known, value: engine.canonical(value) in map(engine.canonical, _all(known, keyword))


def _at_most(keyword: str) -> Callable[[Parts, JSON], bool]:
    return lambda known, value: any(bound <= value for bound in _all(known, keyword))


def _at_least(keyword: str) -> Callable[[Parts, JSON], bool]:
    return lambda known, value: value == 0 or any(bound >= value for bound in _all(known, keyword))


def _maximum(known: Parts, value: JSON) -> bool:
    return any(bound <= value for bound in [*_all(known, "maximum"), *_all(known, "exclusiveMaximum")])


def _minimum(known: Parts, value: JSON) -> bool:
    return any(bound >= value for bound in [*_all(known, "minimum"), *_all(known, "exclusiveMinimum")])


def _below(known: Parts, value: JSON) -> bool:
    exclusive = any(bound <= value for bound in _all(known, "exclusiveMaximum"))
    return exclusive or any(bound < value for bound in _all(known, "maximum"))


def _above(known: Parts, value: JSON) -> bool:
    exclusive = any(bound >= value for bound in _all(known, "exclusiveMinimum"))
    return exclusive or any(bound > value for bound in _all(known, "minimum"))


def _multiple(known: Parts, value: JSON) -> bool:
    # Of whole numbers only: the remainder of fractions is not exact.
    whole = isinstance(value, int) and any(
        isinstance(n, int) and n % value == 0 for n in _all(known, "multipleOf")
    )
    return whole or value in _all(known, "multipleOf")


def _required(known: Parts, value: JSON) -> bool:
    return set(value) <= {name for names in _all(known, "required") for name in names}


def _dependent(known: Parts, value: JSON) -> bool:
    always = {name for names in _all(known, "required") for name in names}
    return all(
        set(needed) <= always.union(*(said.get(name, ()) for said in _all(known, "dependentRequired")))
        for name, needed in value.items()
    )


RULES: dict[str, Callable[[Parts, JSON], bool]] = {
    "type": _type,
    "minimum": _minimum,
    "maximum": _maximum,
    "exclusiveMinimum": _above,
    "exclusiveMaximum": _below,
    "multipleOf": _multiple,
    "minLength": _at_least("minLength"),
    "maxLength": _at_most("maxLength"),
    "minItems": _at_least("minItems"),
    "maxItems": _at_most("maxItems"),
    "minProperties": _at_least("minProperties"),
    "maxProperties": _at_most("maxProperties"),
    "pattern": _same("pattern"),
    "format": _same("format"),
    "uniqueItems": lambda known, value: value is False or True in _all(known, "uniqueItems"),
    "required": _required,
    "dependentRequired": _dependent,
}
