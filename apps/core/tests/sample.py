"""A small room for tests of the edge: widgets, kept in a list, with every kind of operation there is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.urls import path

from apps.core import serializers as fields
from apps.core.actor import Actor
from apps.core.endpoints import endpoint
from apps.core.operations import Operation, Risk
from apps.core.parameters import Parameters
from apps.core.scopes import Scope


class WidgetInput(fields.StrictSerializer):
    """What a widget is made of."""

    name = fields.NameField(help_text="What people call it.")
    slug = fields.SlugField(required=False)
    kind = fields.ChoiceField(choices=["round", "square"], default="round")
    size = fields.IntegerField(min_value=1, max_value=10, required=False)
    organization = fields.IdField("org", required=False, allow_null=True)
    expires_at = fields.TimestampField(required=False)
    scopes = fields.ScopesField(required=False)
    payload = fields.JSONField(required=False)
    shiny = fields.BooleanField(required=False)


class WidgetFilter(Parameters):
    """What widgets may be asked for by."""

    kind = fields.ChoiceField(choices=["round", "square"], required=False)
    types = fields.ListField(child=fields.CharField(), required=False)


class PartOutput(fields.Output):
    name = fields.CharField()


class WidgetOutput(fields.Output):
    """A widget."""

    id = fields.IdField("job")
    name = fields.CharField()
    kind = fields.ChoiceField(choices=["round", "square"])
    size = fields.IntegerField(allow_null=True)
    created_at = fields.TimestampField()
    parts = PartOutput(many=True)


def _operation(name: str, risk: Risk, **options: Any) -> Operation[..., Any]:
    def function(actor: Actor, **arguments: Any) -> Any:
        return {
            "id": arguments.get("widget", UUID(int=0)),
            "name": arguments.get("name", "Widget"),
            "kind": arguments.get("kind", "round"),
            "size": arguments.get("size"),
            "created_at": datetime(2026, 11, 1, tzinfo=UTC),
            "parts": [],
        }

    function.__doc__ = f"Do {name} to a widget.\n\nAnd say so."
    return Operation(name, Scope("widgets", "write"), risk, function, **options)


CREATE = _operation("widgets.create", Risk.WRITE, input=WidgetInput, output=WidgetOutput)
SHOW = _operation("widgets.show", Risk.READ, output=WidgetOutput, publishable=True)
SEARCH = _operation("widgets.search", Risk.READ, input=WidgetFilter, output=WidgetOutput)
LIST = _operation("widgets.list", Risk.READ, output=WidgetOutput, lists=True)
CHANGE = _operation("widgets.change", Risk.WRITE, input=WidgetInput, output=WidgetOutput, versioned=True)
DELETE = _operation("widgets.delete", Risk.DESTRUCTIVE, versioned=True)
CANCEL = _operation("widgets.cancel", Risk.WRITE, output=WidgetOutput)

urlpatterns = [
    path("v1/widgets", endpoint(GET=LIST, POST=CREATE)),
    path("v1/widgets/<job:widget>", endpoint(GET=SHOW, PATCH=CHANGE, DELETE=DELETE)),
    path("v1/widgets/<job:widget>/cancel", endpoint(POST=CANCEL, status=200)),
    path("v1/shelves/<slug:shelf>/widgets", endpoint(GET=SEARCH, POST=CREATE)),
]
