"""Presets that make no sense are refused when they are declared, each with why."""

from __future__ import annotations

from typing import Any

import pytest

from apps.storage.images import recipes
from apps.storage.tests.parcels import make_bucket
from tests.client import Api
from tests.world import World


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


GOOD: dict[str, Any] = {
    "thumb": {"width": 200, "height": 200, "fit": "cover", "crop": "top", "format": "jpeg", "quality": 70},
    "hero_2": {"width": 1600, "format": "avif"},
    "tile": {"width": 90, "height": 90, "fit": "contain", "background": "#FFfff0", "format": "png"},
    "big": {"height": 4096, "upscale": True},
}


def test_presets_are_kept_as_they_were_said(world: World, root: Api) -> None:
    make_bucket(world.acorn, presets=GOOD)
    assert root.get("/v1/buckets/photos")["presets"] == GOOD
    assert root.patch("/v1/buckets/photos", {"presets": {"big": GOOD["big"]}})["presets"] == {
        "big": GOOD["big"]
    }
    assert root.patch("/v1/buckets/photos", {"max_size": 9})["presets"] == {"big": GOOD["big"]}
    assert root.patch("/v1/buckets/photos", {"presets": {}})["presets"] == {}


@pytest.mark.parametrize(
    ("preset", "field", "code"),
    [
        ({}, "width", "required"),
        ({"fit": "inside"}, "width", "required"),
        ({"width": 9, "fit": "cover"}, "height", "required"),
        ({"height": 9, "fit": "contain"}, "width", "required"),
        ({"width": 0}, "width", "min_value"),
        ({"width": 4097}, "width", "max_value"),
        ({"width": "9"}, "width", "invalid_type"),
        ({"width": None, "height": 9}, "width", "null"),
        ({"width": 9, "fit": "fill"}, "fit", "invalid_choice"),
        ({"width": 9, "format": "svg"}, "format", "invalid_choice"),
        ({"width": 9, "format": "gif"}, "format", "invalid_choice"),
        ({"width": 9, "quality": 0}, "quality", "min_value"),
        ({"width": 9, "quality": 101}, "quality", "max_value"),
        ({"width": 9, "quality": 80, "format": "png"}, "quality", "not_with_format"),
        ({"width": 9, "crop": "top"}, "crop", "not_with_fit"),
        ({"width": 9, "height": 9, "fit": "cover", "crop": "middle"}, "crop", "invalid_choice"),
        ({"width": 9, "background": "white"}, "background", "invalid_color"),
        ({"width": 9, "background": "#ffffff0"}, "background", "max_length"),
        ({"width": 9, "upscale": 1}, "upscale", "invalid_type"),
        ({"width": 9, "rotate": 90}, "rotate", "unknown_field"),
    ],
)
def test_a_preset_that_makes_no_sense_is_refused(
    world: World, root: Api, preset: dict[str, Any], field: str, code: str
) -> None:
    make_bucket(world.acorn)
    for answer in (
        root.post("/v1/buckets", {"name": "other", "presets": {"thumb": preset}}),
        root.patch("/v1/buckets/photos", {"presets": {"thumb": preset}}),
    ):
        assert (answer.status, answer.code) == (422, "validation_failed")
        assert [(error["field"], error["code"]) for error in answer["errors"]] == [
            (f"presets.thumb.{field}", code)
        ]
    assert root.get("/v1/buckets/photos")["presets"] == {}


@pytest.mark.parametrize(
    ("presets", "code"),
    [
        ([], "invalid_type"),
        ("thumb", "invalid_type"),
        ({"preview": {"width": 9}}, "reserved"),
        ({"Thumb": {"width": 9}}, "invalid_preset_name"),
        ({"../thumb": {"width": 9}}, "invalid_preset_name"),
        ({"": {"width": 9}}, "invalid_preset_name"),
        ({"x" * 41: {"width": 9}}, "invalid_preset_name"),
        ({f"p{number}": {"width": 9} for number in range(21)}, "too_many_presets"),
    ],
)
def test_what_are_no_presets_are_refused(world: World, root: Api, presets: object, code: str) -> None:
    answer = root.post("/v1/buckets", {"name": "other", "presets": presets})
    assert [(error["field"], error["code"]) for error in answer["errors"]] == [("presets", code)]
    told = root.post("/v1/buckets", {"name": "other", "presets": {"thumb": 9}})
    assert told["errors"][0]["field"] == "presets.thumb"


def test_a_format_that_is_not_installed_is_refused(root: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "find_spec", lambda _name: None)
    body = {"name": "other", "presets": {"hero": {"width": 9, "format": "avif"}}}
    answer = root.post("/v1/buckets", body)
    assert [(error["field"], error["code"]) for error in answer["errors"]] == [
        ("presets.hero.format", "not_available")
    ]


def test_only_who_decides_for_the_tenant_declares_presets(world: World, api: Api) -> None:
    make_bucket(world.acorn)
    person = api.using(world.acorn.parties["north"].person_key)
    assert person.patch("/v1/buckets/photos", {"presets": GOOD}).status == 403
