"""How long a session lasts: to a moment that is fixed when it begins, however much it is used."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest

from apps.accounts.signin.models import sign_in_settings
from apps.core import clock


def limit(request: HttpRequest) -> None:
    """End the session of `request` when the tenant's settings say."""
    request.session.set_expiry(clock.now() + timedelta(hours=sign_in_settings().session_hours))
