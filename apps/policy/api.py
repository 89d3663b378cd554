"""URLs of decisions, relative to /v1/."""

from django.urls import path

from apps.core.endpoints import endpoint
from apps.policy.services import explain, list_operations

urlpatterns = [
    path("policy/explain", endpoint(POST=explain, status=200)),
    path("operations", endpoint(GET=list_operations)),
]
