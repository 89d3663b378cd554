"""The box: what was sealed opens with its key and binding, and with nothing else."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.sealing import (
    SealBroken,
    SealMalformed,
    keyed_fingerprint,
    new_key,
    open_text,
    seal_text,
    version_of,
)

KEY = new_key()


@given(st.text(), st.text(), st.integers(1, 999_999_999))
def test_what_was_sealed_opens_again(text: str, bound_to: str, version: int) -> None:
    if any(0xD800 <= ord(char) < 0xE000 for char in text + bound_to):
        return
    sealed = seal_text(KEY, text, version=version, bound_to=bound_to)
    assert version_of(sealed) == version
    assert open_text(KEY, sealed, bound_to=bound_to) == text
    assert sealed != seal_text(KEY, text, version=version, bound_to=bound_to)


def test_it_opens_nowhere_else() -> None:
    sealed = seal_text(KEY, "hush", version=3, bound_to="a|name")
    assert "hush" not in sealed
    for key, text, bound_to in (
        (new_key(), sealed, "a|name"),
        (KEY, sealed, "b|name"),
        (KEY, sealed, "a|other"),
        (KEY, sealed.replace("pms1.3.", "pms1.2."), "a|name"),
    ):
        with pytest.raises(SealBroken):
            open_text(key, text, bound_to=bound_to)


def test_every_bit_counts() -> None:
    sealed = seal_text(KEY, "hush", version=1, bound_to="a")
    head, body = sealed[:7], sealed[7:]
    box = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    for at in range(len(box)):
        changed = bytes([*box[:at], box[at] ^ 1, *box[at + 1 :]])
        with pytest.raises(SealBroken):
            open_text(KEY, head + urlsafe_b64encode(changed).rstrip(b"=").decode(), bound_to="a")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hush",
        "pms1.1.",
        "pms1.0." + "A" * 40,
        "pms2.1." + "A" * 40,
        "pms1.1." + "A" * 39 + "!",
        "pms1.1." + "A" * 40 + "\n",
        "pms1.9999999999." + "A" * 40,
    ],
)
def test_what_is_no_sealed_text_is_told_from_a_broken_one(text: str) -> None:
    with pytest.raises(SealMalformed):
        open_text(KEY, text, bound_to="a")


def test_a_fingerprint_tells_equal_texts_and_nothing_else() -> None:
    first = keyed_fingerprint(KEY, "hush", bound_to="a")
    assert first == keyed_fingerprint(KEY, "hush", bound_to="a")
    others = {
        keyed_fingerprint(KEY, "hush!", bound_to="a"),
        keyed_fingerprint(KEY, "hush", bound_to="b"),
        keyed_fingerprint(new_key(), "hush", bound_to="a"),
    }
    assert first not in others
    assert len(others) == 3
