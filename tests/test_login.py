"""`manage.py login` against a running installation: a person approves over HTTP, and commands act as them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from bench.installation import ROOT, Installation, folder
from tests.installed import running

pytestmark = pytest.mark.slow


@dataclass
class Terminal:
    """Somebody's terminal, in which no key is set, on the machine of a running installation."""

    installation: Installation
    data: Path
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PACKMULE_")}
        self.environment = clean | {
            "PACKMULE_DATA_DIR": str(self.data),
            "XDG_CONFIG_HOME": str(self.data.parent / "config"),
        }

    @property
    def login_file(self) -> Path:
        """Where the sign-in is kept."""
        return self.data.parent / "config" / "packmule" / "login.json"

    def run(self, *words: str) -> tuple[int, Any]:
        """The exit code and the document of a command."""
        done = self.begin(*words)
        out, _ = done.communicate(timeout=60)
        return done.returncode, json.loads(out)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """A command that goes on."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *words, "--json"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="module")
def terminal() -> Iterator[Terminal]:
    """One installation for all of them."""
    with folder() as made, running(made / "data") as installation:
        yield Terminal(installation, made / "data")


def read_until(child: subprocess.Popen[str], pattern: str) -> str:
    """What `pattern` finds in what the command shows."""
    assert child.stderr is not None
    for line in child.stderr:
        if found := re.search(pattern, line):
            return found.group(1)
    raise AssertionError(f"it ended with {child.wait()} before it showed {pattern}")


class Person:
    """The installation's first person, with a browser."""

    def __init__(self, terminal: Terminal) -> None:
        known = json.loads((terminal.data / "credentials.json").read_text())
        self.session, self.url = requests.Session(), terminal.installation.url
        answer = self.send("/accounts/login/", login=known["admin_email"], password=known["admin_password"])
        assert answer.url != f"{self.url}/accounts/login/", answer.text

    def send(self, path: str, *, follow: bool = True, **fields: Any) -> requests.Response:
        """Open a page and send its form; `follow` it to where it leads."""
        address = path if path.startswith("http") else self.url + path
        page = self.session.get(address, timeout=30)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token, page.text
        form = {"csrfmiddlewaretoken": token.group(1), **fields}
        sent: requests.Response = self.session.post(
            address, data=form, headers={"Referer": address}, timeout=30, allow_redirects=follow
        )
        return sent


def sign_in(terminal: Terminal, *words: str, scopes: list[str], action: str = "confirm") -> tuple[int, Any]:
    """Begin to sign in, decide as the person, and return what the command says."""
    child = terminal.begin("login", *words)
    page = read_until(child, r"(http://\S+user_code=\S+)")
    answer = Person(terminal).send(page, action=action, scopes=scopes)
    assert answer.status_code == 200, answer.text
    out, _ = child.communicate(timeout=60)
    return child.returncode, json.loads(out)


def test_from_signing_in_to_signing_out(terminal: Terminal) -> None:
    assert terminal.run("whoami", "get")[0] == 4

    code, document = sign_in(terminal, scopes=["*"])
    assert (code, document["address"], document["tenant"]) == (0, terminal.installation.url, "console")
    assert (document["scopes"], document["kept_in"]) == (["*"], str(terminal.login_file))
    assert terminal.login_file.stat().st_mode & 0o777 == 0o600

    code, who = terminal.run("whoami", "get")
    assert (code, who["actor"], who["credential"]["kind"]) == (0, document["actor"], "oauth")
    code, made = terminal.run("applications", "create", "--slug", "bakery", "--name", "Bakery")
    assert (code, made["slug"]) == (0, "bakery")
    code, there = terminal.run("whoami", "get", "--in-environment", "bakery/development")
    assert (code, there["tenant"]) == (0, "bakery/development")
    assert terminal.run("applications", "get", "nothing")[0] == 3

    first = json.loads(terminal.login_file.read_text())
    terminal.login_file.write_text(json.dumps(first | {"expires_at": "2026-01-01T00:00:00+00:00"}))
    assert terminal.run("whoami", "get")[0] == 0
    second = json.loads(terminal.login_file.read_text())
    assert second["refresh_token"] != first["refresh_token"]

    assert terminal.run("logout") == (0, {"address": terminal.installation.url, "revoked": True})
    assert not terminal.login_file.exists()
    assert terminal.run("whoami", "get")[0] == 4
    headers = {"Authorization": f"Bearer {second['access_token']}"}
    ended = requests.get(f"{terminal.installation.url}/v1/whoami", headers=headers, timeout=30)
    assert (ended.status_code, ended.json()["code"]) == (401, "token_unknown")


def test_a_narrow_sign_in_is_narrow(terminal: Terminal) -> None:
    wanted = "applications:read,users:read"
    code, document = sign_in(
        terminal, "--host", terminal.installation.url, "--scopes", wanted, scopes=["applications:read"]
    )
    assert (code, document["scopes"], document["actor"]["kind"]) == (0, ["applications:read"], "user")
    assert terminal.run("applications", "list")[0] == 0
    assert terminal.run("users", "list")[0] == 4
    assert terminal.run("logout")[0] == 0


def test_a_person_who_denies_ends_it(terminal: Terminal) -> None:
    code, problem = sign_in(terminal, scopes=[], action="deny")
    assert (code, problem["code"]) == (4, "login_denied")
    assert not terminal.login_file.exists()


def test_an_environment_is_signed_in_to_at_its_own_host(terminal: Terminal) -> None:
    terminal.installation.call("POST", "/v1/applications", {"slug": "kiosk", "name": "Kiosk"})
    port = terminal.installation.url.rpartition(":")[2]
    child = terminal.begin("login", "--environment", "kiosk/development")
    page = read_until(child, r"Open\s+(http://\S+)")
    assert page == f"http://development--kiosk.localhost:{port}/identity/o/device"
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    assert (child.returncode, json.loads(out)["code"]) == (1, "login_timed_out")
    assert terminal.run("login", "--environment", "nobody/nowhere")[0] == 3
