"""A front end of a product, as its tests write one: allauth's API with a session token, and the mails that it sends."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
from django.core import mail
from django.test import Client, TestCase

from apps.tenancy.walls import enter
from tests.client import Api
from tests.standins.authenticator import totp
from tests.world import Space

PASSWORD = "a sentence that nobody guesses"
ADA = "ada@example.test"
API_HOST = "127.0.0.1"
#: What the fixtures of these tests are: moving all clocks, and changing how people get into acorn.
Travel = Callable[[timedelta], Any]
Configure = Callable[..., Any]


class Answer:
    """One answer of allauth's API."""

    def __init__(self, response: Any) -> None:
        self.response, self.headers = response, response.headers
        self.status: int = response.status_code
        self.body: Any = orjson.loads(response.content) if response.content[:1] in (b"{", b"[") else None

    def __getitem__(self, name: str) -> Any:
        return self.body["data"][name]

    @property
    def pending(self) -> str:
        """The step that has to be taken next, '' for none."""
        return next((flow["id"] for flow in self._flows if flow.get("is_pending")), "")

    @property
    def flows(self) -> set[str]:
        """The steps that could be taken."""
        return {flow["id"] for flow in self._flows}

    @property
    def codes(self) -> list[str]:
        """The codes of what was wrong."""
        return [error["code"] for error in self.body.get("errors", [])]

    @property
    def problem(self) -> str:
        """The code of the problem with which the platform itself refused the call."""
        return str(self.body.get("code", ""))

    @property
    def _flows(self) -> list[dict[str, Any]]:
        return list((self.body.get("data") or {}).get("flows", []))

    def __repr__(self) -> str:
        return f"<{self.status} {self.response.content[:400]!r}>"


class FrontEnd:
    """One person's program, on the tenant's own host or, `by_key`, on the host that all tenants share.

    It calls from `address`.
    """

    def __init__(
        self,
        space: Space,
        *,
        by_key: bool = False,
        token: str = "",
        address: str = "127.0.0.1",
        **headers: str,
    ) -> None:
        self.space, self.by_key, self.token, self.address = space, by_key, token, address
        self.extra = {name.replace("_", "-"): value for name, value in headers.items()}
        self.tokens: list[str] = []

    def headers(self) -> dict[str, str]:
        """What every call of it sends."""
        sent = {"Host": API_HOST if self.by_key else self.space.host}
        if self.by_key:
            sent["Packmule-Key"] = self.space.publishable_key
        sent |= self.extra
        if self.token:
            sent["X-Session-Token"] = self.token
        return sent

    @property
    def api(self) -> Api:
        """The API under /v1, as this session sees it."""
        sent = self.headers()
        return Api(host=sent.pop("Host"), headers=sent)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send one call and keep the session token that comes back."""
        client = Client(raise_request_exception=False)
        content = b"" if body is None else orjson.dumps(body)
        # Where a transaction ends in a call, its tenant still stands; here it ends after the call.
        with enter(self.space.ref), TestCase.captureOnCommitCallbacks(execute=True):
            response = client.generic(
                method,
                f"/_allauth/app/v1/{path}",
                content,
                content_type="application/json",
                REMOTE_ADDR=self.address,
                headers=self.headers() | {name.replace("_", "-"): value for name, value in headers.items()},
            )
        answer = Answer(response)
        token = ((answer.body or {}).get("meta") or {}).get("session_token")
        if token:
            self.token = token
            self.tokens.append(token)
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return self.call("GET", path, **headers)

    def post(self, path: str, **body: Any) -> Answer:
        """POST."""
        return self.call("POST", path, body)

    def sign_up(self, email: str = ADA, password: str = PASSWORD) -> Answer:
        """Sign up, and confirm the address with the code of the mail."""
        asked = self.post("auth/signup", email=email, password=password)
        assert asked.pending == "verify_email", asked
        return self.post("auth/email/verify", key=code_for(email))

    def sign_in(self, email: str = ADA, password: str = PASSWORD) -> Answer:
        """Sign in by password."""
        return self.post("auth/login", email=email, password=password)

    def by_code(self, email: str = ADA) -> Answer:
        """Sign in by a code from a mail."""
        self.post("auth/code/request", email=email)
        return self.post("auth/code/confirm", code=code_for(email))

    def sign_out(self) -> Answer:
        """Sign out."""
        return self.call("DELETE", "auth/session")

    def confirm_it_is_me(self, password: str = PASSWORD) -> None:
        """Type the password again, as sensitive changes ask for."""
        assert self.post("auth/reauthenticate", password=password).status == 200

    def add_app(self) -> str:
        """Add an authenticator app by the code before the present one, which is left, and return its secret."""
        self.confirm_it_is_me()
        offered = self.get("account/authenticators/totp")
        assert offered.status == 404, offered
        secret = str(offered.body["meta"]["secret"])
        assert self.post("account/authenticators/totp", code=totp(secret, steps=-1)).status == 200
        return secret


def somebody(space: Space, email: str = ADA, **options: Any) -> FrontEnd:
    """Somebody who has signed up to the tenant, and is signed in."""
    front = FrontEnd(space, **options)
    assert front.sign_up(email).status == 200
    return front


def is_in(front: FrontEnd) -> bool:
    """Whether the session opens the platform's API."""
    answer = front.api.get("/v1/whoami")
    assert answer.status == 200 or answer.code in ("session_ended", "credential_missing"), answer
    return answer.status == 200


def last_mail(email: str) -> Any:
    """The newest mail to `email`."""
    return next(found for found in reversed(mail.outbox) if found.to == [email])


def mails_to(email: str) -> list[str]:
    """The subjects of all mails to `email`, the oldest first."""
    return [str(found.subject) for found in mail.outbox if found.to == [email]]


def code_for(email: str) -> str:
    """The code in the newest mail to `email`."""
    found = re.search(r"\b([A-Z0-9]{3,4}-[A-Z0-9]{3,4})\b", last_mail(email).body)
    assert found is not None, last_mail(email).body
    return found[1]


def link_for(email: str) -> str:
    """The link in the newest mail to `email`."""
    found = re.search(r"https?://\S+", last_mail(email).body)
    assert found is not None, last_mail(email).body
    return found[0]


def reset_key(email: str) -> str:
    """The key in the link by which `email` chooses a new password."""
    return link_for(email).rstrip("/").rpartition("/")[2]


def trail_of(space: Space, person: str) -> list[tuple[str, str]]:
    """What the tenant's trail says about the person with that id, the oldest first: operation and reason."""
    told = Api(space.root_key).get(f"/v1/audit?resource={person}")["data"]
    return [(entry["operation"], entry["reason"]) for entry in reversed(told)]
