"""Conditions as SQL: on the keys of an index, or on the JSON of the records where there is none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import (
    BooleanField,
    DateTimeField,
    F,
    Func,
    JSONField,
    Q,
    TextField,
    Value,
)
from django.db.models.expressions import Combinable

from apps.data import keys
from apps.data.filters import Condition
from apps.data.lookups import LookUp


def on_keys(condition: Condition, column: str = "key") -> Q:
    """What `condition` demands of one key of the record. `ne` is not among them: it demands that there is none."""
    operator, value = condition.operator, condition.value
    if operator == "exists":
        return ~Q(**{column: keys.MISSING}) if value else Q(**{column: keys.MISSING})
    if operator == "in":
        return Q(**{f"{column}__in": [_key(condition, one) for one in value]})
    if operator == "prefix":
        return _between(column, *keys.ends_of_prefix(value))
    key = _key(condition, value)
    if operator in ("eq", "ne", "contains"):
        return Q(**{column: key})
    return Q(**{f"{column}__{operator}": key}) & _between(column, *keys.ends_of_kind(key))


def look_up(condition: Condition, index: int) -> LookUp:
    """`condition` as entries of an index."""
    keys_of_it, operator = on_keys(condition), condition.operator
    return LookUp(
        index,
        keys_of_it,
        absent=operator == "ne",
        is_value=operator in ("eq", "contains"),
        is_once=not (condition.field.many and operator == "exists" and condition.value),
        is_only=not condition.field.many,
    )


def _between(column: str, first: str, behind: str) -> Q:
    return Q(**{f"{column}__gte": first, f"{column}__lt": behind})


def _key(condition: Condition, value: Any) -> str:
    return keys.moment(value) if isinstance(value, datetime) else keys.key_of(value, condition.field.kind)


def on_json(condition: Condition, column: str = "data") -> Q:
    """What `condition` demands of the record's JSON, for a query that looks at every record."""
    at = json_at(condition.field.path, column)
    if condition.operator == "exists":
        present = Q(_Is(at, kinds="'null'", negated="not "))
        if condition.field.many:
            present &= Q(_Is(at, kinds="'array'", negated="not ")) | Q(_HasElement(at))
        return present if condition.value else ~present
    if condition.operator == "in":
        found = Q()
        for value in condition.value:
            found |= Q(_equals(condition, at, value))
        return found
    if condition.operator == "ne":
        return ~Q(_equals(condition, at, condition.value))
    return Q(_TESTS[condition.operator](condition, at, condition.value))


def json_at(path: str, column: str = "data") -> _At:
    """The JSON of a record at a dotted path, which goes through objects alone; NULL where there is none."""
    return _At(F(column), *(_Name(Value(name)) for name in path.split(".")))


# The parts of SQL below are fixed texts; what a caller sent gets in as a parameter alone.


class _Name(Func):
    """The name of a member; as a text, which no array has a place for."""

    template = "%(expressions)s::text"
    output_field = TextField()


class _At(Func):
    """The JSON at a path; NULL where there is none."""

    template = "(%(expressions)s)"
    arg_joiner = " -> "
    output_field = JSONField()


class _Test(Func):
    """A test that is false, not unknown, where the JSON has no such value."""

    template = "coalesce(%(expressions)s, false)"
    output_field = BooleanField()
    conditional = True


class _Is(Func):
    """Whether the JSON is there and of one of some kinds."""

    template = "coalesce(jsonb_typeof(%(expressions)s) %(negated)sin (%(kinds)s), false)"
    output_field = BooleanField()
    conditional = True

    def __init__(self, value: Combinable, *, kinds: str, negated: str = "") -> None:
        super().__init__(value, kinds=kinds, negated=negated)


class _HasElement(Func):
    """Whether JSON is an array with an element that is not null."""

    template = "coalesce(jsonb_path_exists(%(expressions)s, 'strict $[*] ? (@ != null)', '{}', true), false)"
    output_field = BooleanField()
    conditional = True


class _Text(Func):
    """A JSON string as text that compares byte by byte; NULL for other JSON."""

    template = "(case when jsonb_typeof(%(expressions)s) = 'string' then (%(expressions)s) #>> '{}' end) collate \"C\""
    output_field = TextField()

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> Any:  # type: ignore[override]
        sql, params = super().as_sql(compiler, connection, **context)
        return sql, (*params, *params)


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


class _Moment(Func):
    """A JSON string as a point in time; NULL for other JSON, and for texts that stand for none in these 9999 years."""

    # Each case stands around what would fail without it: PostgreSQL may test the parts of an `and` in any order.
    # `offset 0` keeps it from writing a part out wherever it is used, which takes more than twice as long.
    template = (
        "(select case when utc between '0001-01-01' and '9999-12-31 23:59:59.999999' then utc at time zone 'UTC' end "  # noqa: S608 - fixed texts
        f"from (select case when t ~ '{_RFC_3339}' then case when substr(t, 9, 2)::int <= {_DAYS_OF_MONTH} "
        f"then {_LOCAL} - {_OFFSET} end end as utc "
        "from (select case when jsonb_typeof(j) = 'string' then upper(j #>> '{}') end as t "
        "from (select %(expressions)s as j) as json offset 0) as texts offset 0) as moments)"
    )
    output_field = DateTimeField()


class _Joined(_Test):
    """A comparison of two expressions by an SQL operator, which is one of ours."""

    template = "coalesce((%(expressions)s), false)"

    def __init__(self, left: Any, operator: str, right: Any) -> None:
        super().__init__(left, right, arg_joiner=f" {operator} ")


class _Call(_Test):
    """A function of two texts that answers true or false."""

    def __init__(self, left: Any, right: Any, call: str) -> None:
        super().__init__(left, right, template=f"coalesce({call}, false)", arg_joiner=", ")


_SQL = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def _json(value: Any) -> Value:
    return Value(value, output_field=JSONField())


def _equals(_condition: Condition, at: _At, value: Any) -> Func:
    if isinstance(value, datetime):
        return _Joined(_Moment(at), "=", Value(value))
    return _Joined(at, "=", _json(value))


def _ordered(condition: Condition, at: _At, value: Any) -> Func:
    sign = _SQL[condition.operator]
    if isinstance(value, datetime):
        return _Joined(_Moment(at), sign, Value(value))
    if isinstance(value, str):
        return _Joined(_Text(at), sign, Value(value))
    kinds = "'boolean'" if isinstance(value, bool) else "'number'"
    return _Both(_Is(at, kinds=kinds), _Joined(at, sign, _json(value)))


class _Both(_Test):
    """Both of two tests."""

    template = "(%(expressions)s)"
    arg_joiner = " and "


def _contains(condition: Condition, at: _At, value: Any) -> Func:
    if condition.field.many:
        return _Both(_Is(at, kinds="'array'"), _Joined(at, "@>", _json([value])))
    return _Call(_Text(at), Value(str(value)), "strpos(%(expressions)s) > 0")


def _prefix(_condition: Condition, at: _At, value: Any) -> Func:
    return _Call(_Text(at), Value(value), "starts_with(%(expressions)s)")


_TESTS: dict[str, Callable[[Condition, _At, Any], Func]] = {
    "eq": _equals,
    **dict.fromkeys(_SQL, _ordered),
    "contains": _contains,
    "prefix": _prefix,
}
