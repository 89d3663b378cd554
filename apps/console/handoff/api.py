"""The calls about hand-offs, below /v1/."""

from django.urls import path

from apps.console.handoff import services as do
from apps.core.endpoints import endpoint

urlpatterns = [
    path(
        "applications/<slug:slug>/environments/<slug:environment>/hand-offs",
        endpoint(POST=do.open_environment),
    ),
    path("hand-offs", endpoint(GET=do.list_hand_offs)),
    path("hand-offs/<hof:hand_off_id>", endpoint(GET=do.get_hand_off, DELETE=do.end_hand_off)),
]
