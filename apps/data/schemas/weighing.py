"""How much work a schema could ask for, estimated without a record. What weighs too much is refused.

Why it has to be: the validator puts the target of a `$ref` in its place, so that twenty definitions, each of
them `allOf` the one before it, twice, are a million checks of one value. It stops only at a definition that it
is inside of already, and there it remembers its answer for each value.

The estimate does the same on paper. It unfolds the schema, a `$ref` into its target unless that is being
unfolded, and books each subschema on the *place* in the record that it looks at: the record, the member
`a`, the member `b` of `a`, and one more place for "any other member or element". The sums are then bounded:

* `UNFOLDED`: subschemas after unfolding, which bounds the time of compiling and of this estimate;
* `WORK`: the heaviest way from the record down to a value, adding what any member may meet to what the named
  one meets. A unit is about 10 ns (a comparison), so 1,000 units on each of the 100,000 values of a record
  of 1 MB are a second. Patterns, and values to compare that are not strings, cost more and weigh more.
* `CHAIN`: subschemas inside of one another at one place. Each takes 120 bytes of stack at each of the 64
  levels of a record; 28 were measured to fit into 256 kB.

`unevaluated*` makes the validator look into the in-place subschemas a second time, so they are booked twice.
A recursive definition is unfolded from itself too, since that is what the validator does when it comes back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from apps.data.schemas import engine
from apps.data.schemas.keywords import IN_PLACE, JSON, Child, children, resolve

UNFOLDED = 10_000
WORK = 1_000
CHAIN = 24
LEVELS = 150  # of unfolding; a record ends at 64


class TooHeavyError(Exception):
    """The schema asks for too much work, or for work without end; the text says why."""


@dataclass(slots=True)
class _Place:
    work: int = 0
    members: dict[str | int, _Place] = field(default_factory=dict)
    rest: _Place | None = None

    def at(self, child: Child) -> _Place:
        """Return the place that `child` looks at."""
        if child.keyword in ("properties", "prefixItems") and child.key is not None:
            return self.members.setdefault(child.key, _Place())
        self.rest = self.rest or _Place()
        return self.rest

    def heaviest(self) -> int:
        """Return the largest sum of work on the way from here down to one value."""
        rest = self.rest.heaviest() if self.rest else 0
        return max(self.work, max((place.heaviest() for place in self.members.values()), default=0) + rest)


class _Unfolding:
    """One unfolding of the schema `root`, and the definitions that it found to contain themselves."""

    def __init__(self, root: JSON) -> None:
        self.root, self.count = root, 0
        self.inside: set[int] = set()
        self.recursive: dict[int, JSON] = {}

    def unfold(self, schema: JSON, place: _Place, levels: int = 0) -> None:
        """Book `schema` and all below it. Raises TooHeavyError."""
        if id(schema) in self.inside:
            place.work += 1
            self.recursive[id(schema)] = schema
            return
        self.count += 1
        if self.count > UNFOLDED or levels > LEVELS:
            raise TooHeavyError(_SIZE)
        place.work += _own_work(schema)
        if isinstance(schema, dict):
            self.inside.add(id(schema))
            self._below(schema, place, levels + 1)
            self.inside.discard(id(schema))

    def _below(self, schema: dict[str, JSON], place: _Place, levels: int) -> None:
        for target in _targets(self.root, schema):
            self.unfold(target, place, levels)
        twice = 2 if _looks_twice(schema) else 1
        for child in children(schema):
            if child.keyword in IN_PLACE:
                for _ in range(twice):
                    self.unfold(child.schema, place, levels)
            elif child.keyword != "$defs":
                self.unfold(child.schema, place.at(child), levels)


_SIZE = (
    f"The schema unfolds to more than {UNFOLDED} subschemas, or {LEVELS} levels of them, when each $ref is "
    "replaced by what it names. Refer to shared definitions less often."
)


def weigh(root: JSON) -> None:
    """Raise TooHeavyError when applying `root`, whose references resolve, could take too long or never end."""
    _weigh_chains(root)
    pending, seen = [root], set()
    while pending:
        schema = pending.pop()
        if id(schema) in seen:
            continue
        seen.add(id(schema))
        unfolding, place = _Unfolding(root), _Place()
        unfolding.unfold(schema, place)
        if place.heaviest() > WORK:
            raise TooHeavyError(
                f"One value of a record would be checked {place.heaviest()} times over, and {WORK} is the most: "
                "too many subschemas, patterns or values to compare meet at one place."
            )
        pending.extend(unfolding.recursive.values())


def _own_work(schema: JSON) -> int:
    """Return the units of one subschema without those below it; what looks up a hash weighs nothing."""
    if not isinstance(schema, dict):
        return 1
    patterns = [schema["pattern"]] if "pattern" in schema else []
    patterns += schema.get("patternProperties", ())
    named = sum(len(names) + 1 for names in schema.get("dependentRequired", {}).values())
    compared = sum(map(_compared, (schema.get("enum", ()), [schema["const"]] if "const" in schema else ())))
    unique = 5 if schema.get("uniqueItems") else 0
    return 1 + sum(map(_pattern_work, patterns)) + named + compared + unique


def _pattern_work(pattern: str) -> int:
    return 40 if engine.pattern_compiles(pattern, engine.LIGHT_PATTERN_BYTES) else 250


def _compared(choices: Any) -> int:
    """Return the work of comparing with `choices`: a hash for strings alone, else one by one."""
    if all(isinstance(choice, str) for choice in choices):
        return 1
    return sum(1 if isinstance(choice, str | int | None) else 15 * _values_in(choice) for choice in choices)


def _values_in(value: JSON) -> int:
    pending, count = [value], 0
    while pending:
        item = pending.pop()
        count += 1
        pending.extend(item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
    return count


def _looks_twice(schema: dict[str, JSON]) -> bool:
    return "unevaluatedProperties" in schema or "unevaluatedItems" in schema


def _targets(root: JSON, schema: dict[str, JSON]) -> Iterator[JSON]:
    for ref in (schema["$ref"],) if "$ref" in schema else ():
        yield resolve(root, ref)


def _weigh_chains(root: JSON) -> None:
    """Refuse chains of in-place subschemas that are too long, and those that end in themselves."""
    lengths: dict[int, int] = {}

    def length(schema: JSON, above: tuple[int, ...]) -> int:
        if not isinstance(schema, dict):
            return 1
        if id(schema) in above:
            raise TooHeavyError(
                "A definition refers to itself for the same value, so checking it would never end. "
                "Refer to it for a part of the value: under properties or items."
            )
        if len(above) >= CHAIN:
            raise TooHeavyError(f"More than {CHAIN} subschemas are inside of one another for one value.")
        if id(schema) not in lengths:
            here = [child.schema for child in children(schema) if child.keyword in IN_PLACE]
            below = [*_targets(root, schema), *here]
            lengths[id(schema)] = 1 + max((length(item, (*above, id(schema))) for item in below), default=0)
        if len(above) + lengths[id(schema)] > CHAIN:
            raise TooHeavyError(f"More than {CHAIN} subschemas are inside of one another for one value.")
        return lengths[id(schema)]

    pending = [root]
    while pending:
        schema = pending.pop()
        length(schema, ())
        pending.extend(child.schema for child in children(schema))
