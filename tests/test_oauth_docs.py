"""What docs/oauth.md says to type works, with a person who decides where it says that one does."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bench.installation import folder
from tests.installed import running
from tests.test_docs import ROOT, blocks
from tests.test_login import Person, Terminal

pytestmark = pytest.mark.slow
_END = "END-OF-BLOCK"
#: Prints each answer's status beside what is piped on.
_CURL = 'curl() { command curl -w "%{stderr}<%{http_code}>\\n" "$@"; }'


class Shell:
    """A terminal that is told one block at a time."""

    def __init__(self, place: Path) -> None:
        self.process = subprocess.Popen(
            ["bash"],
            cwd=place,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start(self, block: str) -> None:
        """Type a block without waiting for its end."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{block}\necho; echo {_END}\n")
        self.process.stdin.flush()

    def read(self) -> str:
        """What was printed up to the end of the block."""
        assert self.process.stdout is not None
        lines: list[str] = []
        for line in self.process.stdout:
            if line.strip() == _END:
                return "".join(lines)
            lines.append(line)
        raise AssertionError("the terminal ended: " + "".join(lines))

    def type(self, block: str) -> str:
        """Type a block and return what it printed."""
        self.start(block)
        return self.read()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.process.kill()
    made.process.communicate()


def allow_device(person: Person, place: Path) -> None:
    """Approve what the page has begun."""
    address = json.loads((place / "device.json").read_text().splitlines()[0])["verification_uri_complete"]
    assert "is connected" in person.send(address, action="confirm", scopes=["applications:read"]).text


def allow_redirect(person: Person, printed: str) -> str:
    """Consent at the printed address; the code that the browser would be sent back with."""
    address = next(line for line in printed.splitlines() if line.startswith("http"))
    answer = person.send(address, follow=False, action="grant", scopes=["applications:read", "openid"])
    sent = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert (sent["state"], sent["iss"]) == (["x7"], [person.url])
    return sent["code"][0]


def test_what_the_page_types_works(shell: Shell, tmp_path: Path) -> None:
    first, *story = blocks(ROOT / "docs" / "oauth.md")
    assert first.startswith("export URL=")
    printed, code = "", ""
    with folder() as data, running(data / "data") as installation:
        person = Person(Terminal(installation, data / "data"))
        shell.type(_CURL)
        shell.type(f"export URL={installation.url} KEY={installation.console_key}")
        for block in story:
            if block.startswith("export CODE="):
                shell.type(f"export CODE={code}")
                continue
            if block.startswith("until "):
                allow_device(person, tmp_path)
            said = shell.type(block)
            printed += said
            if "/identity/o/authorize" in block:
                code = allow_redirect(person, said)
    refused = [status for status in re.findall(r"<(\d{3})>", printed) if status >= "400"]
    assert refused == [], printed
    for text in (
        '"issuer"',
        '"user_code"',
        '"refresh_token"',
        '"id_token"',
        '"active": true',
        '"previous_secret_until"',
    ):
        assert text in printed, text
