"""Whether a new schema takes every record that the old one took: `widens`, a proof or nothing.

To prove: a value that satisfies all of `known` (parts of the old schema) satisfies `part` of the new one. It
does when each keyword of `part` follows from a keyword in `known`, cannot concern a value of the types that
`known` leaves, or holds for each of the values that `known` lists. Everything else counts as unproven: no
answer here looks at a record.

A goal that comes up while it is being proven holds (coinduction): the chains of in-place subschemas are finite
in both schemas (weighing.py), so between the two the walk went on to a part of the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from apps.data.schemas import engine, implying
from apps.data.schemas.implying import Parts
from apps.data.schemas.keywords import ANNOTATIONS, JSON, TYPES, resolve

_MAX_STEPS = 20_000
_MAX_DEPTH = 100
_DEFINED = "#/$defs/"
# One object for each, since goals are told apart by the identity of their parts.
_OF_TYPE = {name: {"type": name} for name in TYPES}


def widens(old: JSON, new: JSON) -> bool:
    """Say whether every record that is valid under `old` is certainly valid under `new`; False when unsure.

    Both are schemas that check_schema accepted. Annotations do not matter.
    """
    if engine.canonical(old) == engine.canonical(new):
        return True
    return _Proof(old, new).follows([_OF_TYPE["object"], old], new)


class _Proof:
    def __init__(self, old: JSON, new: JSON) -> None:
        self.old, self.new = old, new
        self.same_definitions = _same_definitions(old, new)
        self.steps, self.open = 0, set[tuple[frozenset[int], int]]()

    def follows(self, known: Parts, part: JSON) -> bool:
        """Say whether a value that satisfies all of `known` satisfies `part`."""
        found = list(self._all(known))
        if part is True or any(item is False for item in found):
            return True
        known = [item for item in found if isinstance(item, dict)]
        goal = (frozenset(map(id, known)), id(part))
        if goal in self.open:
            return True
        self.steps += 1
        if part is False or self.steps > _MAX_STEPS or len(self.open) > _MAX_DEPTH:
            return False
        self.open.add(goal)
        holds = self._part(known, part)
        self.open.discard(goal)
        return holds

    def _all(self, known: Parts) -> Iterator[JSON]:
        """Yield `known` with what is in their `allOf` and what they refer to, each once."""
        pending, seen = list(reversed(known)), set[int]()
        while pending:
            schema = pending.pop()
            if id(schema) in seen:
                continue
            seen.add(id(schema))
            yield schema
            if isinstance(schema, dict):
                pending.extend(reversed(schema.get("allOf", ())))
                pending.extend(resolve(self.old, schema[key]) for key in ("$ref",) if key in schema)

    def _part(self, known: Parts, part: dict[str, JSON]) -> bool:
        assertions = [
            keyword for keyword in part if keyword not in ANNOTATIONS and not keyword.startswith("x-")
        ]
        if not assertions or self._by_value(known, part):
            return True
        types = implying.types(known)
        return all(
            implying.cannot_concern(keyword, types) or self._keyword(known, part, keyword)
            for keyword in assertions
        )

    def _by_value(self, known: Parts, part: dict[str, JSON]) -> bool:
        """Say whether `known` lists values that all satisfy `part`, or holds `part` itself."""
        if self._alike(known, part, part):
            return True
        listed = None if _refs(part) else implying.listed(known)
        if listed is None:
            return False
        validator = engine.compiled(part)
        return all(validator.is_valid(value) for value in listed)

    def _alike(self, known: Parts, part: dict[str, JSON], keywords: Iterable[str]) -> bool:
        """Say whether one of `known` has the `keywords` of `part`, and what they refer to is the same in both."""
        chosen = {key: part[key] for key in keywords if key in part}
        if not all(self.same_definitions and ref.startswith(_DEFINED) for ref in _refs(chosen)):
            return False
        wanted = implying.bare(chosen)
        if keywords is part:
            return any(implying.bare(item) == wanted for item in known)
        return any(
            implying.bare({key: item[key] for key in keywords if key in item}) == wanted for item in known
        )

    def _keyword(self, known: Parts, part: dict[str, JSON], keyword: str) -> bool:
        value = part[keyword]
        if keyword in implying.RULES:
            return implying.RULES[keyword](known, value)
        if keyword in ("$ref", "allOf"):
            parts = [resolve(self.new, value)] if keyword == "$ref" else value
            return all(self.follows(known, item) for item in parts)
        if keyword in _TOGETHER:
            return self._alike(known, part, _TOGETHER[keyword])
        return keyword in _RULES and _RULES[keyword](self, known, part)

    def _properties(self, known: Parts, part: dict[str, JSON]) -> bool:
        return all(
            self.follows(implying.at_member(known, name), sub) for name, sub in part["properties"].items()
        )

    def _pattern_properties(self, known: Parts, part: dict[str, JSON]) -> bool:
        return all(self._pattern(known, pattern, sub) for pattern, sub in part["patternProperties"].items())

    def _pattern(self, known: Parts, pattern: str, sub: JSON) -> bool:
        same = [
            item["patternProperties"][pattern]
            for item in known
            if pattern in item.get("patternProperties", ())
        ]
        if self.follows(same, sub):
            return True
        return any(
            all(
                self.follows(implying.at_member(known, name), sub)
                for name in names
                if engine.holds("pattern", pattern, name)
            )
            for names in implying.closed_lists(known)
        )

    def _additional(self, known: Parts, part: dict[str, JSON]) -> bool:
        return any(self._others(known, item, part) for item in [*known, {}])

    def _others(self, known: Parts, item: dict[str, JSON], part: dict[str, JSON]) -> bool:
        """Say whether each member that `part` does not name, sorted by what `item` says of it, is taken."""
        sub = part["additionalProperties"]
        named = [name for name in item.get("properties", ()) if not implying.names(part, name)]
        patterns = [
            below
            for pattern, below in item.get("patternProperties", {}).items()
            if pattern not in part.get("patternProperties", ())
        ]
        return (
            self.follows([item.get("additionalProperties", True)], sub)
            and all(self.follows([below], sub) for below in patterns)
            and all(self.follows(implying.at_member(known, name), sub) for name in named)
        )

    def _names(self, known: Parts, part: dict[str, JSON]) -> bool:
        names = [item["propertyNames"] for item in known if "propertyNames" in item]
        return self.follows([_OF_TYPE["string"], *names], part["propertyNames"])

    def _prefix(self, known: Parts, part: dict[str, JSON]) -> bool:
        return all(
            self.follows(implying.at_element(known, place), sub)
            for place, sub in enumerate(part["prefixItems"])
        )

    def _items(self, known: Parts, part: dict[str, JSON]) -> bool:
        first = len(part.get("prefixItems", ()))
        end = max((len(item.get("prefixItems", ())) for item in known), default=0)
        places = range(first, max(first, end) + 1)  # the last of them stands for all after it
        return all(self.follows(implying.at_element(known, place), part["items"]) for place in places)

    def _any_of(self, known: Parts, part: dict[str, JSON]) -> bool:
        if self._some(known, part):
            return True
        cases = [item[key] for item in known for key in ("anyOf", "oneOf") if key in item]
        cases.append([_OF_TYPE[name] for name in implying.named_types(known)])
        return any(case and all(self._some([*known, form], part) for form in case) for case in cases)

    def _some(self, known: Parts, part: dict[str, JSON]) -> bool:
        return any(self.follows(known, form) for form in part["anyOf"])

    def _dependent(self, known: Parts, part: dict[str, JSON]) -> bool:
        return all(self.follows(known, sub) for sub in part["dependentSchemas"].values())


_Rule = Callable[[_Proof, Parts, dict[str, JSON]], bool]
_RULES: dict[str, _Rule] = {
    "properties": _Proof._properties,
    "patternProperties": _Proof._pattern_properties,
    "additionalProperties": _Proof._additional,
    "propertyNames": _Proof._names,
    "prefixItems": _Proof._prefix,
    "items": _Proof._items,
    "anyOf": _Proof._any_of,
    "dependentSchemas": _Proof._dependent,
}
# Taken when one part of the old schema has all of these just the same.
_TOGETHER: dict[str, tuple[str, ...]] = {
    "not": ("not",),
    "oneOf": ("oneOf",),
    **dict.fromkeys(("contains", "minContains", "maxContains"), ("contains", "minContains", "maxContains")),
    **dict.fromkeys(("if", "then", "else"), ("if", "then", "else")),
}


def _refs(schema: JSON) -> set[str]:
    """Return every `$ref` in `schema`; a member of that name inside of a value counts too, which does no harm."""
    found, pending = set[str](), [schema]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            found |= {str(item["$ref"])} if "$ref" in item else set()
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return found


def _same_definitions(old: JSON, new: JSON) -> bool:
    """Say whether `$defs` are the same in both schemas, and refer to nothing outside of them."""
    same = engine.canonical(old.get("$defs")) == engine.canonical(new.get("$defs"))
    return same and all(ref.startswith(_DEFINED) for ref in _refs(new.get("$defs")))
