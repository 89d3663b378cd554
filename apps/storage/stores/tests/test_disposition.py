"""Names of files come from strangers; the header that carries one is a single line of ASCII that says no more."""

from __future__ import annotations

from email.message import Message
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.storage.stores.base import Disposition
from apps.storage.stores.disposition import MAX_NAME, content_disposition, content_type, safe_name


@pytest.mark.parametrize(
    ("name", "plain", "full"),
    [
        ("notes.txt", "notes.txt", None),
        ("../../etc/passwd", "_.._etc_passwd", None),
        ("C:\\Windows\\x.exe", "C__Windows_x.exe", None),
        ('a"b.txt', "a_b.txt", None),
        ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie_ x=1.txt", None),
        ("a\0b.txt", "ab.txt", None),
        ("photo\u202egpj.exe", "photogpj.exe", None),
        ("caf\u00e9.txt", "cafe.txt", "caf\u00e9.txt"),
        ("cafe\u0301.txt", "cafe.txt", "caf\u00e9.txt"),
        ("日本.txt", "txt", "日本.txt"),
        ("100%;x.txt", "100__x.txt", None),
        ("", "download", None),
        ("..", "download", None),
        ("\u202e\0", "download", None),
        ("a\ud800b.txt", "ab.txt", None),
        ("½.txt", "12.txt", "½.txt"),
    ],
)
def test_names(name: str, plain: str, full: str | None) -> None:
    said = content_disposition(Disposition(name, "text/plain"))
    expected = f'attachment; filename="{plain}"'
    head, _, star = said.partition("; filename*=UTF-8''")
    assert head == expected
    assert (unquote(star) or None) == full


def test_a_long_name_keeps_its_ending() -> None:
    assert safe_name("x" * 300 + ".jpeg") == "x" * (MAX_NAME - 5) + ".jpeg"
    assert safe_name("x" * 300) == "x" * MAX_NAME
    assert len(safe_name("x." + "y" * 300)) == MAX_NAME


@given(st.text(max_size=400))
def test_whatever_the_name_is_the_header_reads_back_as_a_safe_one(name: str) -> None:
    said = content_disposition(Disposition(name, "text/plain"))
    assert said.isascii()
    assert said.isprintable()
    read = Message()
    read["Content-Disposition"] = said
    got = read.get_filename()
    assert got
    assert len(got) <= MAX_NAME
    assert not set(got) & set('/\\"\r\n\0')
    assert got not in (".", "..")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("image/PNG", "image/png"),
        ("text/html; charset=utf-8", "application/octet-stream"),
        ("a/b\r\nX: 1", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("nonsense", "application/octet-stream"),
    ],
)
def test_types(said: str, expected: str) -> None:
    assert content_type(Disposition("x", said)) == expected
