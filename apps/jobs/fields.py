"""Fields of bodies about jobs, with the checks that go beyond a type."""

from __future__ import annotations

import re
from typing import Any

from apps.core.fields import CharField, FloatField, IntegerField, ListField
from apps.core.serializers import StrictSerializer

QUEUE_PATTERN = r"[a-z0-9](?:[a-z0-9_.-]{0,58}[a-z0-9])?"
_QUEUE = re.compile(QUEUE_PATTERN)
_KIND = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.:/-]{0,98}[A-Za-z0-9])?")


class QueueField(CharField):
    """The name of a queue."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=60, **options)

    def to_internal_value(self, data: Any) -> str:
        """Refuse what is no name."""
        text: str = super().to_internal_value(data)
        if not _QUEUE.fullmatch(text):
            self.refuse("invalid", "A queue's name has up to 60 of a-z, 0-9, dots, dashes and underscores.")
        return text


class KindField(CharField):
    """What a job is, in the product's own words."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=100, **options)

    def to_internal_value(self, data: Any) -> str:
        """Refuse what is no kind."""
        text: str = super().to_internal_value(data)
        if not _KIND.fullmatch(text):
            self.refuse("invalid", "A kind has up to 100 letters and digits, with . : / _ and - in it.")
        return text


class RetryInput(StrictSerializer):
    """Whether a job is tried again after an attempt that failed, and how long it waits: longer each time."""

    initial_seconds = FloatField(min_value=0, max_value=86_400, required=False)
    factor = FloatField(min_value=1, max_value=100, required=False)
    max_seconds = FloatField(min_value=0, max_value=7 * 86_400, required=False)
    jitter = FloatField(min_value=0, max_value=1, required=False, help_text="Part of it that is chance.")
    never_on = ListField(
        child=CharField(max_length=100),
        required=False,
        help_text="Types of error after which another attempt would fail just so: the job is dead at once.",
    )


class RateInput(StrictSerializer):
    """So many in so many seconds."""

    count = IntegerField(min_value=1, max_value=1_000_000)
    seconds = FloatField(min_value=0.001, max_value=86_400)
