"""Every URL of the platform, room by room."""

from django.urls import URLPattern, URLResolver, include, path

from apps.core import reference, schema
from apps.core.admin import operators, site
from apps.core.dispatch import indexed
from apps.tenancy import health

#: Below /v1/: the rooms, in the order in which documentation shows them.
api = [
    path("", include("apps.apikeys.api")),
    path("", include("apps.apikeys.delegations.api")),
    path("", include("apps.accounts.api")),
    path("", include("apps.orgs.api")),
    path("", include("apps.applications.api")),
    path("", include("apps.console.handoff.api")),
    path("", include("apps.data.api")),
    path("", include("apps.storage.api")),
    path("", include("apps.jobs.api")),
    path("", include("apps.events.api")),
    path("", include("apps.events.webhooks.api")),
    path("", include("apps.policy.api")),
    path("", include("apps.audit.api")),
]

#: On every host alike.
everywhere: list[URLPattern | URLResolver] = [
    indexed("v1/", api),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("openapi.json", schema.openapi_view),
    path("llms.txt", reference.llms_view),
    path("docs/<path:page>", reference.page_view),
    path("accounts/", include("apps.apikeys.delegations.urls")),
    path("accounts/", include("apps.accounts.signin.urls")),
    path("_allauth/", include("apps.accounts.signin.offered")),
    path("_allauth/", include("allauth.headless.urls")),
    path("", include("apps.accounts.oauth.urls")),
    path("", include("apps.storage.stores.urls")),
]
urlpatterns = [*everywhere, path("admin/", site.urls), path("operator/", operators.urls)]

handler400 = "apps.core.problem_handlers.bad_request"
handler403 = "apps.core.problem_handlers.permission_denied"
handler404 = "apps.core.problem_handlers.page_not_found"
handler500 = "apps.core.problem_handlers.server_error"
