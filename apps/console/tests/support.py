"""A person at the admin: Django's client, signed in through the page that people use."""

from __future__ import annotations

import html
import re
from typing import Any

from django.test import Client

from tests.world import PASSWORD


class Person:
    """Somebody with a browser. `email` None has not signed in."""

    def __init__(self, email: str | None = None, *, host: str = "127.0.0.1", careful: bool = False) -> None:
        self.client = Client(SERVER_NAME=host, enforce_csrf_checks=careful)
        if email is not None:
            answer = self.client.post("/accounts/login/", {"login": email, "password": PASSWORD})
            assert answer.status_code == 302, answer.content

    def get(self, path: str) -> Any:
        """Open a page."""
        return self.client.get(path)

    def post(self, path: str, **fields: str) -> Any:
        """Send a form, with what its page hides in it, as a browser does; `fields` go before."""
        if "/do/" in path:
            page = self.client.get(path).content.decode()
            hidden = dict(re.findall(r'type="hidden" name="(shown_for|version)" value="(\w*)"', page))
            fields = {**hidden, **fields}
        return self.client.post(path, fields)


def text_of(answer: Any) -> str:
    """The page as text, entities read."""
    return html.unescape(answer.content.decode())
