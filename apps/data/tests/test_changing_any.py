"""Any change of a schema over any records: all are as the steps make them and satisfy it, or none was touched."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.data import advancing, building, changing
from apps.data.schemas.validating import is_valid
from apps.data.steps import KINDS, carried_out
from apps.data.tests.shelves import root_of
from tests.client import Api
from tests.world import World

FIELDS = ("a", "b", "c", "d")
_names = st.sampled_from(FIELDS)
_present = st.sampled_from([True, False, 0, 1, 2.5, "", "1", "2.5", "true", "x"])
_values = st.none() | _present
_records = st.lists(st.dictionaries(_names, _values), min_size=1, max_size=6)
_steps = st.lists(
    st.one_of(
        st.fixed_dictionaries({"do": st.just("default"), "field": st.just("d"), "value": _present}),
        st.fixed_dictionaries({"do": st.just("rename"), "field": _names, "to": _names}),
        st.fixed_dictionaries({"do": st.just("remove"), "field": _names}),
        st.fixed_dictionaries({"do": st.just("convert"), "field": _names, "to": st.sampled_from(KINDS)}),
    ),
    max_size=4,
)
_types = st.sampled_from([None, "string", "number", "integer", "boolean"])


@st.composite
def _schemas(draw: st.DrawFn) -> dict[str, Any]:
    """A schema of the same fields, that takes nulls, or of some of their types alone."""
    types = {name: draw(_types) for name in FIELDS}
    properties = {name: {} if kind is None else {"type": [kind, "null"]} for name, kind in types.items()}
    required = draw(st.lists(_names, max_size=1))
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


WIDE = {"type": "object", "properties": {name: {} for name in FIELDS}, "additionalProperties": False}
_numbers = count()


def _made(api: Api, records: list[dict[str, Any]], *, unique: bool) -> str:
    """The path of a new collection with these records, of which those that share a unique value are left out."""
    name = f"any{next(_numbers)}"
    indexes = [{"field": "a"}, {"field": "b", "unique": unique}]
    made = api.post("/v1/collections", {"name": name, "schema": WIDE, "indexes": indexes})
    assert made.status == 201, made
    items = [{"do": "create", "data": data} for data in records]
    assert api.post(f"/v1/collections/{name}/records/bulk", {"items": items}).status == 200
    return f"/v1/collections/{name}"


def _all(api: Api, path: str) -> dict[str, Any]:
    return {row["id"]: row["data"] for row in api.get(f"{path}/records")["data"]}


def _check_found(api: Api, path: str, records: dict[str, Any]) -> None:
    """The index on `a` knows all of them, as they are."""
    present = {key for key, data in records.items() if data.get("a") is not None}
    found = api.get(f"{path}/records?filter[a][exists]=true")["data"]
    assert {row["id"] for row in found} == present


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=_records, steps=_steps, schema=_schemas(), unique=st.booleans())
def test_a_change_is_whole_or_refused(
    world: World,
    batches_of_two: None,
    records: list[dict[str, Any]],
    steps: list[dict[str, Any]],
    schema: dict[str, Any],
    unique: bool,
) -> None:
    api = root_of(world.acorn)
    path = _made(api, records, unique=unique)
    before, definition = _all(api, path), api.get(path)
    changed = api.patch(path, {"schema": schema, "steps": steps})
    after = _all(api, path)
    if changed.status == 200 and changed["changing_to"] is None:
        assert after == {key: carried_out(steps, data) for key, data in before.items()}
        assert all(is_valid(schema, data) for data in after.values())
    elif changed.status == 200:
        waiting = set(api.get(f"{path}/versions")["data"][0]["offending"])
        assert unique
        assert waiting
        assert all(
            after[key] == before[key] for key in waiting if after[key] != carried_out(steps, before[key])
        )
    else:
        assert changed.code in ("schema_incompatible", "not_unique"), changed
        assert (after, api.get(path).body) == (before, definition.body)
    _check_found(api, path, after)


@pytest.fixture
def batches_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones, so that a change takes several, and as many of them as it takes within the call."""
    monkeypatch.setattr(advancing, "AT_ONCE", 100)
    monkeypatch.setattr(building, "BATCH", 2)
    monkeypatch.setattr(changing, "BATCH", 2)
