"""A person gets a mail: in the product's name, after the commit, as a file that only the server may read."""

from __future__ import annotations

import logging
import stat
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.db import transaction

from apps.accounts.mails import send, store
from apps.accounts.mails.kinds import KINDS
from apps.accounts.mails.models import MailTemplate
from apps.accounts.mails.rendering import mail_brand
from apps.core.ids import uuid7
from apps.tenancy.walls import enter
from tests.world import World

LINK = "https://production--acorn.example.com/accounts/reset/abc"


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> Path:
    """The data directory of an installation that names no mail server."""
    settings.PACKMULE_DATA_DIR = tmp_path
    settings.EMAIL_BACKEND = "apps.accounts.mails.backend.FileAndConsoleBackend"
    return tmp_path


def only(folder: Path) -> Path:
    (found,) = folder.glob("*.eml")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_well(
    world: World, kind: str, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with enter(world.acorn.ref), django_capture_on_commit_callbacks(execute=True):
        send(kind, "ada@example.com", dict(KINDS[kind].own))
    (got,) = mailoutbox
    (html, media), *_ = got.alternatives
    assert (got.to, media) == (["ada@example.com"], "text/html")
    assert got.subject
    assert "acorn" in got.subject + got.body
    for text in (got.subject, got.body, html):
        assert "{{" not in text
        assert "{%" not in text
    for value in KINDS[kind].own.values():
        assert value in got.body
    assert "\n\n\n" not in got.body


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_given_leaves_no_gap(
    world: World, kind: str, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    needed = {name: KINDS[kind].own[name] for name in KINDS[kind].needs[-1:]}
    with enter(world.acorn.ref), django_capture_on_commit_callbacks(execute=True):
        send(kind, "ada@example.com", needed)
    (got,) = mailoutbox
    assert "None" not in got.body
    assert "\n\n\n" not in got.body
    assert 'href=""' not in got.alternatives[0][0]


def test_a_mail_goes_out_in_the_name_of_the_product(
    world: World, files: Path, django_capture_on_commit_callbacks: Any
) -> None:
    for space, brand in ((world.acorn, "acorn"), (world.birch, "birch"), (world.console, "Packmule")):
        with enter(space.ref), django_capture_on_commit_callbacks(execute=True):
            assert mail_brand() == brand
            send("reset_password", "ada@example.com", {"link": LINK})
        kept = only(files / "mail" / space.name.replace("/", "--"))
        written = message_from_bytes(kept.read_bytes(), policy=policy.default)
        assert written["From"] == f"{brand} <noreply@localhost>"
        assert written["To"] == "ada@example.com"


def test_the_file_is_for_the_server_alone_and_the_log_names_no_link(
    world: World, files: Path, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    caplog.set_level(logging.INFO, "packmule.mail")
    with enter(world.acorn.ref), django_capture_on_commit_callbacks(execute=True):
        send("sign_in_code", "ada@example.com", {"code": "K7Q4MX"})
    kept = only(files / "mail" / "acorn--production")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (kept.parent, kept.parent.parent)} == {0o700}
    assert b"K7Q4MX" in kept.read_bytes()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "packmule.mail"]
    assert line == f"mail to ada@example.com: “Your code for acorn” in {kept}"


def test_only_the_newest_are_kept(
    world: World, files: Path, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(store, "KEPT", 3)
    place = files / "mail" / "acorn--production"
    place.mkdir(parents=True)
    old = [place / f"{uuid7()}.eml" for _ in range(3)]
    for file in old:
        file.touch()
    (place / "mine.eml").touch()
    with enter(world.acorn.ref), django_capture_on_commit_callbacks(execute=True):
        send("account_exists", "ada@example.com", {})
    left = {file.name for file in place.iterdir()}
    assert old[0].name not in left
    assert {old[1].name, old[2].name, "mine.eml"} < left
    assert len(left) == 4


def tell_and_fail() -> None:
    with transaction.atomic():
        send("account_exists", "ada@example.com", {})
        raise RuntimeError


def test_nothing_is_sent_for_what_was_rolled_back(committing: World, mailoutbox: list[Any]) -> None:
    with enter(committing.acorn.ref):
        with pytest.raises(RuntimeError):
            tell_and_fail()
        assert mail.outbox == []
        with transaction.atomic():
            send("account_exists", "ada@example.com", {})
            assert mail.outbox == []
    assert len(mail.outbox) == 1


def test_a_mistake_of_the_sender_is_told_at_once(world: World) -> None:
    with enter(world.acorn.ref):
        with pytest.raises(KeyError):
            send("nothing", "ada@example.com", {})
        with pytest.raises(ValueError, match="knows no \\['url'\\]"):
            send("reset_password", "ada@example.com", {"url": LINK})
        with pytest.raises(ValueError, match="needs one of"):
            send("reset_password", "ada@example.com", {"minutes": 5, "code": ""})
        with pytest.raises(ValueError, match="has to be absolute"):
            send("invitation", "ada@example.com", {"link": "/accounts/x"})


def test_names_that_people_chose_cannot_write_the_mail(
    world: World, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    evil = 'Ada\r\nBcc: all@example.com\n\n<script>alert("1")</script>\u202e{{ link }}'
    with enter(world.acorn.ref), django_capture_on_commit_callbacks(execute=True):
        send("invitation", "ada@example.com", {"link": LINK, "inviter": evil, "organization": evil})
    (got,) = mailoutbox
    assert got.message()["Bcc"] is None
    assert "\n" not in got.subject
    assert "\u202e" not in got.subject + got.body
    html = got.alternatives[0][0]
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert got.body.count(LINK) == 1


def test_the_tenants_own_words_are_used_and_only_there(
    world: World, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with enter(world.acorn.ref):
        MailTemplate.objects.create(
            kind="invitation",
            subject="{{ inviter }} wants you",
            text="Come: {{ link }} & <hurry>",
            sender_name="The Acorns",
        )
    for space in (world.acorn, world.birch):
        with enter(space.ref, space.parties["north"].uuid), django_capture_on_commit_callbacks(execute=True):
            send("invitation", "bob@example.com", {"link": LINK, "inviter": "Ada"})
    ours, theirs = mailoutbox
    assert (ours.subject, ours.from_email) == ("Ada wants you", "The Acorns <noreply@localhost>")
    assert ours.body == f"Come: {LINK} & <hurry>"
    assert "&amp; &lt;hurry&gt;" in ours.alternatives[0][0]
    assert f'href="{LINK}"' in ours.alternatives[0][0]
    assert theirs.from_email == "birch <noreply@localhost>"
    assert "wants you" not in theirs.subject


def test_a_text_without_what_the_mail_is_for_gives_way_to_the_platforms(
    world: World, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with enter(world.acorn.ref):
        MailTemplate.objects.create(kind="reset_password", subject="Own", text="Here: {{ link }}")
        for given in ({"link": LINK}, {"code": "K7Q4MX"}):
            with django_capture_on_commit_callbacks(execute=True):
                send("reset_password", "ada@example.com", given)
    with_link, with_code = mailoutbox
    assert with_link.subject == "Own"
    assert with_code.subject == "Choose a new password for acorn"
    assert "K7Q4MX" in with_code.body


def test_a_disk_that_refuses_a_mail_refuses_nothing_else(
    world: World,
    files: Path,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:
    (files / "mail").write_text("a file where a folder should be")
    with enter(world.acorn.ref), django_capture_on_commit_callbacks(execute=True):
        send("account_exists", "ada@example.com", {})
    assert "the disk refused it too" in caplog.text
