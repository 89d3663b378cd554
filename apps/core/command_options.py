"""A route as command-line options and back: ids are positional, fields are `--name VALUE`, a body may come whole."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from rest_framework import serializers

from apps.core import fields, strictjson
from apps.core.commands import BadUsage, add_json_option
from apps.core.local_api import LocalCall
from apps.core.parameters import ListParameters, Parameters
from apps.core.problems import MalformedRequest, show
from apps.core.routes import Route
from apps.core.serializers import StrictSerializer

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
#: Options that say where and for whom to act, and the header each becomes.
PLACES = {
    "--in-environment": ("Packmule-Environment", "APP/ENV", "act in this environment (PACKMULE_ENVIRONMENT)"),
    "--in-organization": (
        "Packmule-Organization",
        "ORG",
        "act inside this organization (PACKMULE_ORGANIZATION)",
    ),
    "--on-behalf-of": (
        "Packmule-On-Behalf-Of",
        "ID",
        "act for this user or service account, or by this delegation",
    ),
    "--expect-tenant": ("Packmule-Expect-Tenant", "TENANT", "refuse unless this is the tenant acted on"),
}


def input_of(route: Route) -> type[StrictSerializer]:
    """Return the serializer of the route's body or parameters; an empty one when it takes none."""
    if route.operation.input is not None:
        return cast("type[StrictSerializer]", route.operation.input)
    if route.method in WITH_BODY:
        return StrictSerializer
    return ListParameters if route.operation.lists else Parameters


def add_options(parser: argparse.ArgumentParser, route: Route) -> None:
    """Declare the options of `route`."""
    for name in route.converters:
        parser.add_argument(f"url:{name}", metavar=name.upper())
    serializer = input_of(route)()
    for name, field in serializer.fields.items():
        if not field.read_only:
            _add_field(parser, name, field, optional=route.method == "PATCH")
    _add_more(parser, route, serializer)
    add_places(parser)


def add_places(parser: argparse.ArgumentParser) -> None:
    """Declare what every verb takes: where and for whom to act, and --json."""
    places = parser.add_argument_group("where and for whom")
    for flag, (header, metavar, said) in PLACES.items():
        places.add_argument(flag, dest=f"header:{header}", metavar=metavar, help=said)
    add_json_option(parser, default=argparse.SUPPRESS)


def _add_field(parser: argparse.ArgumentParser, name: str, field: Any, *, optional: bool) -> None:
    said = str(field.help_text or "").replace("%", "%%")
    needed = "required" if field.required and not optional else ""
    words = "; ".join(part for part in (said, needed) if part)
    flag = "--" + name.replace("_", "-")
    if isinstance(field, serializers.BooleanField):
        parser.add_argument(
            flag, dest=f"field:{name}", action=argparse.BooleanOptionalAction, default=None, help=words
        )
        return
    parser.add_argument(flag, dest=f"field:{name}", metavar=_metavar(field), help=words)


def _add_more(parser: argparse.ArgumentParser, route: Route, serializer: StrictSerializer) -> None:
    if route.method in WITH_BODY:
        parser.add_argument("--body", metavar="JSON|@FILE|-", help="the whole body; options go over it")
    if route.method == "POST":
        parser.add_argument("--idempotency-key", dest="header:Idempotency-Key", metavar="KEY")
    if route.operation.versioned:
        parser.add_argument("--if-version", type=int, metavar="N", help="refuse unless it is at this version")
    if route.operation.lists:
        parser.add_argument("--all", action="store_true", help="every page, as one")
    for family in getattr(serializer, "families", {}):
        said = "repeatable; such as name=value or name[gte]=value"
        parser.add_argument(f"--{family}", dest=f"family:{family}", action="append", metavar="X=Y", help=said)


def _metavar(field: Any) -> str:
    if isinstance(field, serializers.ChoiceField):
        return "|".join(str(choice) for choice in field.choices)
    if isinstance(field, fields.IdField):
        return f"{field.prefix}_…"
    return "JSON" if _is_json(field) else "A,B" if isinstance(field, serializers.ListField) else "VALUE"


def _is_json(field: Any) -> bool:
    kinds = (serializers.JSONField, serializers.DictField, serializers.BaseSerializer)
    return isinstance(field, kinds)


def build_call(route: Route, options: Mapping[str, Any]) -> LocalCall:
    """Return the call that parsed `options` ask for. Raises BadUsage."""
    headers = headers_of(options)
    if options.get("if_version") is not None:
        headers["If-Match"] = f'"v{options["if_version"]}"'
    given = {
        name[6:]: value for name, value in options.items() if name.startswith("field:") and value is not None
    }
    path = _path(route, options)
    if route.method in WITH_BODY:
        return LocalCall(route.method, path, body=_body(route, given, options.get("body")), headers=headers)
    return LocalCall(route.method, path, query=_query(given, options), headers=headers)


def headers_of(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that parsed `options` name, such as those of `add_places`."""
    named = {name: value for name, value in options.items() if name.startswith("header:") and value}
    return {name.partition(":")[2]: value for name, value in named.items()}


def places_of(options: Mapping[str, Any]) -> list[str]:
    """Return the words by which a command line says again what parsed `options` say of `add_places`."""
    given = headers_of(options)
    return [
        word for flag, (header, _, _) in PLACES.items() if header in given for word in (flag, given[header])
    ]


def _path(route: Route, options: Mapping[str, Any]) -> str:
    shown = {}
    for name, converter in route.converters.items():
        text = str(options[f"url:{name}"])
        if not re.fullmatch(converter.regex, text):
            raise BadUsage(f"{show(text)} is no {name}. {_hint(converter)}".strip())
        shown[name] = quote(text, safe="")
    return route.path.format(**shown)


def _hint(converter: Any) -> str:
    prefix = getattr(converter, "prefix", "")
    return f"It looks like {prefix}_01k…" if prefix else ""


def _query(given: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, str]:
    query = {name: str(value).lower() if isinstance(value, bool) else value for name, value in given.items()}
    for option, pairs in options.items():
        if option.startswith("family:"):
            query |= dict(_member(option[7:], pair) for pair in pairs or ())
    return query


def _member(family: str, pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals:
        raise BadUsage(f"--{family} takes NAME=VALUE, and got {show(pair)}.")
    field, bracket, rest = name.partition("[")
    return f"{family}[{field}]{bracket}{rest}", value


def _body(route: Route, given: Mapping[str, Any], whole: str | None) -> dict[str, Any]:
    known = input_of(route)().fields
    body = strictjson.read_object(_content(whole)) if whole is not None else {}
    body |= {name: _value(known[name], name, value) for name, value in given.items()}
    lacking = [name for name, field in known.items() if field.required and name not in body]
    if lacking and route.method != "PATCH":
        flags = ", ".join("--" + name.replace("_", "-") for name in lacking)
        raise BadUsage(f"Missing: {flags}. {BadUsage.advice}")
    return body


def _value(field: Any, name: str, text: Any) -> Any:
    if not isinstance(text, str):
        return text
    if _is_json(field) or (isinstance(field, serializers.ListField) and (text == "-" or text[:1] in "[@")):
        return _json(name, text)
    return field.from_text(text)


def _json(name: str, text: str) -> Any:
    try:
        return strictjson.loads(_content(text))
    except MalformedRequest as wrong:
        raise BadUsage(f"--{name.replace('_', '-')}: {wrong.detail}") from None


def _content(text: str) -> bytes:
    """Return what an option holds: itself, `@FILE` that file, `-` standard input."""
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as wrong:
        raise BadUsage(f"{show(text[1:])} cannot be read: {wrong.strerror}.") from None
