"""URLs of sign-in settings and sessions, below /v1/."""

from django.urls import path

from apps.accounts.signin import services as do
from apps.accounts.signin import sessions
from apps.core.endpoints import endpoint

urlpatterns = [
    path("sign-in-settings", endpoint(GET=do.get_sign_in_settings, PATCH=do.update_sign_in_settings)),
    path("sessions", endpoint(GET=sessions.list_sessions)),
    path("sessions/revoke-others", endpoint(POST=sessions.revoke_other_sessions, status=200)),
    path("sessions/<ses:session_id>", endpoint(DELETE=sessions.revoke_session)),
    path("users/<usr:user_id>/end-sessions", endpoint(POST=sessions.end_sessions, status=200)),
]
