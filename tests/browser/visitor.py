"""Somebody who signs up to a product: the pages of its environment's host, their mails, and their authenticator app."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.common.virtual_authenticator import Protocol, Transport, VirtualAuthenticatorOptions

from tests.browser.person import THEMES, WIDTHS, Person

PASSWORD = "a long walk with a loaded mule"
_TURN = """
const root = document.documentElement.classList;
root.toggle("dark", arguments[0]);
root.toggle("light", !arguments[0]);
"""


class Visitor(Person):
    """A person with a browser at one host, and the folder in which the installation keeps its mails."""

    def __init__(self, driver: webdriver.Chrome, base_url: str, shots: Path, mails: Path) -> None:
        super().__init__(driver, base_url, shots)
        self.mails = mails

    def looks_here(self, name: str, *, mistakes: int = 0) -> list[str]:
        """Look at this page, as it stands, in both themes and widths; `mistakes` expected errors aside.

        It is not opened again: what is shown once, or answers a form, would be another page then.
        """
        found = [f"{name}: {error}" for error in self._errors()[mistakes:]]
        for theme in THEMES:
            self.driver.execute_script(_TURN, theme == "dark")
            for width in WIDTHS:
                self.resize(width)
                found += [f"{name} {theme} {width}: {one}" for one in self.wrong_here(theme)]
                self._take(f"{name}-{theme}-{width}")
        self.driver.execute_script(_TURN, False)
        self.resize(WIDTHS[0])
        return found

    def _take(self, name: str) -> None:
        """Keep a picture of the whole page."""
        height = self.driver.execute_script("return document.documentElement.scrollHeight")
        width = self.driver.execute_script("return window.innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": max(height, 600), "scale": 1}
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
        )
        (self.shots / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """What the browser complained about since it was asked last: errors of scripts, and what the policy stopped."""
        return self._errors()

    def sign_up(self, email: str, password: str = PASSWORD) -> None:
        """Sign up and confirm the address with the code from the mail."""
        self.open("/accounts/signup/")
        self.send(email=email, password1=password)
        self.send(code=self.code_for(email))

    def sign_in_here(self, email: str, password: str = PASSWORD) -> None:
        """Sign in with the password, wherever that leads."""
        self.open("/accounts/login/")
        self.send(login=email, password=password)

    def sign_out(self) -> None:
        """Sign out from the account's first page."""
        self.open("/accounts/")
        self.click_to_page("#sign-out")

    def forget(self) -> None:
        """Be a browser that was never here."""
        self.driver.delete_all_cookies()

    def confirm_it_is_me(self, password: str = PASSWORD) -> None:
        """Answer the question for the password, if this page is it."""
        if self.path.startswith("/accounts/reauthenticate/"):
            self.send(password=password)

    def mails_to(self, email: str) -> list[EmailMessage]:
        """The mails to that address, the newest last."""
        files = sorted(self.mails.rglob("*.eml"), key=lambda file: (file.stat().st_mtime_ns, file.name))
        read: Iterable[Any] = (message_from_bytes(file.read_bytes(), policy=policy.default) for file in files)
        return [mail for mail in read if email in str(mail["To"])]

    def newest_text(self, email: str) -> str:
        """The text of the newest mail to that address."""
        body = self.mails_to(email)[-1].get_body(("plain",))
        assert body is not None
        return str(body.get_content())

    def code_for(self, email: str) -> str:
        """The code in the newest mail to that address: it stands on a line of its own."""
        found = re.search(r"^\s*([A-Z0-9]{3,}(?:-[A-Z0-9]{3,})*)\s*$", self.newest_text(email), re.MULTILINE)
        assert found, self.newest_text(email)
        return found.group(1)

    def link_for(self, email: str) -> str:
        """The path of the first link in the newest mail to that address; it leads to this host."""
        found = re.search(r"https?://\S+", self.newest_text(email))
        assert found, self.newest_text(email)
        link = urlsplit(found.group(0))
        assert f"{link.scheme}://{link.netloc}" == self.base_url
        return f"{link.path}?{link.query}" if link.query else link.path

    def carry_passkeys(self) -> None:
        """Plug in an authenticator that knows its owner, as a telephone does."""
        options = VirtualAuthenticatorOptions(
            protocol=Protocol.CTAP2,
            transport=Transport.INTERNAL,
            has_resident_key=True,
            has_user_verification=True,
            is_user_verified=True,
        )
        self.driver.add_virtual_authenticator(options)
