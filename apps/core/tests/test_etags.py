"""Versions as ETags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import etags
from apps.core.problems import MalformedRequest, PreconditionFailed


@given(st.integers(min_value=1, max_value=10**12))
def test_a_version_comes_back_from_its_tag(version: int) -> None:
    assert etags.expected_version(etags.etag(version)) == version
    etags.check_version(version, version)


@pytest.mark.parametrize("header", [None, "*", " * "])
def test_no_tag_and_the_star_expect_any_version(header: str | None) -> None:
    assert etags.expected_version(header) is None
    etags.check_version(None, 7)


def test_a_list_that_names_one_version_twice_names_it() -> None:
    assert etags.expected_version('"v3", "v3"') == 3


@pytest.mark.parametrize("header", ['"abc"', '"v0"', '"v01"', '"V3"', '""'])
def test_a_tag_that_was_never_given_out_fits_no_version(header: str) -> None:
    expected = etags.expected_version(header)
    assert expected == etags.NO_VERSION
    with pytest.raises(PreconditionFailed) as refused:
        etags.check_version(expected, 1)
    assert refused.value.extra == {"current_version": 1}


@pytest.mark.parametrize(
    "header", ["", "v3", "3", '"v3', 'W/"v3"', '"v3","v4"', '"v3",', '*, "v3"', '"v\x00"']
)
def test_what_is_malformed_weak_or_ambiguous_is_refused(header: str) -> None:
    with pytest.raises(MalformedRequest, match="If-Match"):
        etags.expected_version(header)


@given(st.text(max_size=30))
def test_any_header_is_understood_or_refused(header: str) -> None:
    try:
        expected = etags.expected_version(header)
    except MalformedRequest:
        return
    assert expected is None or expected >= etags.NO_VERSION
