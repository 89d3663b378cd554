"""The stage of the sweep: everybody's cells and credentials, one call at a time, each undone again."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import orjson
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.utils.http import urlencode
from pytest_django import DjangoDbBlocker

from apps.apikeys.models import KeyIndex
from apps.core import clock
from apps.core.ids import decode
from apps.core.routes import Route, routes
from apps.tenancy.models import Tenant
from apps.tenancy.walls import enter, outside, registry
from tests.client import Answer, whole
from tests.openapi import check_answer
from tests.sweep import traces
from tests.sweep.callers import Caller
from tests.sweep.cells import divide
from tests.sweep.everybody import all_callers
from tests.sweep.filling import Filled, plain
from tests.sweep.handoffs import visitors
from tests.world import World

#: What no answer to anybody holds.
_NEVER = ("Traceback", "psycopg", 'File "/', "SELECT ", "search_path")


#: What takes no credential.
OPEN = frozenset(route.path for route in routes() if route.operation.open)
#: Tables that only grow, with a record of everything that was done.
RECORDS = frozenset({"audit_event", "audit_touch"})


@dataclass(frozen=True)
class Heard:
    """What came back for one call, and which (schema, table) pairs were written meanwhile."""

    status: int
    text: str
    headers: dict[str, str]
    written: frozenset[tuple[str, str]]

    def neutral(self, things: set[str]) -> tuple[int, list[str], str]:
        """It without what differs between any two calls, and without the names of the `things` asked about."""
        text = self.text.partition("\n\n")[2]
        text = re.sub(r"req_[0-9a-z]{26}", "<request>", text)
        # A number names nothing by itself, and is in every id.
        named = (thing for thing in things if not thing.isdigit())
        for thing in sorted(named, key=len, reverse=True):
            text = text.replace(thing, "<thing>")
        text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "<form>", text)
        return self.status, sorted(self.headers), text


class Stage:
    """All cells and callers. Everything happens in one transaction that is rolled back at the end."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cells = divide(world)
        self.callers, self.visitors = all_callers(world), list(visitors(world))
        self.spaces = {"console": world.console, "acorn": world.acorn, "birch": world.birch}
        self._note_uses()
        self.client = Client(raise_request_exception=False)
        self.rows = {title: traces.rows_of(space) for title, space in self.spaces.items()}
        self.registry = traces.rows_of_registry()
        self.attempts = traces.attempts()
        self._serving: dict[str, tuple[Caller, Filled]] = {}
        with outside():
            self.spares = {str(pk) for pk in Tenant.objects.spare("environment").values_list("pk", flat=True)}

    def _note_uses(self) -> None:
        """Say of all keys and sessions that they were used just now, or calls would write that among what they do."""
        later = clock.now() + timedelta(hours=2)
        with registry():
            KeyIndex.objects.update(last_used_at=later)
        for space in self.spaces.values():
            with enter(space.ref):
                UserSession.objects.update(last_seen_at=later)

    def call(self, method: str, filled: Filled, caller: Caller) -> Heard:
        """Make one call of the API, look at everything it did, complain, and undo it."""
        heard, answer = self._heard(method, filled, caller)
        check_answer(method, filled.path, heard.status, answer.headers, answer.content)
        return heard

    def visit(self, filled: Filled, caller: Caller) -> Heard:
        """Open a page, or send its form where there is a body, and look at it in the same way."""
        if filled.body is None:
            return self._heard("GET", filled, caller)[0]
        form, kind = urlencode(filled.body, doseq=True).encode(), "application/x-www-form-urlencoded"
        return self._heard("POST", filled, caller, form, content_type=kind)[0]

    def _heard(
        self, method: str, filled: Filled, caller: Caller, raw: bytes | None = None, **headers: str
    ) -> tuple[Heard, HttpResponse]:
        with undone():
            before, answer = self.attempts, self.send(method, filled, caller, raw, **headers).response
            self.attempts = traces.attempts()
            written = frozenset(traces.written(before, self.attempts))
            heard = Heard(answer.status_code, self._text(answer), dict(answer.headers), written)
            where = f"{method} {filled.path} {filled.body or filled.query or ''} by {caller.name}"
            self._complain(where, filled, caller, heard)
            self._complain_about_rows(where, caller, heard)
        return heard, answer

    def send(
        self, method: str, filled: Filled, caller: Caller, raw: bytes | None = None, **headers: str
    ) -> Answer:
        """Make one call and keep what it did; header names may be written with underscores."""
        self.client.cookies.clear()
        path = f"{filled.path}?{urlencode(filled.query)}" if filled.query else filled.path
        body = raw if raw is not None else b"" if filled.body is None else orjson.dumps(filled.body)
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        kind = named.pop("Content-Type", filled.media_type)
        response: Any = self.client.generic(
            method, path, body, content_type=kind, headers=caller.sends() | named
        )
        return Answer(whole(response))

    def serving(self, route: Route) -> tuple[Caller, Filled]:
        """A caller whose call of `route` about its own things goes well, and that call."""
        name = f"{route.method} {route.path}"
        if name not in self._serving:
            self._serving[name] = self._find_serving(route)
        return self._serving[name]

    def _find_serving(self, route: Route) -> tuple[Caller, Filled]:
        for caller in self.callers:
            filled = plain(route, self.cells[caller.own]) if caller.own in caller.reach else None
            if filled is not None:
                with undone():
                    if self.send(route.method, filled, caller).status < 400:
                        return caller, filled
        raise AssertionError(f"Nobody gets through {route.method} {route.path}; see tests/sweep/examples.py.")

    def rows_now(self, title: str) -> set[traces.Row]:
        """Every row of one of the tenants."""
        return traces.rows_of(self.spaces[title])

    def is_as_it_was(self) -> bool:
        """True unless what was called since the last look left anything behind, in any tenant or in the registry."""
        before, self.attempts = self.attempts, traces.attempts()
        if not traces.written(before, self.attempts):
            return True
        rows = {title: traces.rows_of(space) for title, space in self.spaces.items()}
        return rows == self.rows and traces.rows_of_registry() == self.registry

    @staticmethod
    def _text(answer: HttpResponse) -> str:
        named = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        return f"{named}\n\n{answer.content.decode()}"

    def _complain(self, where: str, filled: Filled, caller: Caller, heard: Heard) -> None:
        said = f"{where} answered {heard.status}: {heard.text}"
        assert heard.status < 500, said
        refused = None if caller.shows_nothing and filled.path in OPEN else caller.refused
        assert refused in (None, heard.status), f"{said}\nand not {refused}"
        sent = f"{filled.path} {filled.body} {filled.query} {caller.headers} {caller.host}"
        leaks = [sign for sign in self._forbidden[caller] if sign in heard.text and sign not in sent]
        assert not leaks, f"{said}\nshows {leaks}, which it must not know of"
        tenant = heard.headers.get("Packmule-Tenant")
        assert tenant is None or tenant in self._tenants(caller), f"{said}\nacted on {tenant}"

    def _tenants(self, caller: Caller) -> set[str]:
        names = {name.partition("/")[0] for name in caller.reach | caller.knows}
        return {self.spaces[name].name for name in names}

    @cached_property
    def _forbidden(self) -> dict[Caller, list[str]]:
        never = [*_NEVER, *self._secrets()]
        never += [space.ref.schema_name for space in self.spaces.values()]
        everybody = [*self.callers, *self.visitors]
        return {caller: [*never, *self._signs_foreign_to(caller)] for caller in everybody}

    def _signs_foreign_to(self, caller: Caller) -> set[str]:
        near = caller.reach | caller.knows
        known = {sign for name in near for sign in self.cells[name].signs}
        return {sign for name, cell in self.cells.items() if name not in near for sign in cell.signs} - known

    def _secrets(self) -> Iterator[str]:
        for space in self.spaces.values():
            yield from (space.root_key, space.publishable_key, space.stranger_key)
            for party in space.parties.values():
                yield from (party.agent_key, party.service_key, party.person_key, party.viewer_key)

    def _complain_about_rows(self, where: str, caller: Caller, heard: Heard) -> None:
        """Fail when anything was written that is not the caller's to write."""
        schemas = {space.ref.schema_name: title for title, space in self.spaces.items()}
        for schema in {schema for schema, _ in heard.written}:
            tables = {table for each, table in heard.written if each == schema}
            if schema == "public":
                self._complain_about_registry(where, caller)
                continue
            title = schemas.get(schema, "somebody else's tenant")
            near = {name for name in caller.reach if name.startswith(f"{title}/")}
            if not near and tables <= RECORDS:
                # Whoever acts away from home leaves a record at home too.
                near = {name for name in caller.knows if name.startswith(f"{title}/")}
            assert near, f"{where} wrote {sorted(tables)} of {title}"
            self._complain_about_tenant(where, title, near)

    def _complain_about_tenant(self, where: str, title: str, near: set[str]) -> None:
        if f"{title}/tenant" in near:
            return
        space, before, after = self.spaces[title], self.rows[title], traces.rows_of(self.spaces[title])
        cells = [self.cells[name] for name in near]
        mine = traces.owners_of([cell for cell in cells if cell.party], space)
        shown = {cell.things["usr"] for cell in cells if "usr" in cell.things}
        persons = shown | {str(decode(one, "usr")) for one in shown}
        known = {row.owner for row in before}
        wrong = {row for row in before - after if row.owner not in mine and row.key not in persons}
        others = known - mine - {"-"}
        wrong |= {row for row in after - before if row.owner in others and row.key not in persons}
        assert not wrong, f"{where} changed what is not its own: {traces.shown(wrong)}"

    def _complain_about_registry(self, where: str, caller: Caller) -> None:
        after = traces.rows_of_registry()
        mine = {f"{tenant}/" for tenant in self.spares}
        for cell in (self.cells[name] for name in caller.reach):
            mine |= set(traces.registered(cell))
        wrong = {row for row in self.registry ^ after if row.owner not in mine}
        assert not wrong, f"{where} changed the registry: {traces.shown(wrong)}"


@contextmanager
def raised(world: World, blocker: DjangoDbBlocker) -> Iterator[Stage]:
    """A stage for the tests of one module, in a transaction that ends with it."""
    refusals = logging.getLogger("django.request")
    level = refusals.level
    refusals.setLevel(logging.ERROR)
    with blocker.unblock(), undone():
        yield Stage(world)
    refusals.setLevel(level)


@contextmanager
def undone() -> Iterator[None]:
    """Everything written inside is rolled back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
