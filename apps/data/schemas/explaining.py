"""All that is wrong with a record, found by walking through it beside its schema.

The validator only says yes or no (engine.py says why nothing else of it is used), and it does so for every
subschema. The walk goes down where the answer is no, from member to member as the record has them, and says
for each assertion of the subschemas in force whether it holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import jsonschema_rs

from apps.data.schemas import engine
from apps.data.schemas.keywords import (
    ANNOTATIONS,
    JSON,
    KEYWORDS,
    Child,
    children,
    escape,
    ref_pointer,
    subschemas,
    unescape,
)
from apps.data.schemas.sentences import Violation, forbidden, sentence, stray

# What the validator is asked about one by one, each alone: `{"minLength": 3}`.
_ALONE = frozenset(
    keyword
    for keyword, kind in KEYWORDS.items()
    if keyword not in ANNOTATIONS and kind not in ("ref", "schema", "schemas", "schema map", "pattern map")
) - {"required", "minContains", "maxContains"}

# For what no other subschema of an object (first) or an array names, and for what none that is in force does.
_OTHER = ("additionalProperties", "items")
_REST = ("unevaluatedProperties", "unevaluatedItems")

# Where a subschema is: its pointer, and the keyword that brought the walk there.
Part = tuple[str, str]


@dataclass(frozen=True)
class _Node:
    """A subschema with those directly below it, by how they are chosen."""

    schema: JSON
    children: list[Child]
    named: dict[str | int | None, Child]
    patterns: list[Child]
    others: list[Child]


def _node(schema: JSON, pointer: str) -> _Node:
    below = list(children(schema, pointer))
    return _Node(
        schema,
        below,
        named={child.key: child for child in below if child.keyword in ("properties", "prefixItems")},
        patterns=[child for child in below if child.keyword == "patternProperties"],
        others=[child for child in below if child.keyword in (*_OTHER, *_REST)],
    )


class Explainer:
    """Finds the violations of one schema, with a validator for each of its parts."""

    def __init__(self, schema: JSON, validators: jsonschema_rs.ValidatorMap) -> None:
        self._validators = validators
        self._nodes = {at: _node(part, at) for at, part in subschemas(schema)}

    def violations(self, data: JSON) -> Iterator[Violation]:
        """Yield what is wrong with `data`, which does not fit, in its own order, each once."""
        seen: set[Violation] = set()
        for found in self._walk(data, [("", "")], ""):
            if found not in seen:
                seen.add(found)
                yield found
        if not seen:
            yield Violation("", "schema", "The record does not satisfy the schema.")

    def _walk(self, data: JSON, parts: list[Part], pointer: str) -> Iterator[Violation]:
        """Yield the violations of `parts`, which `data` at `pointer` does not satisfy, and of what is below."""
        force = dict(part for at, via in parts for part in self._in_force(data, at, via))
        for at, via in force.items():
            yield from self._here(data, at, via, pointer)
        beside = {at: list(self._in_force(data, at, "")) for at in force if self._looks_beside(at)}
        for key, value in _members(data):
            chosen = {
                child.pointer: child.keyword
                for at in force
                for child in self._for_member(data, at, beside.get(at, []), key)
            }
            refused = [part for part in chosen.items() if not self._fits(part[0], value)]
            if refused:
                yield from self._walk(value, refused, f"{pointer}/{escape(key)}")

    def _fits(self, at: str, data: JSON) -> bool:
        return self._validators[f"#{at}"].is_valid(data)

    def _looks_beside(self, at: str) -> bool:
        return any(child.keyword in _REST for child in self._nodes[at].others)

    def _in_force(self, data: JSON, at: str, via: str) -> Iterator[Part]:
        """Yield the subschemas that `data` has to satisfy where `at` is one, as far as they are no open choice."""
        yield at, via
        node = self._nodes[at]
        if isinstance(node.schema, dict) and "$ref" in node.schema:
            yield from self._in_force(data, ref_pointer(node.schema["$ref"]), via)
        for child in node.children:
            if self._takes_part(data, at, child):
                yield from self._in_force(data, child.pointer, child.keyword)

    def _takes_part(self, data: JSON, at: str, child: Child) -> bool:
        if child.keyword in ("anyOf", "oneOf", "if"):
            return self._fits(child.pointer, data)
        if child.keyword in ("then", "else"):
            return f"{at}/if" in self._nodes and self._fits(f"{at}/if", data) == (child.keyword == "then")
        if child.keyword == "dependentSchemas":
            return isinstance(data, dict) and child.key in data
        return child.keyword == "allOf"

    def _here(self, data: JSON, at: str, via: str, pointer: str) -> Iterator[Violation]:
        """Yield what `data` itself breaks of the subschema `at`."""
        schema = self._nodes[at].schema
        if schema is False:
            yield self._excluded(data, at, via, pointer)
        if not isinstance(schema, dict):
            return
        for keyword, value in schema.items():
            if keyword in _ALONE and not engine.holds(keyword, value, data):
                yield Violation(pointer, keyword, sentence(keyword, value, data))
        yield from self._choices(data, at, schema, pointer)
        if isinstance(data, dict):
            yield from self._names(data, at, schema, pointer)

    def _choices(self, data: JSON, at: str, schema: Mapping[str, JSON], pointer: str) -> Iterator[Violation]:
        for keyword in ("anyOf", "oneOf"):
            fitting = sum(
                self._fits(f"{at}/{keyword}/{n}", data) for n in range(len(schema.get(keyword, ())))
            )
            if keyword in schema and (fitting == 0 or (keyword == "oneOf" and fitting > 1)):
                yield Violation(pointer, keyword, sentence(keyword, schema[keyword], data, fitting))
        if "not" in schema and self._fits(f"{at}/not", data):
            yield Violation(pointer, "not", sentence("not", schema["not"], data))
        if "contains" in schema and isinstance(data, list):
            yield from self._contains(data, at, schema, pointer)

    def _contains(
        self, data: list[JSON], at: str, schema: Mapping[str, JSON], pointer: str
    ) -> Iterator[Violation]:
        fitting = sum(self._fits(f"{at}/contains", item) for item in data)
        least = schema.get("minContains", 1)
        if fitting < least:
            keyword = "minContains" if "minContains" in schema else "contains"
            yield Violation(pointer, keyword, sentence(keyword, least, data, fitting))
        if fitting > schema.get("maxContains", fitting):
            yield Violation(
                pointer, "maxContains", sentence("maxContains", schema["maxContains"], data, fitting)
            )

    def _names(
        self, data: dict[str, JSON], at: str, schema: Mapping[str, JSON], pointer: str
    ) -> Iterator[Violation]:
        for name in schema.get("required", ()):
            if name not in data:
                yield Violation(f"{pointer}/{escape(name)}", "required", sentence("required", name, None))
        if "propertyNames" in schema:
            refused = [name for name in data if not self._fits(f"{at}/propertyNames", name)]
            for name in refused:
                yield Violation(
                    f"{pointer}/{escape(name)}", "propertyNames", sentence("propertyNames", None, name)
                )

    def _excluded(self, data: JSON, at: str, via: str, pointer: str) -> Violation:
        """Return that a subschema `false` stands where `data` is."""
        if via in ("additionalProperties", "unevaluatedProperties"):
            known = self._nodes[at.removesuffix(f"/{via}")].named
            return Violation(pointer, via, stray(unescape(pointer.rpartition("/")[2]), map(str, known)))
        return Violation(pointer, via or "not", forbidden(data))

    def _for_member(self, data: JSON, at: str, beside: list[Part], key: str | int) -> Iterator[Child]:
        """Yield the subschemas of `at` that the member or element `key` of `data` has to satisfy."""
        node = self._nodes[at]
        direct = _naming(node, key)
        yield from direct
        if direct:
            return
        other = next((child for child in node.others if child.keyword == _OTHER[isinstance(key, int)]), None)
        if other:
            yield other
            return
        for child in node.others:
            if child.keyword == _REST[isinstance(key, int)] and not self._evaluated(data, at, beside, key):
                yield child

    def _evaluated(self, data: JSON, at: str, beside: list[Part], key: str | int) -> bool:
        """Say whether one of the subschemas `beside`, which `data` satisfies, describes the member `key`."""
        for part, _ in beside:
            node = self._nodes[part]
            if _naming(node, key) or any(
                child.keyword == _OTHER[isinstance(key, int)] for child in node.others
            ):
                return True
            if part != at and any(child.keyword == _REST[isinstance(key, int)] for child in node.others):
                return True
            if (
                isinstance(key, int)
                and f"{part}/contains" in self._nodes
                and self._fits(f"{part}/contains", data[key])
            ):
                return True
        return False


def _members(data: JSON) -> Iterator[tuple[str | int, JSON]]:
    if isinstance(data, dict):
        yield from data.items()
    elif isinstance(data, list):
        yield from enumerate(data)


def _naming(node: _Node, key: str | int) -> list[Child]:
    """Return the subschemas of `node` that name `key`, itself or by a pattern."""
    named = [node.named[key]] if key in node.named else []
    if isinstance(key, str):
        named += [child for child in node.patterns if engine.holds("pattern", child.key, key)]
    return named
