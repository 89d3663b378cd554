"""Who may read, create and change records: the rules of a collection, inside the walls."""

from __future__ import annotations

import pytest

from apps.data.tests.shelves import DISH, RECORDS, menu, names, root_of, serve
from tests.client import Api
from tests.world import World

RAMEN = {"name": "Ramen"}


def test_an_owner_alone_reads_and_changes_their_own(world: World) -> None:
    root = menu(world.acorn, access={"read": ["owner"], "create": ["owner"], "change": ["owner"]})
    north = world.acorn.parties["north"]
    person, service = Api(north.person_key), Api(north.service_key)
    made = person.post(RECORDS, {"data": RAMEN})
    path = f"{RECORDS}/{made['id']}"
    assert names(person.get(RECORDS)) == ["Ramen"]
    refused = service.get(RECORDS)
    assert (refused.status, refused.code, refused["allowed"]) == (403, "record_access_denied", ["owner"])
    inside = root.sending(packmule_organization=north.id)
    (other,) = serve(inside, {"name": "The house's"})
    assert person.get(f"{RECORDS}/{other}").code == "not_found"
    assert person.patch(f"{RECORDS}/{other}", {"data": {"name": "Mine"}}).code == "not_found"
    assert person.patch(path, {"data": {"name": "Mine"}}).status == 200
    assert person.get(f"{RECORDS}/count")["count"] == 1


def test_everybody_reads_what_is_shared_and_only_the_tenant_writes_it(world: World) -> None:
    root = menu(world.acorn, shared=True)
    (dish,) = serve(root, RAMEN)
    for party in world.acorn.parties.values():
        person = Api(party.person_key)
        assert names(person.get(RECORDS)) == ["Ramen"]
        refused = person.post(RECORDS, {"data": RAMEN})
        assert (refused.status, refused.code) == (403, "record_access_denied")
        assert person.patch(f"{RECORDS}/{dish}", {"data": {"name": "x"}}).status == 403
    assert Api(world.acorn.stranger_key).get(RECORDS).status in (200, 403)


def test_a_shared_collection_where_everybody_writes_their_own(world: World) -> None:
    menu(world.acorn, shared=True, access={"create": ["everyone"], "change": ["owner"]})
    north, south = (Api(world.acorn.parties[slug].person_key) for slug in ("north", "south"))
    mine = north.post(RECORDS, {"data": RAMEN})
    assert (mine.status, mine["organization"], mine["owner"]) == (
        201, None, world.acorn.parties["north"].person,
    )  # fmt: skip
    path = f"{RECORDS}/{mine['id']}"
    assert names(south.get(RECORDS)) == ["Ramen"]
    refused = south.patch(path, {"data": {"name": "Stolen"}})
    assert (refused.status, refused.code, refused["rule"]) == (
        403, "record_access_denied", "dishes.access.change",
    )  # fmt: skip
    assert north.patch(path, {"data": {"name": "Miso"}}).status == 200


def test_roles_open_what_they_name(world: World) -> None:
    menu(world.acorn, access={"create": ["role:admin"], "change": ["role:owner"]})
    north = world.acorn.parties["north"]
    made = Api(north.agent_key).post(RECORDS, {"data": RAMEN})
    assert made.status == 201
    assert Api(north.agent_key).patch(f"{RECORDS}/{made['id']}", {"data": RAMEN}).status == 403
    assert Api(north.person_key).patch(f"{RECORDS}/{made['id']}", {"data": RAMEN}).status == 200
    assert Api(north.viewer_key).post(RECORDS, {"data": RAMEN}).status == 403


def test_a_publishable_key_reads_what_is_public_and_nothing_else(world: World) -> None:
    root = menu(world.acorn, shared=True, access={"read": ["public"]})
    (dish,) = serve(root, RAMEN)
    visitor = Api(world.acorn.publishable_key)
    assert names(visitor.get(RECORDS)) == ["Ramen"]
    assert visitor.get(f"{RECORDS}/{dish}")["data"] == RAMEN
    assert visitor.post(RECORDS, {"data": RAMEN}).status == 403
    root.post("/v1/collections", {"name": "letters", "schema": DISH, "shared": True})
    assert visitor.get("/v1/collections/letters/records").code == "collection_unknown"


@pytest.mark.parametrize(
    ("shared", "rules", "where"),
    [
        (False, {"read": ["public"]}, "access.read[0]"),
        (True, {"create": ["public"]}, "access.create[0]"),
        (True, {"read": ["everyone", "organization"]}, "access.read[1]"),
        (False, {"change": ["rolle:admin"]}, "access.change[0]"),
    ],
)
def test_rules_that_make_no_sense_are_refused(
    world: World, shared: bool, rules: dict[str, list[str]], where: str
) -> None:
    body = {"name": "dishes", "schema": DISH, "shared": shared, "access": rules}
    refused = root_of(world.acorn).post("/v1/collections", body)
    assert (refused.status, refused.code, refused["errors"][0]["field"]) == (422, "definition_invalid", where)


def test_customers_define_no_collections(world: World) -> None:
    for party in world.acorn.parties.values():
        for key in (party.person_key, party.agent_key, party.service_key):
            refused = Api(key).post("/v1/collections", {"name": "x", "schema": DISH})
            assert (refused.status, refused.code) == (403, "configuration_of_tenant")
