"""Finding for whoever sees a part, by words and conditions together, and what is too much to look at unasked."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.data import finding, querying
from apps.data.rows import pick
from apps.data.tests.naive import holds
from apps.data.tests.shelves import RECORDS, menu, names, serve
from apps.data.tests.test_filters import (
    FIELDS,
    QUIET,
    VALUES,
    WAYS,
    conditions,
    dishes,
    emptied,
    every_page,
    go,
    parameter,
    told_alike,
)
from tests.client import Api
from tests.world import World

#: Each of these goes through every way that a query can go, as the filters alone do elsewhere.
LESS = settings(QUIET, max_examples=12)
WORDS = ["alpha", "beta", "gamma", "delta"]
_orders = st.sampled_from(["price", "added", "-day", "origin.country", "id", "-id"])


@pytest.fixture(params=[(way, number % 2 == 0) for number, way in enumerate(WAYS)], ids=str)
def owners(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[Api, ...]:
    """Everybody reads their own dishes: root, which makes them go, a person of the north and one of the south."""
    way, shared = request.param
    access = {"read": ["owner"], "create": ["everyone" if shared else "organization"], "change": ["owner"]}
    root = menu(world.acorn, indexes=go(way, VALUES, monkeypatch), shared=shared, access=access)
    return root, *(Api(world.acorn.parties[name].person_key) for name in ("north", "south"))


@LESS
@given(
    st.lists(dishes(), max_size=6),
    st.lists(dishes(), max_size=4),
    st.lists(conditions(), max_size=3, unique_by=lambda one: one[:2]),
    _orders,
)
def test_who_reads_their_own_finds_what_a_naive_evaluation_finds(
    owners: tuple[Api, ...], mine: list[Any], theirs: list[Any], asked: list[Any], order: str
) -> None:
    root, north, south = owners
    emptied(root)
    serve(north, *mine)
    serve(south, *theirs)
    wanted = [dish for dish in mine if all(holds(dish, FIELDS[path], *more) for path, *more in asked)]
    _finds(north, list(map(parameter, asked)), order, wanted)


def _finds(api: Api, asked: list[str], order: str, wanted: list[dict[str, Any]]) -> None:
    found = every_page(api, "&".join([f"order={order}", *asked]))
    by, descending = order.removeprefix("-"), order.startswith("-")
    if by == "id":
        assert found == (wanted[::-1] if descending else wanted)
    else:
        told_alike(found, wanted, FIELDS[by], descending=descending)
    assert api.get(f"{RECORDS}/count?{'&'.join(asked)}")["count"] == len(wanted)


@pytest.fixture(params=WAYS)
def searched(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    indexes = [one for one in go(request.param, VALUES, monkeypatch) if one["field"] != "name"]
    menu(world.acorn, indexes=indexes, search={"fields": ["name"]})
    return Api(world.acorn.parties["north"].service_key)


_terms = st.one_of(
    st.tuples(st.sampled_from(["", "-"]), st.sampled_from(WORDS)),
    st.tuples(st.just('"'), st.sampled_from(["alpha beta", "beta gamma", "beta alpha"])),
)


@LESS
@given(
    st.lists(st.tuples(dishes(), st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)), max_size=9),
    st.lists(conditions().filter(lambda one: one[0] != "name"), max_size=2, unique_by=lambda one: one[:2]),
    st.lists(_terms, max_size=2),
    st.sampled_from(WORDS),
    _orders,
)
def test_words_and_conditions_together_find_what_a_naive_evaluation_finds(
    searched: Api, made: list[Any], asked: list[Any], more: list[Any], word: str, order: str
) -> None:
    emptied(searched)
    served = [{**dish, "name": " ".join(words)} for dish, words in made]
    serve(searched, *served)
    terms = [("", word), *more]
    search = " ".join(f'"{text}"' if sign == '"' else sign + text for sign, text in terms)
    wanted = [
        dish
        for dish in served
        if all(_says(dish["name"].split(), *term) for term in terms)
        and all(holds(dish, FIELDS[path], *rest) for path, *rest in asked)
    ]
    _finds(searched, [f"search={quote(search)}", *map(parameter, asked)], order, wanted)


def _says(words: list[str], sign: str, text: str) -> bool:
    if sign == '"':
        return text.split() in [words[place : place + 2] for place in range(len(words))]
    return (text in words) is (sign == "")


@pytest.fixture
def apart(world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    """Many dishes of two kinds that have nothing in common, of which few are walked along."""
    monkeypatch.setattr(finding, "FEW_OF_TENANT", 0)
    monkeypatch.setattr(finding, "MANY", 0)
    monkeypatch.setattr(finding, "WALK", 8)
    access = {"read": ["public"], "create": ["everyone"], "change": ["everyone"]}
    indexes = [{"field": "name"}, {"field": "price"}]
    api = menu(world.acorn, indexes=indexes, search={"fields": ["name"]}, shared=True, access=access)
    serve(api, *({"name": "soup" if n % 2 else "salad", "price": n % 2} for n in range(20)))
    return api


@pytest.mark.parametrize("order", ["id", "-price", "name"])
def test_what_many_records_fulfil_and_none_all_of_is_not_walked_to_the_end(apart: Api, order: str) -> None:
    told = apart.get(f"{RECORDS}?filter[name][in]=soup,stew&filter[price][lt]=1&order={order}")
    assert (told["data"], told["next_cursor"]) == ([], None)
    assert (told["notice"]["code"], told["notice"]["fields"]) == ("scanned", ["name", "price"])
    full = apart.get(f"{RECORDS}?filter[name][in]=soup,stew&filter[price][gte]=1&order={order}&limit=2")
    assert (len(full["data"]), "notice" in full.body) == (2, False), "the page is full soon"


def test_a_publishable_key_has_nobody_look_at_every_record(apart: Api, world: World) -> None:
    visitor = Api(world.acorn.publishable_key)
    refused = visitor.get(f"{RECORDS}?filter[name][in]=soup,stew&filter[price][lt]=1")
    assert (refused.status, refused.code) == (403, "scan_refused")
    assert visitor.get(f"{RECORDS}?filter[name][in]=soup,stew&filter[price][gte]=1&limit=2").status == 200


def test_a_phrase_of_words_that_many_records_have_is_looked_for_on_request(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(querying, "MOST_SCANNED", 5)
    access = {"read": ["public"], "create": ["everyone"], "change": ["everyone"]}
    api = menu(world.acorn, shared=True, access=access, search={"fields": ["name"]})
    serve(api, *({"name": f"alpha beta {n}"} for n in range(6)), {"name": "beta alpha rare"})
    phrase = "search=%22beta alpha%22"
    for asked in (RECORDS, f"{RECORDS}/count"):
        refused = api.get(f"{asked}?{phrase}")
        assert (refused.status, refused.code) == (409, "index_needed"), refused
        assert Api(world.acorn.publishable_key).get(f"{asked}?{phrase}").status == 409
    told = api.get(f"{RECORDS}?{phrase}&scan=true")
    assert (names(told), told["notice"]["code"]) == (["beta alpha rare"], "scanned")
    counted = api.get(f"{RECORDS}/count?{phrase}&scan=true")
    assert (counted["count"], counted["notice"]["code"]) == (1, "scanned")
    few = api.get(f"{RECORDS}?{phrase} rare")
    assert (names(few), "notice" in few.body) == (["beta alpha rare"], False)


def test_what_is_deleted_while_the_page_is_made_is_not_in_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = menu(world.acorn, indexes=[{"field": "price"}])
    serve(api, *({"name": f"dish {n}", "price": n} for n in range(3)))

    def late(ids: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("update data_record set deleted_at = now() where data->>'name' = 'dish 1'")
        return pick(ids)

    monkeypatch.setattr(querying, "pick", late)
    assert names(api.get(f"{RECORDS}?order=price")) == ["dish 0", "dish 2"]
