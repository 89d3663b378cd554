"""A room's operations as one management command: `manage.py organizations create --name Acme --json`.

Everything comes from the operations and their routes; the call itself goes through the API's own stack, so that a
command and a call answer the same bytes. With a key that is this process's; after `manage.py login` it is the one of
the installation where somebody signed in, over HTTP.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import orjson
from django.conf import settings

from apps.core import command_options, command_text, logins
from apps.core.commands import (
    NEEDS_APPROVAL,
    Failure,
    Outcome,
    PackmuleCommand,
    examples_text,
    exit_code,
    explained,
)
from apps.core.local_api import LocalAnswer, LocalCall, send
from apps.core.problems import CredentialMissing, Remedy
from apps.core.routes import Route, routes


def verb_of(route: Route) -> str:
    """Return the sub-command of a route: `members-add` for `organizations.members_add`."""
    return route.operation.name.partition(".")[2].replace("_", "-").replace(".", "-")


def routes_of(room: str, urlconf: str | None = None) -> dict[str, Route]:
    """Return the main route (the shortest) of each operation of `room`, by verb."""
    found: dict[str, Route] = {}
    for route in sorted(routes(urlconf), key=lambda route: (-len(route.path), route.path)):
        # What is no JSON on the way in or out has a verb of its own in the room's command.
        whole = not (route.operation.streams or route.operation.takes)
        if whole and route.operation.room == room:
            found[verb_of(route)] = route
    return dict(sorted(found.items()))


def example_of(route: Route) -> str:
    """Return a command line that names what the route cannot do without."""
    words = [
        route.operation.room.replace("_", "-"),
        verb_of(route),
        *(name.upper() for name in route.converters),
    ]
    if route.operation.streams or route.operation.takes:
        return " ".join([*words, "FILE", "--json"])
    for name, field in command_options.input_of(route)().fields.items():
        if field.required and route.method != "PATCH":
            words.append(f"--{name.replace('_', '-')} {name.upper()}")
    return " ".join([*words, "--json"])


class OperationsCommand(PackmuleCommand):
    """The operations of `room`, as the principal of PACKMULE_KEY, or as who signed in."""

    room: ClassVar[str]
    urlconf: ClassVar[str | None] = None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """One sub-command an operation."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for verb, route in routes_of(self.room, self.urlconf).items():
            operation = route.operation
            description = (
                f"{operation.description}\n\nscope {operation.scope}, risk {operation.risk}".replace(
                    "%", "%%"
                )
            )
            sub = verbs.add_parser(
                verb,
                help=operation.summary.replace("%", "%%"),
                description=description,
                epilog=examples_text([example_of(route)]),
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
            command_options.add_options(sub, route)
        self.add_verbs(verbs)

    def add_verbs(self, verbs: Any) -> None:
        """Add verbs that are made of several calls; `carry_out` gets their options. Most rooms have none."""

    def carry_out(self, options: Mapping[str, Any]) -> Any:
        """Do what a verb of `add_verbs` says, and return its document. Raises Failure and Problems."""
        raise NotImplementedError

    def _carried_out(self, options: Mapping[str, Any]) -> Any:
        try:
            return self.carry_out(options)
        except _Waiting as waiting:
            return Outcome(waiting.document, NEEDS_APPROVAL)

    def perform(self, *_: Any, **options: Any) -> Any:
        """Make the call. Raises Failure with the problem that the API answered."""
        route = routes_of(self.room, self.urlconf).get(options["verb"])
        if route is None:
            return self._carried_out(options)
        call = _placed(command_options.build_call(route, options))
        answer = _send(call)
        document = orjson.loads(answer.body) if answer.body else {}
        if options.get("all"):
            document = _all_pages(call, document)
        return Outcome(document, exit_code(answer.status))

    def describe(self, document: Any) -> str:
        """Say what waits for a person in words."""
        if isinstance(document, Mapping) and set(document) == {"approval"}:
            return command_text.approval(document)
        return super().describe(document)


def ask(call: LocalCall) -> dict[str, Any]:
    """Make one of several calls of a verb; returns the document. Raises Failure with the problem that was answered."""
    answer = _send(_placed(call))
    found: dict[str, Any] = orjson.loads(answer.body) if answer.body else {}
    if set(found) == {"approval"}:
        raise _Waiting(found)
    return found


def ask_lines(call: LocalCall) -> bytes:
    """Make a call whose answer is no JSON document; returns it. Raises Failure with the problem that was answered."""
    return _send(_placed(call)).body


class _Waiting(Exception):  # noqa: N818 - it is none
    """One of several calls waits for a person."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__("a person has to approve it")
        self.document = document


def _placed(call: LocalCall) -> LocalCall:
    return replace(call, headers={**_places(), **call.headers})


def _places() -> dict[str, str]:
    """Return the headers that the environment stands for."""
    places = {
        "Packmule-Environment": os.environ.get("PACKMULE_ENVIRONMENT"),
        "Packmule-Organization": os.environ.get("PACKMULE_ORGANIZATION"),
    }
    return {name: value for name, value in places.items() if value}


def _carried_out(call: LocalCall) -> LocalAnswer:
    """Carry `call` out as the principal of PACKMULE_KEY, or as who signed in. Raises CredentialMissing for nobody."""
    if settings.PACKMULE_KEY:
        shown = {"Authorization": f"Bearer {settings.PACKMULE_KEY}"}
        return send(replace(call, headers={**shown, **call.headers}))
    answer = logins.send(call)
    if answer is None:
        raise CredentialMissing(
            "This command acts as somebody: export PACKMULE_KEY=pmk_…, or sign in.",
            remedy=Remedy("manage.py login"),
        )
    return answer


def _send(call: LocalCall) -> LocalAnswer:
    # Django logs every refusal as a warning; here the refusal itself is shown.
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    answer = _carried_out(call)
    if answer.status >= 400:
        document = orjson.loads(answer.body)
        is_here = bool(settings.PACKMULE_KEY)
        raise Failure(explained(document) if is_here else document, exit_code(answer.status))
    return answer


def _all_pages(call: LocalCall, page: dict[str, Any]) -> dict[str, Any]:
    rows = list(page["data"])
    while page["next_cursor"]:
        following = _send(replace(call, query={**call.query, "cursor": page["next_cursor"]}))
        page = orjson.loads(following.body)
        rows += page["data"]
    return {"data": rows, "next_cursor": None}
