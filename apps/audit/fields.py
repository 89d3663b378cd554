"""Ids of any kind: in the trail, what is named may be anything."""

from __future__ import annotations

import re
from typing import Any

from apps.core.ids import BODY_PATTERN
from apps.core.problems import show
from apps.core.serializers import CharField

ANY_ID_PATTERN = f"[a-z][a-z0-9]{{1,7}}_{BODY_PATTERN}"


class AnyIdField(CharField):
    """The id of anything, with the prefix of its kind."""

    def to_internal_value(self, data: Any) -> str:
        if not re.fullmatch(ANY_ID_PATTERN, data):
            self.refuse("invalid_id", f"{show(data)} is no id; ids look like org_01k….")
        return str(data)


class AnyIdConverter:
    """`<anyid:name>` in a URL: the id as it is shown."""

    regex = ANY_ID_PATTERN

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value
