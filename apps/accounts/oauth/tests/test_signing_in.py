"""The command line signs in: what it reads, how patiently it asks, and whom it does not believe."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from io import StringIO
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.core import clock, logins
from apps.core.logins import Login
from tests.standins.outside import Asked, Outside, Page, Say, answer, outside

SERVER = "/.well-known/oauth-authorization-server"
TOKENS = {"access_token": "pmo_at_1", "refresh_token": "pmo_rt_1", "token_type": "Bearer", "expires_in": 3600}


def said(document: Any, status: str = "200 OK", **headers: str) -> Page:
    """A page that answers a JSON document."""
    return answer(json.dumps(document).encode(), status, Content_Type="application/json", **headers)


def refused(error: str, **more: Any) -> Page:
    """What a token endpoint answers that gives nothing."""
    return said({"error": error, **more}, "400 Bad Request")


def one_by_one(pages: list[Page]) -> Page:
    """A page that answers as each of `pages` in turn, and as the last one from then on."""

    def page(asked: Asked, say: Say) -> None:
        (pages.pop(0) if len(pages) > 1 else pages[0])(asked, say)

    return page


@pytest.fixture
def installation() -> Iterator[Outside]:
    """An authorization server that gives tokens at the first poll."""
    with outside({}) as running:
        base = running.url("")
        running.pages |= {
            SERVER: said(
                {
                    "issuer": base,
                    "device_authorization_endpoint": f"{base}/device",
                    "token_endpoint": f"{base}/token",
                    "revocation_endpoint": f"{base}/revoke",
                }
            ),
            "/device": said(
                {
                    "device_code": "the-device-code",
                    "user_code": "BCDF-GHJK",
                    "verification_uri": f"{base}/approve",
                    "verification_uri_complete": f"{base}/approve?user_code=BCDF-GHJK",
                    "expires_in": 600,
                    "interval": 5,
                }
            ),
            "/token": said({**TOKENS, "scope": "users:read"}),
            "/revoke": answer(b""),
            "/v1/whoami": said(
                {"actor": {"kind": "user", "id": "usr_1", "name": "Ada"}}, Packmule_Tenant="a/b"
            ),
        }
        yield running


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Any) -> Iterator[list[float]]:
    """The seconds that the command waited, without waiting; what it keeps goes into a folder of the test."""
    from datetime import timedelta

    settings.PACKMULE_LOGIN_FILE = tmp_path / "login.json"
    waited: list[float] = []
    with clock.frozen(clock.now()) as hands:

        def pause(seconds: float) -> None:
            waited.append(seconds)
            hands.move(timedelta(seconds=seconds))

        monkeypatch.setattr(time, "sleep", pause)
        yield waited


def login(*words: str) -> tuple[int, Any, str]:
    """The exit code, the document and what was shown."""
    out, shown = StringIO(), StringIO()
    try:
        call_command("login", *words, "--json", stdout=out, stderr=shown)
    except CommandError as failure:
        return failure.returncode, getattr(failure, "document", None), shown.getvalue()
    return 0, json.loads(out.getvalue()), shown.getvalue()


def test_it_shows_where_to_go_and_keeps_what_it_gets(installation: Outside, pauses: list[float]) -> None:
    code, document, shown = login("--host", installation.url(""), "--scopes", "users:read")
    assert (code, document["address"], document["tenant"]) == (0, installation.url(""), "a/b")
    assert (document["scopes"], document["actor"]["name"]) == (["users:read"], "Ada")
    assert "BCDF-GHJK" in shown
    assert installation.url("/approve") in shown
    _, begun, polled, who = installation.asked
    assert parse_qs(begun.body.decode()) == {
        "client_id": ["packmule-cli"],
        "scope": ["users:read"],
        "resource": [installation.url("/v1")],
    }
    assert parse_qs(polled.body.decode())["device_code"] == ["the-device-code"]
    assert who.headers["authorization"] == "Bearer pmo_at_1"
    kept = logins.load()
    assert kept is not None
    assert (kept.access_token, kept.refresh_token) == ("pmo_at_1", "pmo_rt_1")
    for text in ("pmo_", "the-device-code"):
        assert text not in json.dumps(document) + shown


def test_it_asks_as_slowly_as_it_is_told(installation: Outside, pauses: list[float]) -> None:
    installation.pages["/token"] = one_by_one(
        [
            refused("authorization_pending"),
            refused("slow_down", interval=10),
            answer(b"", "503 Busy"),
            refused("authorization_pending"),
            said(TOKENS),
        ]
    )
    assert login("--host", installation.url(""))[0] == 0
    assert pauses == [5, 5, 10, 15, 15]


def test_an_installation_that_is_gone_for_a_moment_is_asked_again(
    installation: Outside, pauses: list[float]
) -> None:
    def hang_up(_asked: Asked, _say: Say) -> None:
        raise OSError

    installation.pages["/token"] = one_by_one([hang_up, said(TOKENS)])
    assert login("--host", installation.url(""))[0] == 0
    assert pauses == [5, 10]


@pytest.mark.parametrize(
    ("page", "code", "problem"),
    [
        (refused("access_denied"), 4, "login_denied"),
        (refused("expired_token"), 1, "login_timed_out"),
        (refused("authorization_pending"), 1, "login_timed_out"),
        (refused("invalid_grant"), 1, "login_failed"),
        (said({"token_type": "Bearer"}), 1, "login_failed"),
        (said({**TOKENS, "token_type": "mac"}), 1, "login_failed"),
        (answer(b"<html>", "404 Not Found"), 1, "login_failed"),
    ],
)
def test_what_ends_it_is_told_by_the_exit_code(
    installation: Outside, pauses: list[float], page: Page, code: int, problem: str
) -> None:
    installation.pages["/token"] = page
    found = login("--host", installation.url(""))
    assert (found[0], found[1]["code"]) == (code, problem)
    assert logins.load() is None


@pytest.mark.parametrize(
    ("page", "code", "problem"),
    [
        (refused("invalid_scope"), 64, "bad_usage"),
        (said({"error": "temporarily_unavailable"}, "429 Slow"), 7, "rate_limited"),
        (said({"error": "invalid_client"}, "401 No"), 1, "login_failed"),
        (said({}), 1, "login_failed"),
        (
            said({"device_code": "x", "user_code": "y", "verification_uri": "z", "expires_in": "soon"}),
            1,
            "login_failed",
        ),
    ],
)
def test_what_does_not_begin_is_told_by_the_exit_code(
    installation: Outside, pauses: list[float], page: Page, code: int, problem: str
) -> None:
    installation.pages["/device"] = page
    found = login("--host", installation.url(""))
    assert (found[0], found[1]["code"], found[2]) == (code, problem, "")


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://evil.test"},
        {"issuer": None},
        {"token_endpoint": "https://evil.test/token"},
        {"device_authorization_endpoint": "//evil.test/"},
        {"revocation_endpoint": None},
    ],
)
def test_who_calls_itself_otherwise_is_not_believed(
    installation: Outside, pauses: list[float], changes: dict[str, Any]
) -> None:
    base = installation.url("")
    names = ("device_authorization_endpoint", "token_endpoint", "revocation_endpoint")
    installation.pages[SERVER] = said({"issuer": base} | {name: f"{base}/{name}" for name in names} | changes)
    found = login("--host", base)
    assert (found[0], found[1]["code"]) == (3, "no_authorization_server")
    assert len(installation.asked) == 1


@pytest.mark.parametrize(
    "page", [answer(b"", "404 Not Found"), answer(b"<html>"), said([]), answer(b"", "302 Found")]
)
def test_what_is_no_installation_is_not_found(installation: Outside, pauses: list[float], page: Page) -> None:
    installation.pages[SERVER] = page
    assert login("--host", installation.url(""))[0] == 3


@pytest.mark.parametrize(
    "words", [["--host", "example.com"], ["--host", "http://example.com"], ["--colour", "red"]]
)
def test_what_is_no_command_line_is_wrong_usage(pauses: list[float], words: list[str]) -> None:
    from apps.accounts.management.commands.login import Command
    from apps.core.tests.test_commands import _run

    assert _run(Command(), *words, "--json")[0] == 64


def test_without_a_host_it_is_the_installation_that_runs_here(
    installation: Outside, pauses: list[float], settings: Any
) -> None:
    settings.PACKMULE_PUBLIC_URL, settings.PACKMULE_PORT = "", None
    assert login()[0] == 64
    settings.PACKMULE_PORT = installation.port
    assert login()[1]["address"] == installation.url("")


def test_signing_in_again_ends_the_former_sign_in(installation: Outside, pauses: list[float]) -> None:
    assert login("--host", installation.url(""))[0] == 0
    installation.pages["/token"] = said({**TOKENS, "refresh_token": "pmo_rt_2"})
    assert login("--host", installation.url(""))[0] == 0
    (ended,) = [asked for asked in installation.asked if asked.target == "/revoke"]
    assert parse_qs(ended.body.decode()) == {"client_id": ["packmule-cli"], "token": ["pmo_rt_1"]}


# Signing out.


def logout(*words: str) -> tuple[int, Any]:
    out = StringIO()
    try:
        call_command("logout", *words, "--json", stdout=out)
    except CommandError as failure:
        return failure.returncode, failure.document  # type: ignore[attr-defined] # a Failure
    return 0, json.loads(out.getvalue())


def kept_at(address: str) -> None:
    """Somebody is signed in there."""
    logins.keep(
        Login(address, f"{address}/token", f"{address}/revoke", "packmule-cli", ["*"], "", "at", "pmo_rt_9")
    )


def test_signing_out_revokes_and_deletes(installation: Outside, pauses: list[float]) -> None:
    kept_at(installation.url(""))
    assert logout() == (0, {"address": installation.url(""), "revoked": True})
    assert parse_qs(installation.asked[0].body.decode())["token"] == ["pmo_rt_9"]
    assert not logins.kept_in().exists()
    code, problem = logout()
    assert (code, problem["code"]) == (3, "not_found")


@pytest.mark.parametrize("page", [answer(b"", "503 Busy"), answer(b"", "401 No")])
def test_what_could_not_be_revoked_is_kept_unless_it_is_to_be_forgotten(
    installation: Outside, pauses: list[float], page: Page
) -> None:
    installation.pages["/revoke"] = page
    kept_at(installation.url(""))
    code, problem = logout()
    assert (code, problem["remedy"]["command"]) == (1, "manage.py logout --forget")
    assert logins.load() is not None
    assert logout("--forget") == (0, {"address": installation.url(""), "revoked": False})
    assert not logins.kept_in().exists()


def test_a_file_that_holds_no_sign_in_is_forgotten_on_request(pauses: list[float]) -> None:
    logins.kept_in().write_text("{")
    assert logout()[1]["code"] == "login_unreadable"
    assert logout("--forget") == (0, {"address": None, "revoked": False})
    assert logout("--forget")[0] == 3
