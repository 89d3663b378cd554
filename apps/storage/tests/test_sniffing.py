"""What bytes are, and under which name they may be kept."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.storage.sniffing import LOOKED_AT, TEXT, UNKNOWN, is_run_by_browsers, settled_type, sniff

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (PNG, "image/png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"\x00\x00\x00\x20ftypavif", "image/avif"),
        (b"\x00\x00\x00\x20ftypisom", "video/mp4"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"MZ\x90\x00\x03", "application/vnd.microsoft.portable-executable"),
        (b"Much ado", TEXT),
        (b"MZ is a postal code", TEXT),
        (b"BM, it says", TEXT),
        (b"\x00\x01\x02", UNKNOWN),
        (b"", UNKNOWN),
        (b"  \n<!-- hello --><HTML>", "text/html"),
        (b"\xef\xbb\xbf<script>", "text/html"),
        ("\ufeff<html>".encode("utf-16-be"), "text/html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "image/svg+xml"),
        (b"<?xml version='1.0'?><!-- x --><svg:svg >", "image/svg+xml"),
        (b"<?xml version='1.0'?><note/>", "application/xml"),
        (b"<?xml version='1.0'?><x><script >1</script></x>", "text/html"),
        (b"#!/bin/sh\n", "text/x-script"),
        (b"<?php echo 1;", "text/x-script"),
    ],
)
def test_what_bytes_are(head: bytes, kind: str) -> None:
    assert sniff(head) == kind


@pytest.mark.parametrize(
    ("said", "head", "kept"),
    [
        ("image/jpg", b"\xff\xd8\xff\xe0", "image/jpg"),
        ("application/octet-stream", PNG, "image/png"),
        ("application/octet-stream", b"<html>", "text/html"),
        ("application/epub+zip", b"PK\x03\x04", "application/epub+zip"),
        ("image/png", b"PK\x03\x04", None),
        ("text/csv", b"a,b\n", "text/csv"),
        ("application/json", b"{}", "application/json"),
        ("application/json", b"<html>", None),
        ("text/markdown", b"<p align=center>", "text/markdown"),
        ("text/plain", b"<script>", "text/plain"),
        ("text/css", b"<script>", None),
        ("text/html", b"hello", "text/html"),
        ("image/svg+xml", b"hello", None),
        ("application/x-own", b"\x00\x01", "application/x-own"),
        ("image/x-own", b"\x00\x01", None),
        ("text/plain", b"\x00\x01", None),
        ("application/pdf", b"\x00\x01", None),
        ("text/plain", b"", "text/plain"),
        ("image/png", b"", None),
    ],
)
def test_under_which_name_they_may_be_kept(said: str, head: bytes, kept: str | None) -> None:
    assert settled_type(said, head) == kept


@given(
    st.binary(max_size=64),
    st.sampled_from(["image/png", "image/jpeg", "image/gif", "image/webp"]),
)
def test_no_bytes_are_kept_as_a_picture_that_are_none(content: bytes, said: str) -> None:
    if settled_type(said, content) is not None:
        assert sniff(content) == said


@given(st.binary(max_size=LOOKED_AT))
def test_what_a_browser_would_run_is_kept_as_nothing_that_it_shows(content: bytes) -> None:
    marked = b"<html>" + content
    kept = settled_type("text/plain", marked)
    assert kept in (None, "text/plain")
    assert is_run_by_browsers(sniff(marked)) or sniff(marked) == UNKNOWN


HOSTILE = (
    b"<!---->" * 290,
    b"<!-- a --> " * 180,
    b"<?xml ?>" + b"<!---->" * 280,
    b"<!doctype svg " + b">" * 2000,
    b"<" + b"a" * 2000 + b":svg ",
)


def test_heads_that_are_made_to_take_long_do_not() -> None:
    """In a process of its own: a regular expression that goes astray can be ended by nothing else."""
    told = "import sys; from apps.storage.sniffing import sniff; print(sniff(sys.stdin.buffer.read()[:2048]))"
    for head in HOSTILE:
        done = subprocess.run(
            [sys.executable, "-c", told], input=head, capture_output=True, timeout=30, check=True
        )
        assert done.stdout.split()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"<!-- one --> <!-- two --><html><body>", "text/html"),
        (b"<?xml version='1.0'?><!-- a --><!DOCTYPE svg PUBLIC 'x'><svg xmlns='x'>", "image/svg+xml"),
        (b"  <svg:svg >", "image/svg+xml"),
        (b"<!-- --> <p>x", "text/html"),
    ],
)
def test_comments_hide_no_markup(head: bytes, kind: str) -> None:
    assert sniff(head) == kind
