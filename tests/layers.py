"""Which files of tests a layer has to open: importing all of them takes each layer ten seconds of every processor."""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from pathlib import Path

from _pytest.mark.expression import Expression

_MARK = re.compile(r"\bmark\.(\w+)")
_MARK_OF_ALL = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.(\w+)", re.MULTILINE)


def may_hold(path: Path, marks: str) -> bool:
    """Whether a file of tests may hold one that `-m` with the expression `marks` takes; its text alone is read."""
    text = path.read_text()
    on_all = frozenset(_MARK_OF_ALL.findall(text))
    return _may_be(marks, on_all, frozenset(_MARK.findall(text)) - on_all)


@lru_cache
def _may_be(marks: str, on_all: frozenset[str], on_some: frozenset[str]) -> bool:
    """Whether the expression is true of a test with all of the first marks and any of the others."""
    expression = Expression.compile(marks)
    some = sorted(name for name in on_some if re.search(rf"\b{name}\b", marks))
    choices = itertools.chain.from_iterable(
        itertools.combinations(some, size) for size in range(len(some) + 1)
    )
    return any(_is_true(expression, on_all.union(chosen)) for chosen in choices)


def _is_true(expression: Expression, having: frozenset[str]) -> bool:
    # What a mark is given is of no interest here.
    return expression.evaluate(lambda name, /, **_: name in having)
