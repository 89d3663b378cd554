"""A builder keeps records by hand: from the schema to a record that was put right, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import call
from tests.browser.person import Person

pytestmark = pytest.mark.browser

SCHEMA = '{"type": "object", "properties": {"name": {"type": "string", "minLength": 1}, "price": {"type": "number"}}}'


@pytest.fixture
def inside(installation: dict[str, Any], admin: Person) -> Person:
    """The first person, in the environment of a product of theirs."""
    key = installation["console_key"]
    call(installation, "/v1/applications", key, {"slug": "menus", "name": "Menus"})
    made = call(installation, "/v1/applications/menus", key)
    environment = next(one["id"] for one in made["environments"] if one["name"] == "development")
    admin.open(f"/admin/open/{environment}/")
    port = installation["api_url"].rpartition(":")[2]
    person = Person(admin.driver, f"http://development--menus.localhost:{port}", admin.shots)
    person.wait_for(lambda: person.path == "/admin/")
    return person


def test_from_a_schema_to_a_record_that_is_put_right(inside: Person) -> None:
    inside.open("/admin/data/collection/")
    inside.follow("Make a collection")
    inside.send(name="dishes", schema='{"type": "objekt"}', reason="To keep what we cook")
    assert "/type" in inside.read(".pm-form")
    assert inside.find("[name=schema]").get_attribute("value") == '{"type": "objekt"}'
    inside.send(schema=SCHEMA)
    assert "dishes" in inside.read("h1")
    collection = inside.path

    inside.follow("Make a record")
    inside.send(data='{"name": "", "price": "much"}', reason="The first one")
    for pointer in ("/name", "/price"):
        assert pointer in inside.read(".pm-form"), pointer
    inside.send(data='{"name": "Ramen", "price": 14}')
    inside.open(collection)
    assert "Ramen" in inside.read()

    inside.open("/admin/data/record/")
    inside.follow("dishes")
    inside.follow("Change")
    assert '"price": 14' in str(inside.find("[name=data]").get_attribute("value"))
    inside.send(data='{"name": "Ramen", "price": 15}', reason="Everything costs more")
    assert "Everything costs more" in inside.read(".pm-timeline")
    assert '"price": 15' in inside.read(".pm-json")

    inside.follow("Delete")
    record = str(
        inside.find("[name=confirmation]").find_element("xpath", "./ancestor::*[.//label][1]//label").text
    )
    inside.send(confirmation=record.partition("“")[2].partition("”")[0], reason="Nobody orders it")
    assert "Deleted" in inside.read("h1")
    inside.follow("Restore")
    inside.send(reason="Somebody did")
    assert "Deleted" not in inside.read("h1")
    assert inside.wrong_here("light") == []
