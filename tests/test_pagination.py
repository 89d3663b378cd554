"""Pages of real lists: complete, in order, one query each, and with cursors that fit nowhere else."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Length
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.pagination import Page, paginate, sealed_values
from apps.core.problems import CursorInvalid
from apps.orgs.models import Organization
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World

ORDERS: list[tuple[str, ...]] = [(), ("id",), ("-id",), ("name",), ("-name",), ("name", "-slug"), ("-pk",)]


@pytest.fixture
def rows(world: World) -> Iterator[list[Organization]]:
    """Twenty more organizations of acorn's production, whose names come several times each."""
    with enter(world.acorn.ref):
        for number in range(20):
            Organization.objects.create(slug=f"row-{number:02}", name=f"Name {number % 4}")
        yield list(Organization.objects.all())


def _walk(queryset: Any, limit: int, **options: Any) -> list[Organization]:
    found: list[Organization] = []
    page: Page[Organization] = paginate(queryset, limit=limit, **options)
    while True:
        found += page.data
        if page.next_cursor is None:
            return found
        assert len(page.data) == limit
        page = paginate(queryset, limit=limit, cursor=page.next_cursor, **options)


@given(limit=st.integers(1, 25), order=st.sampled_from(ORDERS))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_pages_hold_every_row_once_and_in_order(
    rows: list[Organization], limit: int, order: tuple[str, ...]
) -> None:
    queryset = Organization.objects.order_by(*order) if order else Organization.objects.order_by().all()
    tail = "-id" if not order or order[-1].startswith("-") else "id"
    expected = list(Organization.objects.order_by(*order, tail))
    assert [row.id for row in _walk(queryset, limit)] == [row.id for row in expected]


def test_a_page_is_one_query(rows: list[Organization]) -> None:
    first = paginate(Organization.objects.order_by("name"), limit=5)
    with CaptureQueriesContext(
        connection,
    ) as seen:
        paginate(Organization.objects.order_by("name"), limit=5, cursor=first.next_cursor)
    assert len(seen) == 1


def test_rows_that_come_or_go_meanwhile_shift_nothing(rows: list[Organization]) -> None:
    queryset = Organization.objects.order_by("-id")
    first = paginate(queryset, limit=5)
    # Django's own delete would first ask the console's tables, which an environment does not have.
    gone = Organization.objects.filter(pk=first.data[-1].pk)
    gone._raw_delete(gone.db)
    Organization.objects.create(slug="newcomer", name="Newcomer")
    second = paginate(queryset, limit=5, cursor=first.next_cursor)
    assert [row.id for row in second.data] == sorted((row.id for row in rows), reverse=True)[5:10]


def test_values_are_paged_like_rows(rows: list[Organization]) -> None:
    queryset: Any = Organization.objects.order_by("slug").values("id", "slug")
    assert len(_walk(queryset, 3)) == len(rows)


def test_a_cursor_fits_its_own_list_only(rows: list[Organization], settings: Any) -> None:
    queryset = Organization.objects.order_by("-id")
    cursor = str(paginate(queryset, limit=5, scope="a").next_cursor)
    for other, scope in ((queryset, "b"), (Organization.objects.order_by("name"), "a")):
        with pytest.raises(CursorInvalid):
            paginate(other, cursor=cursor, scope=scope)
    assert len(paginate(queryset, limit=5, cursor=cursor, scope="a").data) == 5
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key of at least thirty-two characters"
    assert len(paginate(queryset, limit=5, cursor=cursor, scope="a").data) == 5
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(CursorInvalid):
        paginate(queryset, cursor=cursor, scope="a")


@given(
    cursor=st.text(min_size=1, max_size=80)
    | st.binary(max_size=60).map(lambda raw: urlsafe_b64encode(raw).decode() + "=")
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_other_cursor_is_refused(rows: list[Organization], cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        paginate(Organization.objects.order_by("-id"), cursor=cursor)


@given(place=st.integers(0, 200), letter=st.sampled_from("AZaz09-_"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_cursor_with_one_letter_changed_is_refused(
    rows: list[Organization], place: int, letter: str
) -> None:
    queryset = Organization.objects.order_by("-id")
    cursor = str(paginate(queryset, limit=5).next_cursor)
    place %= len(cursor)
    changed = cursor[:place] + letter + cursor[place + 1 :]
    if changed != cursor:
        with pytest.raises(CursorInvalid):
            paginate(queryset, cursor=changed)


def test_no_command_takes_a_cursor_for_an_option() -> None:
    assert not any(sealed_values([number], "a list").startswith("-") for number in range(500))


def test_a_list_without_a_fit_order_is_a_mistake(rows: list[Organization]) -> None:
    measured = Organization.objects.annotate(length=Length("name"))
    for queryset in (measured.order_by("length"), Organization.objects.order_by("memberships")):
        with pytest.raises(ValueError, match="cannot be paged"):
            paginate(queryset)
    with pytest.raises(ValueError, match="1 to 200"):
        paginate(Organization.objects.order_by("id"), limit=0)


def test_a_client_walks_a_list_and_is_refused_with_anothers_cursor(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    first = root.get("/v1/organizations?limit=1")
    assert first.status == 200, first
    second = root.get(f"/v1/organizations?limit=1&cursor={first['next_cursor']}")
    assert (len(second["data"]), second["next_cursor"]) == (1, None)
    assert first["data"] != second["data"]
    birch = api.using(world.birch.root_key)
    assert birch.get(f"/v1/organizations?cursor={first['next_cursor']}").code == "cursor_invalid"
    assert root.get(f"/v1/users?cursor={first['next_cursor']}").code == "cursor_invalid"
