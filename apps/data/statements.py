"""Statements that find records: parts of SQL, and what they make together.

Written out, because Django's querysets took a third of the time of a list. The texts are fixed and our own; what a
caller sent gets in as a parameter alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from django.db import connection

from apps.core.pagination import Page, opened_values, sealed_values


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of SQL with a `%s` for each of `params`."""

    text: str
    params: tuple[Any, ...] = ()

    def __and__(self, other: Part) -> Part:
        return all_of([self, other])

    def __invert__(self) -> Part:
        return sql("not ({})", self)


#: What holds for no row.
NOTHING = Part("false")


def value(given: Any) -> Part:
    """What a caller sent."""
    return Part("%s", (given,))


def sql(template: str, *parts: Part) -> Part:
    """`template` with one of `parts` in the place of each `{}`."""
    texts = (part.text for part in parts)
    return Part(template.format(*texts), tuple(chain.from_iterable(part.params for part in parts)))


def all_of(tests: Sequence[Part]) -> Part:
    """That every one of `tests` holds."""
    return _joined(" and ", tests) if tests else Part("true")


def any_of(tests: Sequence[Part]) -> Part:
    """That one of `tests` holds."""
    return sql("({})", _joined(" or ", tests)) if tests else NOTHING


def has(column: str, wanted: Any) -> Part:
    """That `column` has the value `wanted`, which may be none."""
    return Part(f"{column} is null") if wanted is None else Part(f"{column} = %s", (wanted,))


def one_of(column: str, values: Iterable[Any]) -> Part:
    """That `column` has one of `values`."""
    params = tuple(values)
    return Part(f"{column} in ({', '.join(['%s'] * len(params))})", params) if params else NOTHING


def _joined(word: str, tests: Sequence[Part]) -> Part:
    return Part(
        word.join([one.text for one in tests]), tuple(chain.from_iterable(one.params for one in tests))
    )


@dataclass(frozen=True, slots=True)
class Look:
    """What each of some rows is looked at for: `test`, or `at_once` where all of them are gone through anyhow."""

    test: Part
    at_once: Part


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of `table` for which all `tests` hold, and `looks` after them; `join` is what these need beside them.

    `order` are texts of some of the `columns`, which together differ in all rows and are never null: one or two, of
    which the last one is the record's id.
    """

    table: str
    tests: tuple[Part, ...]
    columns: tuple[Part, ...]
    order: tuple[str, ...] = ()
    descending: bool = False
    looks: tuple[Look, ...] = ()
    join: str = ""

    def where(self, *tests: Part) -> Rows:
        """Those for which `tests` hold, too."""
        return replace(self, tests=(*self.tests, *tests))

    def looked_at(self, *looks: Look, join: str = "") -> Rows:
        """Those for which `looks` hold, too."""
        return replace(self, looks=(*self.looks, *looks), join=join or self.join)

    def select(self, *columns: Part) -> Rows:
        """The same rows with other columns."""
        return replace(self, columns=columns)

    @property
    def statement(self) -> Part:
        """All of them, in no order."""
        tests = [*self.tests, *(one.at_once for one in self.looks)]
        return _select(self.columns, Part(self.table + self.join), tests)

    def read(self) -> list[tuple[Any, ...]]:
        """All of them, in no order."""
        return _fetched(self.statement)

    def count(self, most: int | None = None) -> int:
        """How many there are, counted as far as `most`."""
        rows = self.select(Part("1")).statement
        rows = rows if most is None else sql(f"{{}} limit {most}", rows)
        return int(_fetched(sql("select count(*) from ({}) rows", rows))[0][0])

    def page(self, *, limit: int, cursor: str | None, scope: str, walk: int) -> Page[tuple[Any, ...]] | None:
        """Those behind `cursor`, in order; see pagination.paginate. Raises CursorInvalid.

        They are looked at in their order until the page is full: `walk` of them, of which a page may need all. None
        where that was not enough, see `page_at_once`.
        """
        rows = self._after(cursor, scope)
        if not self.looks:
            return self._cut(
                self._in_order(_select(self.columns, Part(self.table), rows.tests), limit + 1), limit, scope
            )
        walked = self._in_order(_select([Part(f"{self._name}.*")], Part(self.table), rows.tests), walk)
        source = sql(f"({{}}) {self._name}{self.join}", walked)
        found = _select(self.columns, source, [one.test for one in self.looks])
        page = self._cut(self._in_order(found, limit + 1), limit, scope)
        return None if page.next_cursor is None and rows._are_more_than(walk) else page

    def page_at_once(self, *, limit: int, cursor: str | None, scope: str) -> Page[tuple[Any, ...]]:
        """The same page with the columns of the order alone, for which all rows are gone through."""
        rows = self._after(cursor, scope).select(*(Part(one) for one in self.order))
        # By itself PostgreSQL would walk along the order again, as it believes that the page is full soon.
        found = sql(f"with {self._name} as materialized ({{}}) select * from {self._name}", rows.statement)  # noqa: S608
        return rows._cut(self._in_order(found, limit + 1), limit, scope)

    @property
    def _name(self) -> str:
        """What the table is called in the statement."""
        return self.table.split()[-1]

    def _in_order(self, statement: Part, limit: int) -> Part:
        order = ", ".join([f"{one} desc" if self.descending else one for one in self.order])
        return sql(f"{{}} order by {order} limit {limit}", statement)

    def _cut(self, statement: Part, limit: int, scope: str) -> Page[tuple[Any, ...]]:
        """The rows of `statement`, of which there is one more than `limit` where more follow."""
        found = _fetched(statement)
        if len(found) <= limit:
            return Page(found, None)
        last = dict(zip([one.text for one in self.columns], found[limit - 1], strict=True))
        values = [last[one] for one in self.order]
        return Page(found[:limit], sealed_values(values, self._bound(scope)))

    def _bound(self, scope: str) -> str:
        return f"{scope}|{self.order}|{self.descending}"

    def _after(self, cursor: str | None, scope: str) -> Rows:
        return self.where(self._behind(opened_values(cursor, self._bound(scope)))) if cursor else self

    def _behind(self, values: Sequence[Any]) -> Part:
        """That a row comes after the one with `values`; the first bound is plain, for an index to serve."""
        sign = "<" if self.descending else ">"
        (first, *rest), (one, *others) = self.order, values
        if not rest:
            return Part(f"{first} {sign} %s", (one,))
        (second,), (other,) = rest, others
        tied = f"{first} {sign} %s or ({first} = %s and {second} {sign} %s)"
        return Part(f"{first} {sign}= %s and ({tied})", (one, one, one, other))

    def _are_more_than(self, count: int) -> bool:
        """True when more rows pass the tests, before anything is looked at."""
        return replace(self, looks=(), join="").count(count + 1) > count


def _select(columns: Sequence[Part], source: Part, tests: Sequence[Part]) -> Part:
    return sql("select {} from {} where {}", _joined(", ", columns), source, all_of(tests))


def _fetched(statement: Part) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        return list(cursor.fetchall())
