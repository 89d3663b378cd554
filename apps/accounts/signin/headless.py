"""What allauth's headless API says of people and pages, and how it ends sessions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless.adapter import DefaultHeadlessAdapter
from allauth.headless.internal.restkit.views import RESTView
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.http import HttpRequest

from apps.accounts.models import User
from apps.accounts.signin import links, trail
from apps.core import strictjson
from apps.core.problem_handlers import problem_response
from apps.core.problems import MalformedRequest


class HeadlessAdapter(DefaultHeadlessAdapter):  # type: ignore[misc]
    """People are named by their shown ids; links lead to the tenant's own host, or where its settings say."""

    def get_frontend_url(self, urlname: str, **kwargs: Any) -> str | None:
        """The address of the page `urlname`, never made out of the request's own host."""
        return links.page(urlname, **kwargs)

    def user_as_dataclass(self, user: User) -> Any:
        """The person, with the id that /v1 shows."""
        shown = super().user_as_dataclass(user)
        if shown.id is not None:
            shown.id = user.public_id
        return shown


class UserSessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]
    """Sessions that their person ends from another one, recorded as operations of the tenant."""

    def end_sessions(self, sessions: Iterable[UserSession]) -> None:
        """End them all; that the calling one is among them is recorded as signing out."""
        for session in sessions:
            if session.is_current():
                session.end()
            else:
                self._end(session)

    def _end(self, session: UserSession) -> None:
        def end() -> User:
            session.end()
            person: User = session.user
            return person

        trail.record(
            trail.end_session, self.request, session.user, reason="ended from another session", made=end
        )


def _read_strictly(_view: RESTView, request: HttpRequest) -> dict[str, Any] | None:
    """The body by the rules that /v1 has; None without one. allauth's own takes texts that nothing can keep."""
    if request.method == "GET" or not request.body:
        return None
    try:
        return strictjson.read_object(request.body)
    except MalformedRequest as refusal:
        raise ImmediateHttpResponse(response=problem_response(refusal, request)) from None


def install() -> None:
    """Put our reader of JSON where allauth's views look for theirs; it has no hook for it.

    Raises AttributeError when allauth has moved it.
    """
    _ = RESTView._parse_json
    RESTView._parse_json = _read_strictly
