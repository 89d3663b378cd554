"""Machine sign-in as a client does it: registering, being let in by a person, and exchanging what came of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from allauth.idp.oidc.models import Client as Row
from allauth.idp.oidc.models import Token
from django.http import HttpResponse
from django.test import Client

from apps.accounts.models import User
from apps.accounts.oauth import audiences, texts
from apps.accounts.oauth.clients import CLI, write_through
from apps.accounts.oauth.models import OAuthClient, OAuthGrant
from apps.core import clock
from apps.core.ids import decode, uuid7
from apps.tenancy.walls import enter
from tests.sessions import session_cookie
from tests.world import Party, Space

BACK = "https://app.example.com/callback"
VERIFIER = "a-verifier-that-is-long-enough-to-be-one-of-43-characters"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def register(
    party: Party | None, *, machine: bool = False, secret: str | None = None, **fields: Any
) -> OAuthClient:
    """A client in the tenant that stands: of the party, or of the tenant as a whole."""
    grants = fields.setdefault("grants", ["authorization_code", "refresh_token"])
    fields.setdefault("scopes", ["*", "openid", "profile", "email"])
    fields.setdefault("name", "Tester")
    fields.setdefault("kind", "confidential")
    fields.setdefault("redirect_uris", [BACK] if "authorization_code" in grants else [])
    made = OAuthClient(organization_id=party.uuid if party else None, **fields)
    if machine and party is not None:
        made.service_account_id = decode(party.service, "svc")
    made.digest = hashlib.sha256((secret or "unused").encode()).digest()
    made.client = write_through(made)
    made.save(force_insert=True)
    return made


def give(
    space: Space, scopes: list[str], *, user: str | None = None, client: str = CLI, **changes: Any
) -> str:
    """An access token (or, by `kind`, a refresh token) that was given already, without asking anybody.

    `audience`, `expires_at` and `begun_with` may be others than those that the server would write.
    """
    kind = changes.pop("kind", texts.ACCESS)
    audience = changes.pop("audience", audiences.api_of(space.ref.id))
    text = (
        texts.access_token(space.ref.id)
        if kind == texts.ACCESS
        else texts.refresh_token(space.ref.id, uuid7())
    )
    with enter(space.ref):
        if client == CLI:
            Row.objects.get_or_create(pk=CLI, defaults={"name": CLI, "type": "public", "secret": "!"})
        person = User.objects.get(pk=decode(user, "usr")) if user else None
        begun_with = changes.pop("begun_with", person.get_session_auth_hash() if person else "")
        if person is not None:
            given = {"name": client, "scopes": scopes, "given_at": clock.now()}
            OAuthGrant.objects.get_or_create(user=person, client_id=client, defaults=given)
        Token.objects.create(
            type=kind,
            hash=texts.hash_of(text),
            client_id=client,
            user=person,
            scopes="\n".join(scopes),
            expires_at=changes.pop("expires_at", clock.now() + timedelta(hours=1)),
            data={"resources": [audience], "family": str(uuid7()), "begun_with": begun_with},
        )
    return text


@dataclass
class Browser:
    """A person's browser on a tenant's host, at some network address."""

    space: Space
    cookie: str = ""
    address: str = "127.0.0.1"

    @classmethod
    def of(cls, space: Space, party: Party) -> Browser:
        """The party's person, signed in."""
        return cls(space, session_cookie(space, party))

    def get(self, url: str) -> Any:
        """Open a page."""
        return self._client().get(url, headers=self._headers())

    def post(self, url: str, **fields: Any) -> Any:
        """Send a form of that page."""
        return self._client().post(url, fields, headers=self._headers())

    def device(self, user_code: str) -> Any:
        """Open the page on which a device is approved."""
        return self.get(device_page(user_code))

    def allow(self, user_code: str, scopes: list[str]) -> Any:
        """Let the device do these."""
        return self.post(device_page(user_code), action="confirm", scopes=scopes)

    def approve(self, user_code: str, *scopes: str) -> None:
        """Let the device in that shows the code; raises AssertionError when it is not."""
        where = "/identity/o/device?" + urlencode({"user_code": user_code})
        answer = self.post(where, action="confirm", scopes=list(scopes))
        assert answer.status_code == 200, (answer.status_code, answer.content[:3000])

    def _client(self) -> Client:
        return Client(raise_request_exception=True, REMOTE_ADDR=self.address)

    def _headers(self) -> dict[str, str]:
        return {"host": self.space.host} | ({"cookie": self.cookie} if self.cookie else {})


