"""What once went wrong with writing records, and does not any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.apikeys.resolver import actor_for_key
from apps.core import clock
from apps.core.actor import Call, Edge
from apps.core.admin import site
from apps.core.strictjson import timestamp
from apps.data.admin import RecordAdmin
from apps.data.claims import Claims
from apps.data.models import Record
from apps.data.tests.shelves import DISHES, RECORDS, menu, names, root_of, serve
from apps.data.tests.test_transfer import exported, taken
from tests.client import Api
from tests.world import World

RAMEN = {"name": "Ramen", "sku": "r"}


@pytest.mark.parametrize("number", [b"1e19", b"1e20", b"-1e300", b"9223372036854775808"])
def test_a_number_that_would_not_come_back_is_refused(world: World, number: bytes) -> None:
    api = menu(world.acorn)
    raw = b'{"data": {"name": "x", "price": %s}}' % number
    assert api.call("POST", RECORDS, raw=raw).code == "malformed_request"
    schema = b'{"name": "n", "schema": {"type": "object", "properties": {"n": {"maximum": %s}}}}' % number
    assert api.call("POST", "/v1/collections", raw=schema).code == "malformed_request"


def test_numbers_up_to_that_come_back(world: World) -> None:
    api = menu(world.acorn)
    for number in (1e18, 2**63 - 1, 0.1, 1e-300):
        made = api.post(RECORDS, {"data": {"name": "x", "price": number}})
        assert api.get(f"{RECORDS}/{made['id']}")["data"]["price"] == number


def test_an_export_that_breaks_off_says_so_in_its_last_line(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = menu(world.acorn)
    serve(api, {"name": "a"}, {"name": "b"})

    def broken(_row: Any) -> dict[str, Any]:
        raise ValueError("made up for this test")

    monkeypatch.setattr("apps.data.serializers.RecordOutput.render", broken)
    (last,) = exported(api)
    assert last["problem"]["code"] == "internal_error"


def test_the_trail_keeps_values_from_those_who_may_not_read_the_record(world: World) -> None:
    menu(world.acorn, access={"read": ["owner"], "create": ["owner"], "change": ["owner"]})
    north = world.acorn.parties["north"]
    made = Api(north.person_key).post(RECORDS, {"data": {"name": "private diary"}})
    for key in (north.viewer_key, north.service_key):
        told = Api(key).get(f"/v1/timeline/{made['id']}").response.content
        assert b"records.create" in told
        assert b"data.name" in told
        assert b"private diary" not in told


def test_an_id_that_is_taken_elsewhere_sinks_its_own_line_alone(world: World) -> None:
    menu(world.acorn)
    north, south = (Api(world.acorn.parties[slug].person_key) for slug in ("north", "south"))
    (theirs,) = serve(south, {"name": "theirs"})
    answer = taken(
        north, {"data": {"name": "a"}}, {"id": theirs, "data": {"name": "b"}}, {"data": {"name": "c"}}
    )
    assert answer["results"]["created"] == 2
    assert [(one["line"], one["code"]) for one in answer["errors"]] == [(2, "record_id_taken")]
    assert south.get(f"{RECORDS}/{theirs}")["data"] == {"name": "theirs"}


@pytest.mark.parametrize("do", ["create", "upsert"])
def test_a_new_record_takes_no_id(world: World, do: str) -> None:
    api = menu(world.acorn, indexes=[{"field": "sku", "unique": True}])
    (dish,) = serve(api, RAMEN)
    item = {"do": do, "id": dish, "data": RAMEN, **({"by": "sku"} if do == "upsert" else {})}
    refused = api.post(f"{RECORDS}/bulk", {"items": [item]})
    assert (refused.status, refused["errors"][0]["code"]) == (422, "id_unfit")


def test_an_upsert_that_was_overtaken_begins_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its first look nobody has the value, at its second somebody does."""
    api = menu(world.acorn, indexes=[{"field": "sku", "unique": True}])
    serve(api, RAMEN)
    looked, looks = Claims.holders, iter([True])
    monkeypatch.setattr(Claims, "holders", lambda *asked: {} if next(looks, False) else looked(*asked))
    answer = api.post(f"{RECORDS}/upsert", {"by": "sku", "data": {**RAMEN, "price": 3}})
    assert (answer.status, answer["result"]) == (200, "updated")


