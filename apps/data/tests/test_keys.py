"""Keys sort as the values do: the whole promise of the index."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.strictjson import timestamp
from apps.data import keys
from apps.data.schemas.fields import Field

NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False, width=64)
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=keys.MAX_TEXT)
TIMES = st.datetimes(timezones=st.just(UTC))


@given(NUMBERS, NUMBERS)
def test_numbers_sort_as_numbers(one: float, other: float) -> None:
    # As the database compares them: by the digits that they are written with.
    written, second = Decimal(repr(one)), Decimal(repr(other))
    assert (keys.number(one) < keys.number(other)) == (written < second)
    assert (keys.number(one) == keys.number(other)) == (written == second)


@given(TEXTS, TEXTS)
def test_texts_sort_by_their_characters(one: str, other: str) -> None:
    assert (keys.text(one).encode() < keys.text(other).encode()) == (one < other)


@given(TIMES, TIMES, st.integers(-14, 14))
def test_times_sort_as_moments_whatever_their_offset(one: datetime, other: datetime, hours: int) -> None:
    if not datetime(2, 1, 1, tzinfo=UTC) < one < datetime(9998, 1, 1, tzinfo=UTC):
        return
    elsewhere = one.astimezone(timezone(timedelta(hours=hours))).isoformat()
    assert keys.key_of(elsewhere, "timestamp") == keys.moment(one)
    assert (keys.moment(one) < keys.moment(other)) == (one < other)


@given(TEXTS, TEXTS)
def test_a_prefix_is_a_range(prefix: str, rest: str) -> None:
    first, behind = keys.ends_of_prefix(prefix)
    whole = (prefix + rest)[: keys.MAX_TEXT]
    inside = first.encode() <= keys.text(whole).encode() < behind.encode()
    assert inside == whole.startswith(prefix)


@given(TEXTS, TEXTS)
def test_what_lacks_the_prefix_lies_outside_of_its_range(prefix: str, other: str) -> None:
    first, behind = keys.ends_of_prefix(prefix)
    inside = first.encode() <= keys.text(other).encode() < behind.encode()
    assert inside == other.startswith(prefix)


@pytest.mark.parametrize("kind", ["string", "number", "any"])
def test_every_kind_of_value_has_a_place_of_its_own(kind: str) -> None:
    given_ = [None, False, True, -5, 2.5, 10, "", "a", "b"]
    found = [keys.key_of(value, kind) for value in given_]
    assert found == sorted(found)
    assert len(set(found)) == len(found)


def test_long_texts_are_told_apart_and_keep_their_place() -> None:
    long = "x" * keys.MAX_TEXT
    one, other = keys.text(long + "1"), keys.text(long + "2")
    assert one != other
    assert keys.text(long) < one < keys.text("y")
    assert len(one.encode()) < 2_700


def test_the_longest_key_fits_into_an_index() -> None:
    widest = unicodedata.lookup("CUNEIFORM SIGN A") * (keys.MAX_TEXT + 1)
    assert len(keys.text(widest).encode()) < 2_700


def test_whole_numbers_beyond_a_float_are_told_apart() -> None:
    assert keys.number(2**53) < keys.number(2**53 + 1) < keys.number(2**53 + 2)
    assert keys.number(float(10**18)) == keys.number(10**18)
    assert keys.number(float(2**60)) == keys.number(int(Decimal(repr(float(2**60)))))


def test_a_moment_is_written_as_the_api_writes_it() -> None:
    at = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
    assert keys.moment(at) == "t" + timestamp(at)


@pytest.mark.parametrize(
    ("value", "one", "many"),
    [
        (None, [""], [""]),
        ("a", ["sa"], ["x"]),
        ([], ["x"], [""]),
        ([None], ["x"], [""]),
        (["b", "a", "b", None], ["x"], ["sa", "sb"]),
        ({"a": 1}, ["x"], ["x"]),
        ([{"a": 1}], ["x"], ["x"]),
    ],
)
def test_only_a_field_of_arrays_has_a_key_for_each_element(
    value: Any, one: list[str], many: list[str]
) -> None:
    assert keys.keys_of({"f": value}, Field("f", "any")) == one
    assert keys.keys_of({"f": value}, Field("f", "any", many=True)) == many