@dataclass
class Program:
    """A client of a tenant's authorization server."""

    space: Space
    client_id: str
    secret: str | None = None

    def call(self, endpoint: str, **fields: Any) -> HttpResponse:
        """POST to one of the protocol's endpoints; a public client names itself, another one shows its secret."""
        headers = {"host": self.space.host}
        if self.secret is not None:
            pair = f"{self.client_id}:{self.secret}".encode()
            headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        else:
            fields.setdefault("client_id", self.client_id)
        answer = Client().post(
            f"/identity/o/api/{endpoint}",
            urlencode(fields, doseq=True),
            content_type="application/x-www-form-urlencoded",
            headers=headers,
        )
        return cast(HttpResponse, answer)

    def token(self, grant_type: str, **fields: Any) -> dict[str, Any]:
        """What the token endpoint answers; `status` is put beside it."""
        answer = self.call("token", grant_type=grant_type, **fields)
        return {**json.loads(answer.content), "status": answer.status_code}

    def device(self, scope: str) -> dict[str, Any]:
        """The codes of a device that asks to be let in."""
        codes: dict[str, Any] = json.loads(self.call("device/code", scope=scope).content)
        return codes

    def address(self, scope: str, **changes: Any) -> str:
        """The address to which the program sends a person's browser."""
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": BACK,
            "scope": scope,
            "state": "the-state",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
        } | changes
        return "/identity/o/authorize?" + urlencode(
            {name: value for name, value in query.items() if value is not None}, doseq=True
        )

    def code(self, browser: Browser, scope: str, *, scopes: list[str] | None = None, **changes: Any) -> str:
        """The code with which the person sends the program back."""
        answer = browser.post(
            self.address(scope, **changes),
            action="grant",
            scopes=scopes if scopes is not None else scope.split(),
        )
        return came_back(answer)["code"]

    def begin(self, scope: str, **fields: Any) -> dict[str, Any]:
        """Begin a device flow; `status` is put beside the answer."""
        answer = self.call("device/code", scope=scope, **fields)
        return {**json.loads(answer.content), "status": answer.status_code}

    def poll(self, device_code: str, **fields: Any) -> dict[str, Any]:
        """Ask what came of a device flow."""
        return self.token(DEVICE_GRANT, device_code=device_code, **fields)

    def exchange(self, code: str, **changes: Any) -> dict[str, Any]:
        """Exchange a code for tokens."""
        fields = {"code": code, "redirect_uri": BACK, "code_verifier": VERIFIER} | changes
        return self.token("authorization_code", **{k: v for k, v in fields.items() if v is not None})


def device_page(user_code: str) -> str:
    """Where somebody approves the device that shows this code."""
    return "/identity/o/device?" + urlencode({"user_code": user_code})


def came_back(answer: Any) -> dict[str, str]:
    """What a browser was sent back with."""
    assert answer.status_code == 302, (answer.status_code, answer.content[:3000])
    return {name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()}


def ticked(answer: Any) -> dict[str, bool]:
    """The scopes that a page offers, and whether each is ticked."""
    found = re.findall(
        r'<input type="checkbox" name="scopes" value="([^"]+)"([^>]*)>', answer.content.decode()
    )
    return {name: "checked" in rest for name, rest in found}
