"""URLs of the event log, below /v1/."""

from django.urls import path, register_converter

from apps.core.endpoints import endpoint
from apps.events import services, streaming, types
from apps.events.naming import TYPE_PATTERN


class EventTypeConverter:
    """`<eventtype:event_type>` in a URL: the name of an event type."""

    regex = TYPE_PATTERN

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(EventTypeConverter, "eventtype")

urlpatterns = [
    path("events", endpoint(GET=services.list_events, POST=services.publish_event)),
    path("events/batch", endpoint(POST=services.publish_events)),
    path("events/stream", endpoint(POST=streaming.stream_events)),
    path("events/<evt:event_id>", endpoint(GET=services.get_event)),
    path("event-types", endpoint(GET=types.list_event_types, POST=types.create_event_type)),
    path(
        "event-types/<eventtype:event_type>",
        endpoint(GET=types.get_event_type, PATCH=types.update_event_type, DELETE=types.delete_event_type),
    ),
    path("event-settings", endpoint(GET=types.get_event_settings, PATCH=types.update_event_settings)),
]