def test_an_import_brings_a_deleted_record_back_unchanged(world: World) -> None:
    api = menu(world.acorn)
    (dish,) = serve(api, RAMEN)
    lines = exported(api)
    api.delete(f"{RECORDS}/{dish}")
    assert taken(api, *lines)["results"] == {"created": 0, "updated": 1, "unchanged": 0}
    assert names(api.get(RECORDS)) == ["Ramen"]


def test_a_restore_that_is_refused_leaves_the_record_as_it_was(world: World) -> None:
    api = menu(world.acorn, indexes=[{"field": "sku", "unique": True}])
    (dish,) = serve(api, RAMEN)
    api.delete(f"{RECORDS}/{dish}")
    before = api.get(f"{RECORDS}/{dish}").body
    serve(api, RAMEN)
    assert api.post(f"{RECORDS}/{dish}/restore").code == "not_unique"
    assert api.get(f"{RECORDS}/{dish}").body == before


def test_patches_do_not_make_a_record_grow_without_end(world: World) -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in ("a", "b")}}
    api = root_of(world.acorn)
    api.post("/v1/collections", {"name": "texts", "schema": schema})
    path = "/v1/collections/texts/records"
    half = "x" * 700_000
    made = api.post(path, {"data": {"a": half}})
    refused = api.patch(f"{path}/{made['id']}", {"data": {"b": half}})
    assert (refused.status, refused["errors"][0]["code"]) == (422, "too_large")


def test_who_has_a_unique_value_is_told_to_those_who_could_read_it(world: World) -> None:
    rules = {"read": ["owner"], "create": ["organization"], "change": ["owner"]}
    menu(world.acorn, indexes=[{"field": "sku", "unique": True}], access=rules)
    north = world.acorn.parties["north"]
    made = Api(north.person_key).post(RECORDS, {"data": RAMEN})
    refused = Api(north.agent_key).post(RECORDS, {"data": RAMEN})
    assert refused.code == "not_unique"
    assert made["id"] not in refused.response.content.decode()


def test_many_entries_go_in_a_few_statements(world: World, django_assert_max_num_queries: Any) -> None:
    api = menu(world.acorn, indexes=[{"field": "tags"}])
    (dish,) = serve(api, {"name": "x", "tags": [f"t{n}" for n in range(3_000)]})
    with django_assert_max_num_queries(25):
        api.patch(f"{RECORDS}/{dish}", {"data": {"tags": []}})
    assert api.get(f"{RECORDS}?filter[tags][contains]=t7")["data"] == []
    assert api.get(DISHES)["indexes"][0]["state"] == "ready"


def test_a_machine_that_somebody_acts_for_owns_no_record(world: World) -> None:
    menu(world.acorn)
    north = world.acorn.parties["north"]
    asked = {"actor": north.agent, "scopes": ["records:write"], "expires_at": tomorrow()}
    given = Api(north.service_key).post("/v1/delegations", asked)
    assert given.status == 201, given
    made = Api(north.agent_key).post(RECORDS, {"data": RAMEN}, packmule_on_behalf_of=north.service)
    assert (made.status, made["owner"], made["organization"]) == (201, None, north.id)


def test_the_admin_shows_deleted_records_to_those_who_could_restore_them(world: World) -> None:
    menu(world.acorn, access={"change": ["role:owner"]})
    north = world.acorn.parties["north"]
    person = Api(north.person_key)
    (dish,) = serve(Api(world.acorn.root_key).sending(packmule_organization=north.id), RAMEN)
    person.delete(f"{RECORDS}/{dish}")

    def shown(key: str) -> int:
        with actor_for_key(key, Call("req_test", Edge.API)) as actor:
            return int(RecordAdmin(Record, site).rows(actor).count())

    assert (shown(north.person_key), shown(north.viewer_key)) == (1, 0)


def tomorrow() -> str:
    return timestamp(clock.now() + timedelta(days=1))
