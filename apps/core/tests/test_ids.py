"""Ids: UUIDv7 inside, one spelling outside."""

import threading
import time
import uuid

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, Resolver404, path
from django.urls.resolvers import RegexPattern, URLResolver
from hypothesis import given
from hypothesis import strategies as st

from apps.core import ids


def _view(_: HttpRequest) -> HttpResponse:
    return HttpResponse()


def test_a_uuid7_carries_its_version_variant_and_time() -> None:
    before = time.time_ns() // 1_000_000
    made = ids.uuid7()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= after + 1


def test_ids_increase_within_the_process_also_from_several_threads() -> None:
    made: list[list[uuid.UUID]] = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda into=into: into.extend(ids.uuid7() for _ in range(2000)))
        for into in made
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(part == sorted(part) for part in made)
    assert len({one for part in made for one in part}) == 8000


def test_a_clock_that_steps_back_does_not_turn_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ids.uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000)
    assert first < ids.uuid7() < ids.uuid7()


def test_a_full_counter_moves_on_to_the_next_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    source = ids._Uuid7Source()
    first = source.next()
    monkeypatch.setattr(source, "_counter", (1 << 42) - 1)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    following = source.next()
    assert first < following
    assert following.version == 7


@given(st.uuids(), st.sampled_from(sorted(ids.prefixes())))
def test_what_is_encoded_decodes_to_itself(value: uuid.UUID, prefix: str) -> None:
    shown = ids.encode(prefix, value)
    assert len(shown) == len(prefix) + 27
    assert ids.decode(shown, prefix) == value


@given(st.uuids(), st.uuids())
def test_the_shown_form_sorts_like_the_value(one: uuid.UUID, other: uuid.UUID) -> None:
    assert (ids.encode("org", one) < ids.encode("org", other)) == (one < other)


@given(st.text(max_size=40))
def test_any_text_is_either_refused_or_the_one_spelling(text: str) -> None:
    try:
        value = ids.decode(text, "org")
    except ValueError:
        return
    assert ids.encode("org", value) == text


ZEROS = "0" * 26


@pytest.mark.parametrize(
    "text",
    [
        "",
        "org",
        "org_",
        ZEROS,
        f"usr_{ZEROS}",
        f"org_{ZEROS}0",
        f"org_{ZEROS[1:]}",
        f"ORG_{ZEROS}",
        f"org_{'A' * 26}",
        f"org_8{ZEROS[1:]}",
        f"org_{ZEROS[1:]}i",
        f"org_{ZEROS[1:]}u",
        f"org_{ZEROS[1:]}٣",
        f"org_{ZEROS}\n",
        f" org_{ZEROS}",
        f"org_org_{ZEROS}",
    ],
)
def test_a_malformed_or_foreign_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="org_"):
        ids.decode(text, "org")


def test_every_prefix_of_the_contract_is_known() -> None:
    promised = "ten_ app_ env_ org_ usr_ svc_ agt_ key_ dlg_ col_ rec_ file_ job_ evt_ whe_ dlv_ plan_ apr_"
    assert set(promised.replace("_", "").split()) <= set(ids.prefixes())
    assert ids.noun("svc") == "service account"


def test_a_prefix_names_one_kind_only() -> None:
    ids.register_prefix("org", "organization")
    with pytest.raises(ValueError, match="organization"):
        ids.register_prefix("org", "organ")
    with pytest.raises(ValueError, match="malformed"):
        ids.register_prefix("Org_", "organization")


def _routes() -> URLResolver:
    return URLResolver(RegexPattern(r"^/"), [path("orgs/<org:organization>", _view, name="organization")])


def test_a_route_takes_ids_of_its_kind_only() -> None:
    value = ids.uuid7()
    found = _routes().resolve(f"/orgs/{ids.encode('org', value)}")
    assert found.kwargs == {"organization": value}
    for wrong in (ids.encode("usr", value), str(value), ids.encode("org", value).upper()):
        with pytest.raises(Resolver404):
            _routes().resolve(f"/orgs/{wrong}")


def test_a_route_is_built_from_a_uuid_or_a_shown_id() -> None:
    value = ids.uuid7()
    shown = ids.encode("org", value)
    assert _routes().reverse("organization", organization=value) == f"orgs/{shown}"
    assert _routes().reverse("organization", organization=shown) == f"orgs/{shown}"
    with pytest.raises(NoReverseMatch):
        _routes().reverse("organization", organization="usr_1")
