"""Strict on the way in, fast on the way out."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers as drf

from apps.core import ids
from apps.core import serializers as fields
from apps.core.parameters import ListParameters, Parameters
from apps.core.problems import FieldError, ParametersInvalid, Problem, ValidationFailed
from apps.core.scopes import Scope, ScopeError


class Member(fields.StrictSerializer):
    email = fields.EmailField()


class Everything(fields.StrictSerializer):
    name = fields.NameField(required=False)
    slug = fields.SlugField(required=False)
    text = fields.CharField(required=False, allow_blank=True)
    number = fields.IntegerField(required=False)
    ratio = fields.FloatField(required=False)
    flag = fields.BooleanField(required=False)
    kind = fields.ChoiceField(choices=["secret", "publishable"], required=False)
    scopes = fields.ScopesField(required=False)
    organization = fields.IdField("org", required=False)
    expires_at = fields.TimestampField(required=False, allow_null=True)
    tags = fields.ListField(child=fields.CharField(), required=False, max_length=3)
    labels = fields.DictField(child=fields.CharField(), required=False)
    payload = fields.JSONField(required=False)
    members = Member(many=True, required=False)
    password = fields.CharField(required=False, write_only=True)


def _refused(data: Any, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValidationFailed) as refused:
        Everything.read(data, **options)
    return [(error.field, error.code) for error in refused.value.errors]


def test_what_fits_is_read_into_python_values() -> None:
    organization = ids.uuid7()
    assert Everything.read(
        {
            "name": "  Acme\u200d ",
            "slug": "acme-2",
            "number": -3,
            "ratio": 2,
            "scopes": ["keys:read", "*", "keys:read"],
            "organization": ids.encode("org", organization),
            "expires_at": "2026-11-01T10:30:00+01:00",
            "members": [{"email": "Ada@EXAMPLE.com"}],
            "payload": {"any": [1, None]},
        }
    ) == {
        "name": "Acme\u200d",
        "slug": "acme-2",
        "number": -3,
        "ratio": 2.0,
        "scopes": ["keys:read", "*"],
        "organization": organization,
        "expires_at": datetime(2026, 11, 1, 9, 30, tzinfo=UTC),
        "members": [{"email": "Ada@example.com"}],
        "payload": {"any": [1, None]},
    }


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("text", 1, "invalid_type"),
        ("text", True, "invalid_type"),
        ("text", None, "null"),
        ("text", "x" * 501, "max_length"),
        ("number", "1", "invalid_type"),
        ("number", 1.0, "invalid_type"),
        ("number", True, "invalid_type"),
        ("number", 2**63, "max_value"),
        ("ratio", "1.5", "invalid_type"),
        ("ratio", False, "invalid_type"),
        ("flag", 1, "invalid_type"),
        ("flag", "true", "invalid_type"),
        ("kind", "other", "invalid_choice"),
        ("kind", ["secret"], "invalid_type"),
        ("scopes", "keys:read", "invalid_type"),
        ("scopes", ["keys"], "invalid_scope"),
        ("organization", "org_1", "invalid_id"),
        ("organization", "usr_01k5zzzzzz0000000000000000", "invalid_id"),
        ("expires_at", "2026-11-01T10:30:00", "invalid_time"),
        ("expires_at", "2026-13-01T10:30:00Z", "invalid_time"),
        ("expires_at", "0001-01-01T00:00:00+23:59", "invalid_time"),
        ("expires_at", "2026-11-01", "invalid_time"),
        ("expires_at", 1700000000, "invalid_type"),
        ("tags", ["a"] * 4, "max_length"),
        ("tags", {"0": "a"}, "invalid_type"),
        ("labels", [], "invalid_type"),
        ("payload", None, "null"),
        ("slug", "Acme", "invalid_slug"),
        ("slug", "a--b", "invalid_slug"),
        ("slug", "-a", "invalid_slug"),
        ("slug", "a_b", "invalid_slug"),
        ("slug", "acme\n", "invalid_slug"),
        ("slug", "a", "min_length"),
        ("slug", "a" * 41, "max_length"),
        ("slug", "console", "reserved"),
        ("slug", "pg-catalog", "reserved"),
        ("name", "  ", "blank"),
        ("name", "a\u202eb", "invalid_character"),
        ("name", "a\tb", "invalid_character"),
        ("name", "x" * 121, "max_length"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_code(field: str, value: object, code: str) -> None:
    assert _refused({field: value}) == [(field, code)]


def test_nested_refusals_name_their_place() -> None:
    assert _refused({"members": [{"email": "a@b.cc"}, {"email": "x"}], "tags": ["a", 1]}) == [
        ("tags[1]", "invalid_type"),
        ("members[1].email", "invalid_email"),
    ]


def test_unknown_fields_are_refused_and_the_nearest_name_is_suggested() -> None:
    with pytest.raises(ValidationFailed) as refused:
        Everything.read({"nmae": "x", "members": [{"email": "a@b.cc", "zzz": 1}]})
    first, second = sorted(refused.value.errors, key=lambda error: error.field)
    assert (first.field, first.code) == ("members[0].zzz", "unknown_field")
    assert (second.field, second.code) == ("nmae", "unknown_field")
    assert second.detail == "There is no field “nmae” here; did you mean name?"


def test_only_twenty_strays_are_reported() -> None:
    assert len(_refused({f"stray{number}": 1 for number in range(1000)})) == 20


def test_a_write_only_value_is_never_repeated() -> None:
    with pytest.raises(ValidationFailed) as refused:
        Everything.read({"password": {"hunter2": 1}})
    assert "hunter2" not in json.dumps(refused.value.document())
    with pytest.raises(ValidationFailed) as refused:
        Everything.read({"password": 4711})
    assert "4711" not in json.dumps(refused.value.document())


def test_required_fields_may_be_missing_from_a_partial_body() -> None:
    with pytest.raises(ValidationFailed):
        Member.read({})
    assert Member.read({}, partial=True) == {}
    assert (Member.has_required(), Everything.has_required()) == (True, False)
    with pytest.raises(ValidationFailed, match="no field"):
        Member.read({"x": 1}, partial=True)


def test_a_lenient_field_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"Lenient\.name is a lenient CharField"):
        type("Lenient", (fields.StrictSerializer,), {"name": drf.CharField()})
    with pytest.raises(TypeError, match=r"Lenient\.tags\[\]"):
        type("Lenient", (fields.StrictSerializer,), {"tags": fields.ListField(child=drf.CharField())})


@given(st.dictionaries(st.sampled_from(list(Everything().fields)), st.none() | st.integers() | st.text()))
def test_any_body_is_read_or_refused(data: dict[str, Any]) -> None:
    try:
        errors: tuple[FieldError, ...] = ()
        Everything.read(data)
    except ValidationFailed as refused:
        errors = refused.errors
    assert all(error.detail for error in errors)


@given(st.text(max_size=30) | st.from_regex(r"[a-z]{1,4}:[a-z*]{1,4}(@[a-z]{1,3})?", fullmatch=True))
def test_a_scope_is_refused_or_comes_back_as_it_was_written(text: str) -> None:
    try:
        scope = Scope.parse(text)
    except ScopeError:
        return
    assert str(scope) == text
    assert scope.covers(scope)
    assert Scope("*").covers(scope)


class Filters(ListParameters):
    kind = fields.ChoiceField(choices=["secret"], required=False)
    active = fields.BooleanField(required=False)
    types = fields.ListField(child=fields.CharField(), required=False)
    families: ClassVar = {"filter": r"filter\[\w+\](\[\w+\])?"}


def test_parameters_are_read_from_text() -> None:
    query = QueryDict("limit=5&active=false&types=a,b&filter[x][gte]=3&filter[y]=z")
    assert Filters.read_query(query) == {
        "limit": 5,
        "cursor": None,
        "active": False,
        "types": ["a", "b"],
        "filter": {"filter[x][gte]": "3", "filter[y]": "z"},
    }
    assert Filters.read_query(QueryDict("")) == {"limit": 50, "cursor": None, "filter": {}}


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("limit=0", "limit", "min_value"),
        ("limit=201", "limit", "max_value"),
        ("limit=5.0", "limit", "invalid_type"),
        ("limit=", "limit", "invalid_type"),
        ("limit=1&limit=2", "limit", "repeated"),
        ("active=1", "active", "invalid_type"),
        ("kind=x", "kind", "invalid_choice"),
        ("cursor=%00", "cursor", "null_characters_not_allowed"),
        ("limt=5", "limt", "unknown_parameter"),
        ("filter[]=5", "filter[]", "unknown_parameter"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused(query: str, field: str, code: str) -> None:
    with pytest.raises(ParametersInvalid) as refused:
        Filters.read_query(QueryDict(query))
    assert [(error.field, error.code) for error in refused.value.errors] == [(field, code)]


def test_a_call_without_parameters_takes_none() -> None:
    assert Parameters.read_query(QueryDict("")) == {}
    with pytest.raises(Problem, match="known are: none"):
        Parameters.read_query(QueryDict("x=1"))


class EnvironmentOutput(fields.Output):
    id = fields.IdField("env")
    name = fields.CharField()


def _application() -> dict[str, Any]:
    return {
        "id": ids.uuid7(),
        "slug": "menugen",
        "organization": {"id": ids.uuid7()},
        "created_at": datetime(2026, 11, 1, tzinfo=UTC),
        "environments": [{"id": ids.uuid7(), "name": "production"}],
    }


class ApplicationOutput(fields.Output):
    id = fields.IdField("app")
    slug = fields.CharField()
    owner = fields.IdField("org", source="organization.id", allow_null=True)
    created_at = fields.TimestampField()
    secret = fields.CharField(required=False)
    environments = EnvironmentOutput(many=True)


def test_an_answer_is_rendered_from_keys_and_attributes_alike() -> None:
    row = _application()
    rendered = ApplicationOutput.render(row)
    assert rendered["id"] == ids.encode("app", row["id"])
    assert rendered["owner"] == ids.encode("org", row["organization"]["id"])
    assert rendered["environments"][0]["name"] == "production"
    assert list(rendered) == ["id", "slug", "owner", "created_at", "environments"]
    thing = SimpleNamespace(
        **{**row, "secret": None, "organization": SimpleNamespace(id=row["organization"]["id"])},
    )
    assert ApplicationOutput.render(thing) == {**rendered, "secret": None}
    assert ApplicationOutput(thing).data["slug"] == "menugen"
    assert ApplicationOutput.render_many([row]) == [rendered]


def test_an_id_is_shown_whatever_form_it_came_in() -> None:
    field, value = fields.IdField("env"), ids.uuid7()
    shown = ids.encode("env", value)
    assert [field.to_representation(form) for form in (value, str(value), shown)] == [shown] * 3
    assert EnvironmentOutput.render({"id": str(value), "name": "x"})["id"] == shown
    with pytest.raises(ValueError, match="badly formed"):
        field.to_representation(ids.encode("org", value))


def test_a_missing_key_that_was_promised_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="slug"):
        ApplicationOutput.render({"id": ids.uuid7()})
