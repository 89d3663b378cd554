"""Which session a browser's call is of: the usual one, or in an environment's admin the one that a hand-off began.

The two never meet. A hand-off's cookie is sent to the admin alone, so it opens neither the API nor the pages of the
environment's own people, and their sessions open no admin.
"""

from __future__ import annotations

from contextlib import suppress

from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.middleware import SessionMiddleware as UsualSessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

ADMIN_PATH = "/admin/"
#: Cookies ignore ports, so the name tells installations apart, like that of the usual session.
HAND_OFF_COOKIE = f"{settings.PACKMULE_ROLE_PREFIX}_handoff_{settings.PACKMULE_PORT}"
#: The session's entry with the id of the hand-off that began it.
HAND_OFF = "hand_off"


def is_environment_admin(request: HttpRequest) -> bool:
    """True for a page of the admin on the host of an environment."""
    tenant = getattr(request, "tenant", None)
    return tenant is not None and tenant.kind == "environment" and request.path_info.startswith(ADMIN_PATH)


class SessionMiddleware(UsualSessionMiddleware):
    """Django's, which leaves an environment's admin to the hand-off's cookie."""

    def process_request(self, request: HttpRequest) -> None:
        """Find the session that the call is of."""
        if not is_environment_admin(request):
            super().process_request(request)
            return
        request.session = self.SessionStore(request.COOKIES.get(HAND_OFF_COOKIE))

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Keep what changed in it. A hand-off alone begins one, so there is no cookie to set here."""
        if not is_environment_admin(request):
            return super().process_response(request, response)
        patch_vary_headers(response, ("Cookie",))
        session = request.session
        if session.modified and HAND_OFF in session and response.status_code < 500:
            with suppress(UpdateError):  # signed out in another tab meanwhile
                session.save()
        return response
