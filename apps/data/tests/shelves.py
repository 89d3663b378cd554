"""What the tests of this room share: a collection of dishes, and short ways to it."""

from __future__ import annotations

from typing import Any

from tests.client import Answer, Api
from tests.world import Space

DISH: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "sku": {"type": "string"},
        "price": {"type": "number", "minimum": 0},
        "sold_out": {"type": "boolean"},
        "added": {"type": "string", "format": "date-time"},
        "day": {"type": "string", "format": "date"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "origin": {"type": "object", "properties": {"country": {"type": "string"}}},
    },
    "required": ["name"],
    "additionalProperties": False,
}
DISHES = "/v1/collections/dishes"
RECORDS = f"{DISHES}/records"


def root_of(space: Space) -> Api:
    """The tenant's own backend."""
    return Api(space.root_key)


def menu(space: Space, **definition: Any) -> Api:
    """The tenant's own backend, in a tenant with a collection of dishes."""
    api = root_of(space)
    made = api.post("/v1/collections", {"name": "dishes", "schema": DISH, **definition})
    assert made.status == 201, made
    return api


def serve(api: Api, *dishes: dict[str, Any]) -> list[str]:
    """Make these dishes; their ids."""
    ids = []
    for start in range(0, len(dishes), 500):
        items = [{"do": "create", "data": dish} for dish in dishes[start : start + 500]]
        answer = api.post(f"{RECORDS}/bulk", {"items": items})
        assert (answer.status, answer["refused"]) == (200, 0), answer
        ids += [row["record"]["id"] for row in answer["results"]]
    return ids


def names(answer: Answer) -> list[str]:
    """The names in a list of dishes."""
    assert answer.status == 200, answer
    return [row["data"]["name"] for row in answer["data"]]
