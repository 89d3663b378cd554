"""There is one way from a credential to an actor, apps/apikeys/resolver.py, and whoever acts has come by it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

import apps
from apps.accounts.oauth import families
from apps.accounts.signin import trail
from apps.apikeys import resolver
from apps.apikeys.errors import SessionEnded
from apps.core.operations import Operation
from tests.sweep.callers import Caller
from tests.sweep.filling import Filled
from tests.sweep.stage import Stage, raised, undone

ROOT = Path(next(iter(apps.__path__)))
#: Where an Actor or its Credential is made, and why.
MADE_IN = {
    "apikeys/resolver.py:_actor": "the one way",
    "core/actor.py:system_actor": "nobody showed a credential: it is the platform itself",
    "core/actor.py:anybody": "nobody showed a credential, and it has no scopes and no role",
    "accounts/signin/trail.py:_person": "the session is only beginning, changing or ending, and the role is none",
    "accounts/signin/trail.py:_nobody": "nobody is signed in, and the role is none",
    "apikeys/standing.py:_credential": "nobody shows one: a schedule fires with what its maker's opens now",
    "accounts/oauth/families.py:_acting": "only written into the trail, by who gives and ends tokens; role none",
}
#: Where another actor is made out of one.
CHANGED_IN = {
    "apikeys/delegations/acting.py:acting_for": "the last step of the one way: whom it acts for",
    "apikeys/standing.py:_again": "for whom it acts, looked up anew when a schedule fires",
}
#: Where a call learns whose it is.
SET_IN = {
    "apikeys/middleware.py:handle": "nobody's at first; then whose the session is",
    "apikeys/middleware.py:_answer": "whose the key, token or session is",
    "apikeys/visits.py:standing": "whose the key, token or session is",
    "apikeys/visits.py:_come_openly": "anybody's",
    "core/admin_actions.py:__init__": "a form keeps the actor that it was made with",
}
#: What an actor is made of. What it acts in (tenant, organization) and the call's own circumstances are not among it.
_WHO = {
    *("principal", "home", "credential", "role", "permissions", "is_operator"),
    *("on_behalf_of", "delegation", "owner", "lacks_second_factor"),
}


@pytest.fixture(scope="module")
def stage(django_db_setup: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Stage]:
    """One stage for the module, in a transaction that ends with it."""
    with raised(django_db_setup, django_db_blocker) as made:
        yield made


@pytest.fixture(scope="module")
def nodes() -> list[tuple[str, ast.AST]]:
    """Every node of the platform's own source, with the file and the function that it stands in."""
    return list(_nodes())


def _nodes() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(ROOT.rglob("*.py")):
        shown = path.relative_to(ROOT).as_posix()
        if "/tests/" not in shown and "/migrations/" not in shown:
            yield from _within(ast.parse(path.read_text()), shown, "")


def _within(node: ast.AST, path: str, function: str) -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        inner = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield f"{path}:{inner}", child
        yield from _within(child, path, inner)


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return str(getattr(node.func, "id", getattr(node.func, "attr", "")))


def test_an_actor_is_made_in_one_place(nodes: list[tuple[str, ast.AST]]) -> None:
    found = {where for where, node in nodes if _called(node) in ("Actor", "Credential")}
    assert found == MADE_IN.keys()


def test_nobody_becomes_somebody_else_on_the_way(nodes: list[tuple[str, ast.AST]]) -> None:
    found = {
        where
        for where, node in nodes
        if isinstance(node, ast.Call) and _called(node) == "replace" and _WHO & {k.arg for k in node.keywords}
    }
    assert found == CHANGED_IN.keys()


def test_a_call_learns_whose_it_is_in_one_place(nodes: list[tuple[str, ast.AST]]) -> None:
    found = {
        where
        for where, node in nodes
        if isinstance(node, ast.Attribute) and node.attr == "actor" and isinstance(node.ctx, ast.Store)
    }
    assert found == SET_IN.keys()


def test_what_is_made_elsewhere_can_do_nothing_to_others() -> None:
    """The pages of signing in act as whom allauth has found, in operations about that person alone."""
    for module in (trail, families):
        verbs = [found for found in vars(module).values() if isinstance(found, Operation)]
        assert verbs
        assert {found.scope.resource for found in verbs} == {"self"}


def test_every_credential_has_come_by_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind, at the API and on the pages: one actor a call, of the kind that was shown."""
    made: list[str] = []
    original = resolver._actor

    def noting(*arguments: Any) -> Any:
        actor = original(*arguments)
        made.append(actor.credential.kind)
        return actor

    monkeypatch.setattr(resolver, "_actor", noting)
    kinds = set()
    for caller in stage.callers + stage.visitors:
        made.clear()
        status = _status(stage, caller)
        assert status == (caller.refused or 200), caller.name
        if caller.refused is None:
            assert len(made) == 1, f"{caller.name} became {made}"
            kinds.add(made[0])
    # Nobody comes by a standing: a schedule has one, when it fires.
    assert kinds == {*resolver.KIND_WORDS.values()} - {"standing"}


def test_without_it_nobody_gets_anywhere(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: Any) -> Any:
        raise SessionEnded

    monkeypatch.setattr(resolver, "_actor", broken)
    for caller in stage.callers + stage.visitors:
        assert _status(stage, caller) >= 300, caller.name


def _status(stage: Stage, caller: Caller) -> int:
    """What the caller gets: on the API who it is, on a page the list of agents."""
    path = "/admin/accounts/agent/" if caller in stage.visitors else "/v1/whoami"
    with undone():
        return stage.send("GET", Filled(path, None, {}, stage.cells["nowhere"]), caller).status
