"""What goes in and out about events and their types."""

from __future__ import annotations

import re
from typing import Any

from apps.audit.serializers import ForWhomOutput, WhoOutput
from apps.core.longpoll import MOST_SECONDS
from apps.core.pagination import DEFAULT_LIMIT, MAX_LIMIT
from apps.core.parameters import Parameters
from apps.core.problems import show
from apps.core.serializers import (
    CharField,
    DictField,
    IdField,
    IntegerField,
    ListField,
    NameField,
    Output,
    StrictSerializer,
    TimestampField,
)
from apps.events.models import MAX_SUBJECT
from apps.events.naming import FILTER_PATTERN, MAX_TYPE, is_type

#: How many events one call publishes.
MOST_PUBLISHED = 100
MOST_FILTERS = 50
LONGEST_KEPT = 3650
_SUBJECT = "What it is about: an id of the platform, or your own name of something."


class TypeField(CharField):
    """The name of an event type, such as `order.paid`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": MAX_TYPE, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        if not is_type(data):
            rule = "two to four words of a-z, 0-9 and _ with dots between them"
            self.refuse(
                "invalid_event_type", f"{show(data)} is no event type; write {rule}, as in order.paid."
            )
        return str(data)


class FilterField(CharField):
    """An event type, or several that begin alike: `job.*`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": MAX_TYPE, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        if not re.fullmatch(FILTER_PATTERN, data):
            self.refuse("invalid_filter", f"{show(data)} is no type; write job.succeeded, job.* or *.")
        return str(data)


class EventInput(StrictSerializer):
    """Something that happened in the product."""

    type = TypeField(help_text="Of a declared type.")
    subject = CharField(max_length=MAX_SUBJECT, default=None, allow_null=True, help_text=_SUBJECT)
    organization = IdField(
        "org",
        default=None,
        allow_null=True,
        help_text="Whose it is; without one the caller's, or the tenant's own.",
    )
    data = DictField(default=dict, help_text="What its type's schema describes, up to 64 KiB.")  # type: ignore[assignment]


class EventsInput(StrictSerializer):
    """Several things that happened."""

    events = ListField(child=EventInput(), min_length=1, max_length=MOST_PUBLISHED)


class EventParameters(Parameters):
    """From where on to read, and what."""

    after = CharField(
        max_length=2000,
        required=False,
        help_text="`next_cursor` of the answer before, the id of an event, or `latest`: only what comes from now on.",
    )
    types = ListField(
        child=FilterField(),
        max_length=MOST_FILTERS,
        required=False,
        help_text="Only these types; `job.*` is all of `job`.",
    )
    subject = CharField(max_length=MAX_SUBJECT, required=False, help_text="Only what is about this.")
    limit = IntegerField(min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)
    wait_seconds = IntegerField(
        min_value=0,
        max_value=MOST_SECONDS,
        default=0,
        help_text="How long to wait where there is nothing yet; less where many wait.",
    )


class EventOutput(Output):
    """Something that happened, as it was then."""

    id = IdField("evt")
    type = CharField()
    subject = CharField(allow_null=True)
    organization = IdField("org", source="organization_id", allow_null=True)
    actor = WhoOutput()
    on_behalf_of = ForWhomOutput(allow_null=True)
    at = TimestampField()
    request_id = CharField(allow_blank=True, help_text="Of the call that did it; the trail has the same.")
    data = DictField()  # type: ignore[assignment]


class EventsOutput(Output):
    """Events in their order. `next_cursor` is always there: go on from it, now or later."""

    data = EventOutput(many=True)  # type: ignore[assignment]
    next_cursor = CharField()


class PublishedOutput(Output):
    """The events that were written, in the order in which they came."""

    data = EventOutput(many=True)  # type: ignore[assignment]


class EventTypeInput(StrictSerializer):
    """A type of events that the product writes."""

    name = TypeField(help_text="Its noun is none of the platform's; it stays.")
    description = NameField(default="", allow_blank=True, max_length=500)
    schema = DictField(help_text="JSON Schema (2020-12) of the data of its events.")


class EventTypePatch(StrictSerializer):
    """What to change; events that were written stay as they are."""

    description = NameField(required=False, allow_blank=True, max_length=500)
    schema = DictField(required=False, help_text="Counts for events that are written from now on.")


class EventTypeOutput(Output):
    """A declared type of events."""

    id = IdField("evy")
    name = CharField()
    description = CharField(allow_blank=True)
    schema = DictField()
    version = IntegerField()
    created_at = TimestampField()


class EventSettingsPatch(StrictSerializer):
    """How long events are kept."""

    kept_days = IntegerField(min_value=1, max_value=LONGEST_KEPT, required=False)


class EventSettingsOutput(Output):
    """How long events are kept, in days."""

    kept_days = IntegerField(source="events_kept_days")
