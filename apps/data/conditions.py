"""Conditions as SQL: on the keys of an index, or on the JSON of the records where there is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from apps.data import keys
from apps.data.filters import Condition
from apps.data.lookups import LookUp
from apps.data.statements import Part, any_of, one_of, sql, value


def look_up(condition: Condition, index: int) -> LookUp:
    """`condition` as entries of an index."""
    operator = condition.operator
    return LookUp(
        index,
        _on_keys(condition),
        absent=operator == "ne",
        is_value=operator in ("eq", "contains"),
        is_once=not (condition.field.many and operator == "exists" and condition.value),
        is_only=not condition.field.many,
    )


def _on_keys(condition: Condition) -> Part:
    """What `condition` demands of one key of the record. `ne` is not among them: it demands that there is none."""
    operator, given = condition.operator, condition.value
    if operator == "exists":
        return sql("key <> {}" if given else "key = {}", value(keys.MISSING))
    if operator == "in":
        return one_of("key", [_key(condition, one) for one in given])
    if operator == "prefix":
        return _between(*keys.ends_of_prefix(given))
    key = _key(condition, given)
    if operator in _SQL:
        return sql(f"key {_SQL[operator]} {{}}", value(key)) & _between(*keys.ends_of_kind(key))
    return sql("key = {}", value(key))


def _between(first: str, behind: str) -> Part:
    return sql("key >= {} and key < {}", value(first), value(behind))


def _key(condition: Condition, given: Any) -> str:
    return keys.moment(given) if isinstance(given, datetime) else keys.key_of(given, condition.field.kind)


def on_json(condition: Condition) -> Part:
    """What `condition` demands of the JSON of a record `r`, for a query that looks at every one."""
    at, given = json_at(condition.field.path), condition.value
    if condition.operator == "exists":
        present = _exists(at, many=condition.field.many)
        return present if given else ~present
    if condition.operator == "in":
        return any_of([_equals(condition, at, one) for one in given])
    if condition.operator == "ne":
        return ~_equals(condition, at, given)
    return _TESTS[condition.operator](condition, at, given)


def json_at(path: str) -> Part:
    """The JSON of a record `r` at a dotted path, which goes through objects alone; NULL where there is none."""
    # As texts, which no array has a place for.
    names = path.split(".")
    return Part(f"(r.data{' -> %s::text' * len(names)})", tuple(names))


# A test is false, not unknown, where the JSON has no such value.


def _is(at: Part, kinds: str) -> Part:
    return sql(f"coalesce(jsonb_typeof({{}}) in ({kinds}), false)", at)


def _exists(at: Part, *, many: bool) -> Part:
    """That there is a value; of an array: one that is not null."""
    present = sql("coalesce(jsonb_typeof({}) <> 'null', false)", at)
    if not many:
        return present
    element = "coalesce(jsonb_path_exists({}, 'strict $[*] ? (@ != null)', '{{}}', true), false)"
    return present & any_of([~_is(at, "'array'"), sql(element, at)])


def _text(at: Part) -> Part:
    """A JSON string as text that compares byte by byte; NULL for other JSON."""
    return sql("(case when jsonb_typeof({}) = 'string' then {} #>> '{{}}' end) collate \"C\"", at, at)


#: What apps.core.fields.point_in_time reads, but for the days of a month.
_RFC_3339 = (
    "^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    "([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_DAYS_OF_MONTH = (
    "date_part('day', make_date(left(t, 4)::int, substr(t, 6, 2)::int, 1) + interval '1 month - 1 day')"
)
# A fraction ends after microseconds, and offsets go further than those that a timestamptz may be written with.
_LOCAL = "(left(t, 19) || coalesce(substring(t from '[.][0-9]{1,6}'), ''))::timestamp"
_OFFSET = "(case when right(t, 1) = 'Z' then '0' else right(t, 6) end)::interval"
# Each case stands around what would fail without it: PostgreSQL may test the parts of an `and` in any order.
# `offset 0` keeps it from writing a part out wherever it is used, which takes more than twice as long.
_MOMENT = (
    "(select case when utc between '0001-01-01' and '9999-12-31 23:59:59.999999' then utc at time zone 'UTC' end "  # noqa: S608 - fixed texts
    f"from (select case when t ~ '{_RFC_3339}' then case when substr(t, 9, 2)::int <= {_DAYS_OF_MONTH} "
    f"then {_LOCAL} - {_OFFSET} end end as utc "
    "from (select case when jsonb_typeof(j) = 'string' then upper(j #>> '{}') end as t "
    "from (select "
)
_OF_MOMENT = " as j) as json offset 0) as texts offset 0) as moments)"


def _moment(at: Part) -> Part:
    """A JSON string as a point in time; NULL for other JSON, and for texts that stand for none in these 9999 years."""
    return Part(_MOMENT + at.text + _OF_MOMENT, at.params)


_SQL = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def _json(given: Any) -> Part:
    return sql("{}::jsonb", value(json.dumps(given)))


def _compared(left: Part, sign: str, right: Part) -> Part:
    return sql(f"coalesce({{}} {sign} {{}}, false)", left, right)


def _equals(_condition: Condition, at: Part, given: Any) -> Part:
    if isinstance(given, datetime):
        return _compared(_moment(at), "=", value(given))
    return _compared(at, "=", _json(given))


def _ordered(condition: Condition, at: Part, given: Any) -> Part:
    sign = _SQL[condition.operator]
    if isinstance(given, datetime):
        return _compared(_moment(at), sign, value(given))
    if isinstance(given, str):
        return _compared(_text(at), sign, value(given))
    kinds = "'boolean'" if isinstance(given, bool) else "'number'"
    return _is(at, kinds) & _compared(at, sign, _json(given))


def _contains(condition: Condition, at: Part, given: Any) -> Part:
    if condition.field.many:
        return _is(at, "'array'") & _compared(at, "@>", _json([given]))
    return sql("coalesce(strpos({}, {}) > 0, false)", _text(at), value(str(given)))


def _prefix(_condition: Condition, at: Part, given: Any) -> Part:
    return sql("coalesce(starts_with({}, {}), false)", _text(at), value(given))


_TESTS: dict[str, Callable[[Condition, Part, Any], Part]] = {
    "eq": _equals,
    **dict.fromkeys(_SQL, _ordered),
    "contains": _contains,
    "prefix": _prefix,
}
