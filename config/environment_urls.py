"""Every URL on the host of an environment: the platform's, and the environment's own admin with the way into it."""

from django.urls import URLPattern, URLResolver, include, path

from apps.core.admin import environments
from config.urls import everywhere, handler400, handler403, handler404, handler500

urlpatterns: list[URLPattern | URLResolver] = [
    *everywhere,
    path("admin/", include("apps.console.handoff.urls")),
    path("admin/", environments.urls),
]

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]
