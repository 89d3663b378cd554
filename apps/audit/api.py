"""URLs of the trail, relative to /v1/."""

from django.urls import path, register_converter

from apps.audit.fields import AnyIdConverter
from apps.audit.keys import get_activity
from apps.audit.services import get_event, get_timeline, list_events
from apps.core.endpoints import endpoint

register_converter(AnyIdConverter, "anyid")

urlpatterns = [
    path("audit", endpoint(GET=list_events)),
    path("audit/<aud:event_id>", endpoint(GET=get_event)),
    path("keys/<key:key_id>/activity", endpoint(GET=get_activity)),
    path("timeline/<anyid:thing>", endpoint(GET=get_timeline)),
]
