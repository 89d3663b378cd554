"""People, as their browsers act: the calls of page/app.js, made by a program."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from menugen import settings
from menugen.api import Api
from menugen.settings import Settings

from demo.telling import WentWrong

_CODE = re.compile(r"\b[A-Z]{4}-[A-Z]{4}\b")
_MAIL_WITHIN, _SITE_WITHIN = 20.0, 20.0


class Person:
    """Somebody with an address and a password, who signs up once and signs in from then on."""

    def __init__(self, email: str, known: Settings, mails: Path) -> None:
        self.email, self.known, self._mails = email, known, mails
        self.password = password_of(email)
        self.is_new = False
        self.api = Api(known.url, {"Packmule-Key": known.publishable_key})
        self.me: dict[str, Any] = {}

    def arrive(self) -> None:
        """Sign in, or sign up with the code from the mail where there is no account yet."""
        token = self._sign_in() or self._sign_up()
        self.api = self.api.acting(X_Session_Token=token)
        self.me = self.api.get("/v1/whoami")

    def agree(self) -> dict[str, Any]:
        """Let the artist act for this person, unless it may already. The product has it ask; only they can agree."""
        given = {"direction": "given", "actor": self.known.agent}
        for active in self.api.get("/v1/delegations", status="active", **given)["data"]:
            return dict(active)
        waiting = self.api.get("/v1/delegations", status="pending", **given)["data"]
        asked = waiting[0] if waiting else self._have_asked()
        return dict(self.api.post(f"/v1/delegations/{asked['id']}/approve"))

    def bring(self, photo: Path) -> dict[str, Any]:
        """Upload a photo, straight to the store, and make a menu of it."""
        file = self.api.upload("photos", photo.name, "application/octet-stream", photo.read_bytes())
        data = {"title": photo.stem, "photo": file, "status": "reading"}
        return dict(self.api.post("/v1/collections/menus/records", {"data": data}))

    def order(self, menu: str) -> dict[str, Any]:
        """Have a menu read. However often it is asked for, there is one job of it at a time."""
        job = {"queue": "menus", "kind": "read_menu", "payload": {"menu": menu}, "key": f"read {menu}"}
        return dict(self.api.post("/v1/jobs", job))

    def _have_asked(self) -> dict[str, Any]:
        # The web server is being started, or was a moment ago.
        with closing(Api(self.known.site, self.api.headers, patience=_SITE_WITHIN)) as site:
            return dict(site.post("/ask"))

    def _sign_in(self) -> str:
        said = self._auth("login", {"email": self.email, "password": self.password})
        return str(said["meta"]["session_token"]) if said["status"] == 200 else ""

    def _sign_up(self) -> str:
        """An account answers 401 until its address is confirmed: nobody is in yet, and this is the step to take."""
        began = time.time()
        said = self._auth("signup", {"email": self.email, "password": self.password})
        step = said["meta"]["session_token"]
        said = self._auth("email/verify", {"key": self._code(since=began)}, step)
        self.is_new = True
        return str(said["meta"]["session_token"])

    def _auth(self, what: str, body: dict[str, str], token: str = "") -> dict[str, Any]:
        headers = {**self.api.headers, **({"X-Session-Token": token} if token else {})}
        url = f"{self.known.url}/_allauth/app/v1/auth/{what}"
        return dict(httpx.post(url, json=body, headers=headers, timeout=30).json())

    def _code(self, *, since: float) -> str:
        """The code of the newest mail to this person. In development mails are files."""
        until = time.monotonic() + _MAIL_WITHIN
        while time.monotonic() < until:
            for mail in sorted(self._mails.glob("*.eml"), key=lambda path: -path.stat().st_mtime):
                text = mail.read_text()
                if mail.stat().st_mtime >= since - 1 and self.email in text and (code := _CODE.search(text)):
                    return code.group()
            time.sleep(0.1)
        raise WentWrong(f"No mail with a code came for {self.email}.")


def password_of(email: str) -> str:
    """The password that was chosen for this person, kept as a password manager would."""
    path = settings.home() / "people.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    if email not in known:
        known[email] = secrets.token_urlsafe(12)
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(known, file)
    return str(known[email])
