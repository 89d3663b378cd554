"""The calls about applications and environments, below /v1/."""

from django.urls import path

from apps.applications import services
from apps.core.endpoints import endpoint

urlpatterns = [
    path("applications", endpoint(GET=services.list_applications, POST=services.create_application)),
    path(
        "applications/<slug:slug>",
        endpoint(
            GET=services.get_application,
            PATCH=services.update_application,
            DELETE=services.delete_application,
        ),
    ),
    path(
        "applications/<slug:slug>/environments",
        endpoint(GET=services.list_environments, POST=services.create_environment),
    ),
    path(
        "applications/<slug:slug>/environments/<slug:environment>",
        endpoint(GET=services.get_environment, DELETE=services.delete_environment),
    ),
    path(
        "applications/<slug:slug>/environments/<slug:environment>/keys",
        endpoint(POST=services.create_environment_key),
    ),
]
