"""Commands that act where somebody signed in: which address they call, which token they show, and how they refresh."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.core import clock, logins, remote
from apps.core.commands import BadUsage
from apps.core.local_api import LocalCall
from apps.core.logins import Login, LoginOver, LoginUnreadable
from apps.core.remote import InstallationUnreachable
from tests.standins.outside import Asked, Outside, Page, Say, answer, outside

JSON = "application/json"


def said(document: Any, status: str = "200 OK") -> Page:
    """A page that answers a JSON document."""
    return answer(json.dumps(document).encode(), status, Content_Type=JSON)


@pytest.fixture
def installation() -> Iterator[Outside]:
    """Something that answers on this machine."""
    pages = {"/v1/whoami": said({"tenant": "console"}), "/identity/o/api/revoke": answer(b"")}
    with outside(pages) as running:
        yield running


@pytest.fixture
def kept(settings: Any, tmp_path: Path, installation: Outside) -> Login:
    """Somebody who signed in there, whose access token is good for an hour."""
    settings.PACKMULE_LOGIN_FILE, settings.PACKMULE_KEY = tmp_path / "packmule" / "login.json", ""
    base = installation.url("")
    ends = (clock.now() + timedelta(hours=1)).isoformat()
    login = Login(
        *(base, f"{base}/identity/o/api/token", f"{base}/identity/o/api/revoke", "packmule-cli", ["*"], ends),
        *("pmo_at_first", "pmo_rt_first"),
    )
    logins.keep(login)
    return login


def late(login: Login) -> Login:
    """The same, whose access token is about to end."""
    from dataclasses import replace

    soon = replace(login, expires_at=(clock.now() + timedelta(seconds=30)).isoformat())
    logins.keep(soon)
    return soon


def whoami() -> dict[str, Any]:
    sent = logins.send(
        LocalCall("GET", "/v1/whoami", {"limit": "1"}, headers={"Packmule-Organization": "org_1"})
    )
    assert sent is not None
    found: dict[str, Any] = json.loads(sent.body)
    return found


def test_a_call_goes_where_somebody_signed_in(kept: Login, installation: Outside) -> None:
    assert whoami() == {"tenant": "console"}
    (asked,) = installation.asked
    assert (asked.method, asked.target) == ("GET", "/v1/whoami?limit=1")
    assert asked.headers["authorization"] == "Bearer pmo_at_first"
    assert asked.headers["packmule-organization"] == "org_1"
    assert asked.headers["host"] == f"127.0.0.1:{installation.port}"


def test_without_a_sign_in_nothing_is_sent(settings: Any, tmp_path: Path) -> None:
    settings.PACKMULE_LOGIN_FILE = tmp_path / "nowhere" / "login.json"
    assert logins.send(LocalCall("GET", "/v1/whoami")) is None
    logins.forget()


def test_the_file_is_its_owners_alone(kept: Login) -> None:
    place = logins.kept_in()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert "pmo_" not in repr(logins.load())
    logins.keep(kept)
    assert [found.name for found in place.parent.iterdir()] == ["login.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"address": 1}', "\0"])
def test_a_file_that_holds_something_else_says_so(kept: Login, content: str) -> None:
    logins.kept_in().write_text(content)
    with pytest.raises(LoginUnreadable, match=r"login\.json"):
        logins.load()
    assert logins.load_any() is None


# Refreshing.


def test_a_token_that_is_about_to_end_is_exchanged_first(kept: Login, installation: Outside) -> None:
    fresh = {
        "access_token": "pmo_at_second",
        "refresh_token": "pmo_rt_second",
        "expires_in": 3600,
        "scope": "a:b",
    }
    installation.pages["/identity/o/api/token"] = said(fresh)
    late(kept)
    whoami()
    exchanged, call = installation.asked
    assert parse_qs(exchanged.body.decode()) == {
        "grant_type": ["refresh_token"],
        "client_id": ["packmule-cli"],
        "refresh_token": ["pmo_rt_first"],
    }
    assert call.headers["authorization"] == "Bearer pmo_at_second"
    again = logins.load()
    assert again is not None
    assert (again.refresh_token, again.scopes, again.is_fresh) == ("pmo_rt_second", ["a:b"], True)
    whoami()
    assert len(installation.asked) == 3


def test_commands_at_the_same_time_refresh_once(kept: Login, installation: Outside) -> None:
    """A refresh token that is shown twice would end the sign-in."""
    from threading import Thread

    fresh = {"access_token": "pmo_at_second", "refresh_token": "pmo_rt_second", "expires_in": 3600}
    installation.pages["/identity/o/api/token"] = said(fresh)
    late(kept)
    threads = [Thread(target=whoami) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    targets = [asked.target for asked in installation.asked]
    assert targets.count("/identity/o/api/token") == 1
    assert {a.headers["authorization"] for a in installation.asked if a.method == "GET"} == {
        "Bearer pmo_at_second"
    }


def test_a_sign_in_that_is_over_says_how_to_begin_again(kept: Login, installation: Outside) -> None:
    installation.pages["/identity/o/api/token"] = said({"error": "invalid_grant"}, "400 Bad Request")
    late(kept)
    with pytest.raises(LoginOver) as over:
        whoami()
    assert over.value.remedy is not None
    assert over.value.remedy.command == f"manage.py login --host {kept.address}"


@pytest.mark.parametrize("status", ["500 Oh", "200 OK", "302 Found", "429 Slow"])
def test_an_answer_that_is_none_ends_nothing(kept: Login, installation: Outside, status: str) -> None:
    installation.pages["/identity/o/api/token"] = answer(b"<html>", status)
    late(kept)
    with pytest.raises(InstallationUnreachable):
        whoami()
    assert logins.load() is not None


# Through the commands.


def test_a_room_command_acts_as_who_signed_in(kept: Login, installation: Outside, capsys: Any) -> None:
    call_command("whoami", "get", "--json", "--in-environment", "a/b")
    assert json.loads(capsys.readouterr().out) == {"tenant": "console"}
    assert installation.asked[0].headers["packmule-environment"] == "a/b"


def test_a_key_goes_before_a_sign_in(
    kept: Login, installation: Outside, settings: Any, monkeypatch: Any
) -> None:
    from apps.core import room_commands
    from apps.core.local_api import LocalAnswer

    seen: list[LocalCall] = []

    def here(call: LocalCall) -> LocalAnswer:
        seen.append(call)
        return LocalAnswer(200, {}, b"{}")

    settings.PACKMULE_KEY = "pmk_test"
    monkeypatch.setattr(room_commands, "send", here)
    call_command("whoami", "get", "--json")
    assert (seen[0].headers["Authorization"], installation.asked) == ("Bearer pmk_test", [])


def test_a_refusal_from_afar_is_a_refusal(kept: Login, installation: Outside) -> None:
    problem = {"title": "Not allowed", "status": 403, "code": "forbidden", "detail": "No."}
    content = json.dumps(problem).encode()
    installation.pages["/v1/whoami"] = answer(
        content, "403 Forbidden", Content_Type="application/problem+json"
    )
    with pytest.raises(CommandError) as refused:
        call_command("whoami", "get")
    assert (refused.value.returncode, "No." in str(refused.value)) == (4, True)


@pytest.mark.parametrize("status", ["502 Bad Gateway", "404 Not Found", "301 Moved"])
def test_what_does_not_answer_as_packmule_is_not_taken_for_it(
    kept: Login, installation: Outside, status: str
) -> None:
    installation.pages["/v1/whoami"] = answer(b"<html>", status, Location="https://elsewhere.test/")
    with pytest.raises(CommandError) as refused:
        call_command("whoami", "get")
    assert (refused.value.returncode, "installation_unreachable" in str(refused.value)) == (1, True)
    assert len(installation.asked) == 1


# Addresses.


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("https://packmule.example.com", "https://packmule.example.com"),
        ("https://packmule.example.com:443/", "https://packmule.example.com"),
        ("https://Packmule.example.com:8443", "https://packmule.example.com:8443"),
        ("http://127.0.0.1:8420", "http://127.0.0.1:8420"),
        ("http://[::1]:8420", "http://[::1]:8420"),
        ("http://development--menugen.localhost:8420/", "http://development--menugen.localhost:8420"),
    ],
)
def test_an_address_is_scheme_host_and_port(typed: str, meant: str) -> None:
    assert remote.origin(typed) == meant


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "",
            "packmule.example.com",
            "ftp://host",
            "https://",
            "https://host/path",
            "https://host?x=1",
            "https://a@host",
        ),
        *(
            "https://host:nan",
            "http://packmule.example.com",
            "http://10.0.0.1:8420",
            "http://localhost.evil.test",
        ),
        *("http://[::1", "https://host#x"),
    ],
)
def test_what_is_none_or_would_show_tokens_to_others_is_refused(typed: str) -> None:
    with pytest.raises(BadUsage):
        remote.origin(typed)


def test_headers_are_found_however_the_server_writes_them(installation: Outside) -> None:
    installation.pages["/"] = answer(b"", packmule_tenant="a/b")
    assert remote.request("GET", installation.url()).headers["Packmule-Tenant"] == "a/b"


def test_names_below_localhost_are_this_machine(installation: Outside) -> None:
    reply = remote.request("GET", f"http://any--app.localhost:{installation.port}/v1/whoami")
    assert reply.status == 200
    assert installation.asked[0].headers["host"] == f"any--app.localhost:{installation.port}"


def test_nobody_there_is_said_without_a_traceback() -> None:
    with outside({}) as gone:
        port = gone.port
    with pytest.raises(InstallationUnreachable, match=f"http://127.0.0.1:{port}"):
        remote.request("GET", f"http://127.0.0.1:{port}/")


def test_an_answer_that_breaks_off_is_none(installation: Outside) -> None:
    def half(_asked: Asked, say: Say) -> None:
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf")

    installation.pages["/half"] = half
    with pytest.raises(InstallationUnreachable):
        remote.request("GET", installation.url("/half"))
    assert remote.Reply(200, {}, b"[1]").document() == {}
