"""How keys are written and read."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.apikeys.keyformat import LENGTH, SCANNER_PATTERN, KeyTextError, compose, digest, matches, parse
from apps.core.ids import uuid7

KINDS = st.sampled_from(["sk", "pk", "ag", "us"])
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@given(st.uuids(), KINDS, st.booleans())
def test_what_is_composed_is_read_back(key_id: UUID, kind: str, live: bool) -> None:
    text = compose(key_id, kind, live=live)

    parsed = parse(text)

    assert (parsed.id, parsed.kind, parsed.live) == (key_id, kind, live)
    assert parsed.digest == digest(text)
    assert len(text) == LENGTH
    assert re.findall(SCANNER_PATTERN, f'KEY="{text}"\n') == [text]


@given(st.data())
def test_a_changed_character_of_the_secret_is_noticed(data: st.DataObject) -> None:
    text = compose(uuid7(), "sk", live=False)
    place = data.draw(st.integers(len("pmk_test_sk_") + 27, LENGTH - 1))
    other = data.draw(st.sampled_from([char for char in ALPHABET if char != text[place]]))

    with pytest.raises(KeyTextError) as caught:
        parse(text[:place] + other + text[place + 1 :])

    assert caught.value.truncated


@given(st.integers(len("pmk_live_ag_"), LENGTH - 1))
def test_a_cut_key_is_called_truncated(length: int) -> None:
    with pytest.raises(KeyTextError) as caught:
        parse(compose(uuid7(), "ag", live=True)[:length])

    assert caught.value.truncated


@given(st.text(max_size=200))
def test_no_text_raises_anything_else_and_none_is_repeated(text: str) -> None:
    with pytest.raises(KeyTextError) as caught:
        parse(text)

    assert len(text) < 12 or text not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "pmk_", "sk_live_51Habc", "PMK_TEST_SK_0", "pmk_test_xx_", "Bearer pmk_test_sk_"]
)
def test_what_never_was_a_key_is_called_malformed(text: str) -> None:
    with pytest.raises(KeyTextError) as caught:
        parse(text)

    assert not caught.value.truncated


def test_a_key_with_something_behind_it_is_malformed() -> None:
    key = compose(uuid7(), "sk", live=False)
    for text in (key + "x", key + "\n", key + "\u0660"):
        with pytest.raises(KeyTextError):
            parse(text)


def test_secrets_differ_and_digests_match_their_own_key_only() -> None:
    key_id = uuid7()
    first, second = compose(key_id, "sk", live=False), compose(key_id, "sk", live=False)

    assert first != second
    assert matches(digest(first), memoryview(digest(first)))
    assert not matches(digest(first), digest(second))
    assert not matches(digest(first), None)
    assert "digest" not in repr(parse(first))
