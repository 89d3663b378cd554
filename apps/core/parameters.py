"""Query parameters, declared like a body: unknown ones and repeated ones are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any, ClassVar

from django.http import QueryDict
from rest_framework import serializers

from apps.core import problems
from apps.core.pagination import DEFAULT_LIMIT, MAX_LIMIT
from apps.core.problem_handlers import validation_failed
from apps.core.serializers import CharField, IntegerField, StrictSerializer


class Parameters(StrictSerializer):
    """The query parameters of a call. A ListField takes words between commas.

    `families` collects parameters with open names: `{"filter": r"filter\\[\\w+\\]"}` gathers all that match
    into the argument `filter`, a dict of name to text.
    """

    refusal = problems.ParametersInvalid
    field_noun = "parameter"
    textual: ClassVar[bool] = True
    families: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def read_query(cls, query: QueryDict) -> dict[str, Any]:
        """Return the arguments that `query` holds. Raises ParametersInvalid."""
        if not query:
            return deepcopy(_without_any(cls))
        repeated = [name for name, values in query.lists() if len(values) > 1]
        if repeated:
            error = serializers.ValidationError("The parameter was given more than once.", code="repeated")
            raise validation_failed(dict.fromkeys(repeated[:20], error.detail), cls.refusal)
        return cls._read_each(query.dict())

    @classmethod
    def _read_each(cls, given: dict[str, Any]) -> dict[str, Any]:
        plain, collected = cls._sorted_out(given)
        return {**cls.read(plain), **collected}

    @classmethod
    def _sorted_out(cls, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
        collected: dict[str, dict[str, str]] = {family: {} for family in cls.families}
        for family, pattern in cls.families.items():
            for name in [name for name in given if re.fullmatch(pattern, name)]:
                collected[family][name] = given.pop(name)
        return given, collected


@cache
def _without_any(cls: type[Parameters]) -> dict[str, Any]:
    # Most calls have no parameters at all, and validating nothing costs as much as validating something.
    return cls._read_each({})


class ListParameters(Parameters):
    """What every list takes; a list with filters of its own subclasses this."""

    limit = IntegerField(
        min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT, help_text="How many rows a page has."
    )
    cursor = CharField(
        max_length=2000, default=None, allow_null=True, help_text="`next_cursor` of the page before."
    )
