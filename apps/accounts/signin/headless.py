"""What allauth's headless API says of people and pages."""

from __future__ import annotations

from typing import Any

from allauth.headless.adapter import DefaultHeadlessAdapter

from apps.accounts.models import User
from apps.accounts.signin import links


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
