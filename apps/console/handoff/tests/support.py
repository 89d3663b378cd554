"""A browser with a cookie jar for each host, which the console and an environment's host lead back and forth."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import urlsplit

from django.test import Client

from tests.world import PASSWORD, Space, World

CONSOLE = "127.0.0.1"
WHY = "To see what a customer sees"


class Browser:
    """Somebody's browser. `visits` are the addresses that the last journey led over."""

    def __init__(self, email: str | None = None) -> None:
        self.jars: dict[str, Client] = {}
        self.visits: list[str] = []
        if email is not None:
            self.sign_in(email)

    def sign_in(self, email: str, host: str = CONSOLE) -> None:
        """Sign in on the pages of the tenant of that host."""
        answer = self.on(host).post("/accounts/login/", {"login": email, "password": PASSWORD})
        assert answer.status_code == 302, answer.content

    def on(self, host: str) -> Client:
        """What the browser holds for that host."""
        return self.jars.setdefault(host, Client(SERVER_NAME=host))

    def get(self, address: str) -> Any:
        """Open an address and stay there."""
        parts = urlsplit(address)
        query = f"?{parts.query}" if parts.query else ""
        return self.on(parts.hostname or CONSOLE).get(f"{parts.path}{query}")

    def post(self, address: str, **fields: str) -> Any:
        """Send a form to an address, with what its page hides in it where it is an action's."""
        parts = urlsplit(address)
        client, query = self.on(parts.hostname or CONSOLE), f"?{parts.query}" if parts.query else ""
        if "/do/" in parts.path:
            shown = client.get(parts.path).content.decode()
            fields = {
                **dict(re.findall(r'type="hidden" name="(shown_for|version)" value="(\w*)"', shown)),
                **fields,
            }
        return client.post(f"{parts.path}{query}", fields)

    def follow(self, address: str) -> Any:
        """Open an address and go wherever it leads; the last page."""
        return self.go_on(self.get(address), address)

    def go_on(self, answer: Any, address: str) -> Any:
        """Go wherever an answer from `address` leads."""
        self.visits = [address]
        while answer.status_code == 302:
            assert len(self.visits) < 9, self.visits
            address = self.absolute(answer["Location"])
            self.visits.append(address)
            answer = self.get(address)
        return answer

    def absolute(self, location: str) -> str:
        """`location` as it is meant on the page that was visited last."""
        host = urlsplit(self.visits[-1]).hostname or CONSOLE
        return location if location.startswith("http") else f"http://{host}{location}"

    def open(self, space: Space, environment: str, reason: str = WHY) -> Any:
        """Open the admin of a protected environment from its page in the console."""
        asked = self.follow(f"http://{CONSOLE}/admin/open/{environment}/")
        assert asked.status_code == 200, text_of(asked)
        answer = self.post(self.visits[-1], reason=reason)
        return self.go_on(answer, self.visits[-1])

    def last_leading(self, name: str) -> str:
        """The last visited address that has the parameter `name`."""
        return next(address for address in reversed(self.visits) if f"{name}=" in address)


def environment_of(world: World, space: Space) -> str:
    """The shown id of the environment that a space is."""
    from apps.applications.models import Environment
    from apps.tenancy.walls import enter

    with enter(world.console.ref):
        return str(Environment.objects.get(tenant_id=space.ref.id).public_id)


def text_of(answer: Any) -> str:
    """The page as text, entities read."""
    return html.unescape(answer.content.decode())
