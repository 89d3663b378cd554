"""Strict JSON: what is read, what is refused and how it is said, what is written."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.parsers import BaseParser

from apps.core import strictjson
from apps.core.ids import uuid7
from apps.core.problems import MalformedRequest, PayloadTooLarge, UnsupportedMediaType

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(-(2.0**62), 2.0**62)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_what_is_written_reads_back_the_same(document: dict[str, Any]) -> None:
    assert strictjson.read_object(strictjson.dumps(document)) == document
    assert strictjson.read_object(json.dumps(document).encode()) == document


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_an_object_or_a_clear_refusal(body: bytes) -> None:
    try:
        assert isinstance(strictjson.read_object(body), dict)
    except MalformedRequest as refused:
        said = refused.detail
    else:
        said = "read"
    assert said.isprintable()


@given(TEXT, VALUES, VALUES)
def test_a_key_named_twice_is_refused_wherever_it_is(key: str, one: object, other: object) -> None:
    pair = f"{json.dumps(key)}:{json.dumps(one)},{json.dumps(key)}:{json.dumps(other)}"
    with pytest.raises(MalformedRequest, match="twice"):
        strictjson.read_object(f'{{"a":[{{{pair}}}]}}'.encode())


@given(st.integers(min_value=2**63) | st.integers(max_value=-(2**63) - 1))
def test_an_integer_outside_64_bits_is_refused(number: int) -> None:
    with pytest.raises(MalformedRequest, match="64 bits"):
        strictjson.read_object(f'{{"n":{number}}}'.encode())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{", "line 1, column"),
        (b"[]", "is an array"),
        (b'"x"', "the string “x”"),
        (b"null", "is null"),
        (b"true", "the boolean true"),
        (b"3", "the number 3"),
        (b'{"a": 1,}', "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": Infinity}', "not JSON"),
        (b'{"a": 1e999}', "not JSON"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "UTF-8"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'\xef\xbb\xbf{"a": 1}', "BOM"),
        (b'{"a": "x\\u0000y"}', "NUL"),
        (b'{"x\\u0000y": 1}', "NUL"),
        (b'{"a": "\x00"}', "not JSON"),
        (b'{"a":' + b"9" * 100_000 + b"}", "not JSON|64 bits"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper than 64"),
        (b"[" * 500_000, "not JSON"),
    ],
)
def test_a_refusal_says_what_is_wrong(body: bytes, said: str) -> None:
    with pytest.raises(MalformedRequest, match=said) as refused:
        strictjson.read_object(body)
    assert len(refused.value.detail) < 250


def test_what_only_looks_like_a_forbidden_thing_is_read() -> None:
    assert strictjson.read_object(b'{"a": "\\\\u0000"}') == {"a": "\\u0000"}
    assert strictjson.read_object(b'{"a":' * 64 + b"1" + b"}" * 64)
    assert strictjson.read_object(b'{"a": [' + b"[]," * 200 + b"[]]}")
    assert strictjson.read_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "😀"}


def test_times_are_written_in_utc_with_microseconds() -> None:
    at = datetime(2026, 11, 1, 10, 30, tzinfo=timezone(timedelta(hours=1)))
    assert strictjson.dumps({"at": at}) == b'{"at":"2026-11-01T09:30:00.000000Z"}'
    assert strictjson.dumps([at.astimezone(UTC).replace(microsecond=7)]) == b'["2026-11-01T09:30:00.000007Z"]'


def test_what_has_no_json_form_is_a_mistake_and_not_an_answer() -> None:
    for value in (datetime(2026, 1, 1), {1, 2}, object(), 2**64, "\ud800"):  # noqa: DTZ001
        with pytest.raises(TypeError):
            strictjson.dumps({"value": value})
    assert strictjson.dumps([Decimal("1.50"), None]) == b'["1.50",null]'
    assert strictjson.dumps(uuid7())


@pytest.mark.parametrize(
    ("content_type", "fits"),
    [
        ("application/json", True),
        ("Application/JSON; charset=UTF-8", True),
        ('application/json;charset="utf-8"', True),
        ("application/json; charset=latin-1", False),
        ("application/jsonp", False),
        ("application/merge-patch+json", False),
        ("text/plain", False),
        ("", False),
    ],
)
def test_only_json_in_utf8_is_json(content_type: str, fits: bool) -> None:
    assert strictjson.is_json(content_type) is fits


@pytest.mark.parametrize(
    ("accept", "fits"),
    [
        ("", True),
        ("*/*", True),
        ("text/html, Application/JSON;q=0.5", True),
        ("application/*", True),
        ("application/problem+json", True),
        ("text/html", False),
        ("application/json;q=0", False),
        ("application/json; q=0.0, text/html", False),
    ],
)
def test_an_accept_header_takes_json_or_not(accept: str, fits: bool) -> None:
    assert strictjson.accepts_json(accept) is fits


def _post(body: bytes, content_type: str = "application/json", **more: Any) -> HttpRequest:
    return RequestFactory().generic("POST", "/v1/things", body, content_type, **more)


def test_a_request_gives_its_object() -> None:
    assert strictjson.read_request(_post(b'{"a": 1}')) == {"a": 1}


def test_an_empty_body_is_refused_only_where_one_is_needed() -> None:
    assert strictjson.read_request(_post(b""), needed=False) == {}
    with pytest.raises(MalformedRequest, match="empty"):
        strictjson.read_request(_post(b""))


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_media_type_is_refused_by_name(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="application/json"):
        strictjson.read_request(_post(b"a=1", content_type))


class _Endless(BytesIO):
    """A body that never ends, and counts what was taken from it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size > 0, "an unbounded read of an endless body"
        self.taken += size
        return b" " * size


def test_a_declared_body_over_the_limit_is_refused_unread(settings: Any) -> None:
    settings.PACKMULE_MAX_BODY_BYTES = 100
    endless = _Endless()
    request = _post(b"", CONTENT_LENGTH="101")
    request.META["wsgi.input"] = endless
    with pytest.raises(PayloadTooLarge, match="101 bytes"):
        strictjson.read_request(request)
    assert endless.taken == 0


def _chunked(stream: BytesIO) -> HttpRequest:
    request = _post(b"", CONTENT_TYPE="application/json", HTTP_TRANSFER_ENCODING="chunked")
    request.META["wsgi.input"] = stream
    request.META.pop("CONTENT_LENGTH", None)
    return request


def test_a_chunked_body_is_read_and_kept() -> None:
    request = _chunked(BytesIO(b'{"a": 1}'))
    assert strictjson.read_request(request) == {"a": 1}
    assert request.body == b'{"a": 1}'


def test_an_endless_chunked_body_is_refused_after_the_limit(settings: Any) -> None:
    settings.PACKMULE_MAX_BODY_BYTES = 100_000
    endless = _Endless()
    with pytest.raises(PayloadTooLarge, match="100000"):
        strictjson.read_request(_chunked(endless))
    assert endless.taken == 100_001


@pytest.fixture
def parser() -> BaseParser:
    return strictjson.StrictJSONParser()


def test_drf_reads_and_writes_through_the_same_functions(parser: BaseParser) -> None:
    assert parser.parse(BytesIO(b'{"a": 1}'), "application/json") == {"a": 1}
    with pytest.raises(UnsupportedMediaType):
        parser.parse(BytesIO(b"{}"), "application/json; charset=latin-1")
    renderer = strictjson.StrictJSONRenderer()
    assert renderer.render({"a": None}) == b'{"a":null}'
    assert renderer.render(None) == b""
