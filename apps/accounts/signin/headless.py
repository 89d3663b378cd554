"""What allauth's headless API says of people and pages, and how it ends sessions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from allauth.headless.adapter import DefaultHeadlessAdapter
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession

from apps.accounts.models import User
from apps.accounts.signin import links, trail


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
