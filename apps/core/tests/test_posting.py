"""What receivers answer is taken for what it is, whatever they send."""

from __future__ import annotations

import pytest

from apps.core.posting import Reply


def answered(body: bytes, **headers: str) -> Reply:
    return Reply(503, 0.1, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def test_an_answer_is_read_as_json() -> None:
    assert answered(b'{"dishes": [1, 2.5, null]}').document() == {"dishes": [1, 2.5, None]}
    assert answered(b" \n").document() is None


@pytest.mark.parametrize(
    "body",
    [b"<html>", b'{"n": 18446744073709551616}', b'"\\u0000"', b'"\\ud800"', b"[" * 300 + b"]" * 300, b"\xff"],
    ids=["HTML", "a number too large", "NUL", "half a character", "deep", "no UTF-8"],
)
def test_what_could_not_be_kept_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        answered(body).document()


@pytest.mark.parametrize(
    "said",
    ["soon", "Mon, 01 Jan 2026 00:00:00 +99999999999999999999", "-5", "1e9", "Mon, 99 Jan 2026 00:00:00 GMT"],
)
def test_a_retry_after_that_says_nothing_is_none(said: str) -> None:
    assert answered(b"", retry_after=said).retry_after == 0.0
