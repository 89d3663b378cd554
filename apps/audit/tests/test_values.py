"""No secret gets into the trail, whatever a field holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from auditlog.diff import model_instance_diff
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import Agent, User
from apps.apikeys.models import Key
from apps.audit.tracking import difference
from apps.audit.values import MASK, MAX_DOCUMENT, MAX_TEXT, clean, clean_text, cut_name
from apps.core.ids import uuid7

SECRET = "s3cr3t-s3cr3t"
KEYS = st.builds(
    lambda mode, kind, rest: f"pmk_{mode}_{kind}_{rest}",
    st.sampled_from(["test", "live"]),
    st.sampled_from(["sk", "pk", "ag", "us"]),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=12, max_size=60),
)
SECRET_NAMES = st.sampled_from(
    ["password", "Secret", "client_secret", "access_token", "tokenHash", "digest", "private_key", "apiKey"]
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=700)
DOCUMENTS = st.recursive(
    PLAIN | st.dictionaries(SECRET_NAMES, st.just(SECRET)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)


@given(DOCUMENTS)
def test_whatever_is_cleaned_is_short_json_without_named_secrets(document: Any) -> None:
    text = json.dumps(clean(document), allow_nan=False)
    assert SECRET not in text
    assert "\\u0000" not in text


@given(DOCUMENTS)
def test_cleaning_bounds_what_is_kept(document: Any) -> None:
    assert len(str(clean(document))) <= max(MAX_DOCUMENT, MAX_TEXT + 40)


@given(st.text(max_size=300), KEYS, st.text(max_size=300))
def test_a_key_inside_a_text_is_masked(before: str, key: str, after: str) -> None:
    for shown in (clean_text(f"{before} {key} {after}"), cut_name(f"{before} {key} {after}", 200)):
        assert key not in shown


def test_long_texts_say_how_long_they_were() -> None:
    assert clean("x" * 501) == "x" * 500 + "… (501 characters)"
    assert clean("x" * 500) == "x" * 500


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80))
def test_a_password_shows_that_it_changed_and_nothing_more(old: str, new: str) -> None:
    fields = difference(User(email="a@b.test", password=old), User(email="a@b.test", password=new))
    assert fields == ({} if old == new else {"password": [MASK, MASK]})


@given(KEYS)
def test_a_key_in_an_unsuspected_field_is_masked(key: str) -> None:
    fields = difference(None, Agent(name=f"holds {key}", purpose=key))
    assert key not in str(fields)
    assert fields["purpose"] == [None, MASK]


def test_the_engines_own_mask_would_have_shown_half() -> None:
    found = model_instance_diff(User(password="aaaa"), User(password="bbbb"), use_json_for_changes=True)
    assert found["password"] == (MASK, MASK)


def test_references_are_shown_ids_and_times_have_an_offset() -> None:
    agent = UUID("01900000-0000-7000-8000-000000000001")
    made = Key(id=uuid7(), agent_id=agent, name="k", created_at=datetime(2026, 11, 1, 9, 30, tzinfo=UTC))
    fields = difference(None, made)
    assert fields["agent"] == [None, "agt_01j0000000e00800000000000" + "1"]
    assert fields["created_at"] == [None, "2026-11-01T09:30:00.000000Z"]
    assert "id" not in fields
    assert "version" not in fields


@pytest.mark.parametrize("written", [["name"], ["name", "version"]])
def test_only_what_is_written_is_told(written: list[str]) -> None:
    old, new = Agent(name="a", purpose="x"), Agent(name="b", purpose="y")
    assert list(difference(old, new, written)) == ["name"]
