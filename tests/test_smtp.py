"""Mails leave by SMTP where a server is named; a server that refuses them refuses nothing else."""

from __future__ import annotations

import logging
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from apps.accounts.mails import send
from apps.tenancy.walls import enter
from config import smtp
from tests.standins.certificates import serving
from tests.standins.smtp import Mailbox, free_port, mail_server
from tests.world import World


def use(settings: Any, url: str, tmp_path: Path) -> None:
    """What config/settings.py does with PACKMULE_SMTP_URL."""
    server = smtp.server(url)
    assert server is not None
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = server.host, server.port
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = server.user, server.password
    settings.EMAIL_USE_SSL, settings.EMAIL_USE_TLS = server.implicit_tls, server.starttls
    settings.EMAIL_TIMEOUT = 1
    settings.PACKMULE_DATA_DIR = tmp_path


def tell(world: World, commit: Any, to: str = "ada@example.com") -> None:
    with enter(world.acorn.ref), commit(execute=True):
        send("sign_in_code", to, {"code": "K7Q4MX"})


def test_a_mail_leaves_by_smtp(
    world: World, settings: Any, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    with mail_server() as box:
        use(settings, f"smtp://mule:p%40ss@127.0.0.1:{box.port}", tmp_path)
        tell(world, django_capture_on_commit_callbacks)
    assert (box.recipients, box.signed_in) == (["ada@example.com"], [("mule", "p@ss")])
    (mail,) = box.mails
    assert b"From: acorn <noreply@localhost>" in mail
    assert b"K7Q4MX" in mail
    assert not (tmp_path / "mail").exists()


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "smtps"])
def test_over_tls_the_servers_certificate_has_to_be_good(
    world: World,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    implicit: bool,
    django_capture_on_commit_callbacks: Any,
) -> None:
    context, authority = serving(tmp_path, "mail.example.com")
    with mail_server(Mailbox(tls=context, implicit_tls=implicit)) as box:
        scheme, query = ("smtps", "") if implicit else ("smtp", "?starttls=1")
        use(settings, f"{scheme}://127.0.0.1:{box.port}{query}", tmp_path)
        tell(world, django_capture_on_commit_callbacks)
        assert box.mails == []
        (kept,) = (tmp_path / "mail" / "unsent").glob("*.eml")
        assert b"K7Q4MX" in kept.read_bytes()
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        tell(world, django_capture_on_commit_callbacks)
    assert (len(box.mails), box.over_tls) == (1, [True])


@pytest.mark.parametrize("how", ["absent", "refusing", "silent"])
def test_a_server_that_fails_fails_nothing_else(
    world: World,
    settings: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    how: str,
    django_capture_on_commit_callbacks: Any,
) -> None:
    caplog.set_level(logging.INFO)
    box = Mailbox(refuses=b"550 nobody of that name" if how == "refusing" else b"", silent=how == "silent")
    with mail_server(box):
        port = free_port() if how == "absent" else box.port
        use(settings, f"smtp://mule:hunter2@127.0.0.1:{port}", tmp_path)
        began = time.monotonic()
        tell(world, django_capture_on_commit_callbacks)
        assert time.monotonic() - began < 4
    assert box.mails == []
    (kept,) = (tmp_path / "mail" / "unsent").glob("*.eml")
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert line.startswith("mail not sent: sign_in_code to ada@example.com, request -, ")
    assert str(kept) in line
    assert "hunter2" not in caplog.text
    assert "K7Q4MX" not in caplog.text


def test_urls_are_read_with_their_parts() -> None:
    plain = smtp.server("smtp://mail.example.com")
    assert plain is not None
    assert (plain.host, plain.port, plain.user, plain.implicit_tls, plain.starttls) == (
        "mail.example.com", 25, "", False, False,
    )  # fmt: skip
    assert smtp.server("smtp://u:p@mail.example.com?starttls=1").port == 587  # type: ignore[union-attr]
    assert smtp.server("smtps://mail.example.com").port == 465  # type: ignore[union-attr]
    assert smtp.server("smtp://u:p@[::1]:2525").host == "::1"  # type: ignore[union-attr]
    assert smtp.server("") is None
    assert "hunter2" not in repr(smtp.server("smtp://u:hunter2@mail.example.com"))


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com:25",
        "http://u:hunter2@mail.example.com",
        "smtp://u:hunter2@mail.example.com:port",
        "smtp://u:hunter2@mail.example.com:99999",
        "smtp://u:hunter2@",
        "smtp://u:hunter2@mail.example.com/path",
        "smtp://u:hunter2@mail.example.com?startls=1",
        "smtp://u:hunter2@mail.example.com?starttls=yes",
        "smtps://u:hunter2@mail.example.com?starttls=1",
        "smtp://u:hunter2@[::1",
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="PACKMULE_SMTP_URL") as refusal:
        smtp.server(url)
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


@pytest.mark.parametrize("text", ["nobody", "@example.com", "a@", "a b@example.com", "Ann <>"])
def test_a_wrong_sender_is_refused(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="PACKMULE_MAIL_FROM"):
        smtp.sender(text)


def test_the_tls_of_the_standin_is_real(tmp_path: Path) -> None:
    context, authority = serving(tmp_path, "mail.example.com")
    assert isinstance(context, ssl.SSLContext)
    assert authority.read_text().startswith("-----BEGIN CERTIFICATE-----")
