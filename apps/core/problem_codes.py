"""Every code that a problem can have, with what it means: the classes, and those that are named where they are raised.

The second kind is read out of the source (`Conflict("…", code="tenant_exists")`), so that none can stay undocumented.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import apps
from apps.core import problems
from apps.core.operations import Refused, Verdict
from apps.core.problems import Problem

_ROOT = Path(inspect.getfile(apps)).parent
#: Python 3.11 fails where several threads parse source at once.
_reading = Lock()
_LEFT_OUT = frozenset({"tests", "migrations"})


@dataclass(frozen=True, slots=True)
class Code:
    """One code, as documentation shows it."""

    code: str
    status: int
    title: str
    meaning: str
    advice: str


@cache
def codes() -> dict[str, Code]:
    """Return every code, by status and code."""
    with _reading:
        declared = _of_classes()
        found = (code for path in _sources() for code in _named_in(path))
        named = {code.code: code for code in found if code.code not in declared}
    return {
        code.code: code
        for code in sorted([*declared.values(), *named.values()], key=lambda c: (c.status, c.code))
    }


def _of_classes() -> dict[str, Code]:
    for path in _sources():
        if "code" in path.read_text():
            _module(path)
    found: dict[str, Code] = {}
    for cls in problems.declared():
        code = _of_class(cls)
        known = found.get(code.code)
        # A code that two rooms share is explained in the words of both.
        found[code.code] = replace(known, meaning=f"{known.meaning} {code.meaning}") if known else code
    return found


def _sources() -> list[Path]:
    found = sorted(_ROOT.rglob("*.py"))
    return [path for path in found if not _LEFT_OUT & set(path.relative_to(_ROOT).parts)]


def _module(path: Path) -> ModuleType:
    parts = path.relative_to(_ROOT.parent).with_suffix("").parts
    return import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))


def _of_class(cls: type[Problem]) -> Code:
    return Code(cls.code, cls.status, cls.title, _one_line(inspect.getdoc(cls) or ""), cls.advice)


def _named_in(path: Path) -> Iterator[Code]:
    source = path.read_text()
    # Parsing is what costs, and few files name a code.
    if "code=" not in source and "Verdict(" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (code := _code_of(node)):
            raised = _raised(_module(path), node.func)
            if raised is not None:
                yield _named(code, raised, node)


def _code_of(call: ast.Call) -> str | None:
    given = [word.value for word in call.keywords if word.arg == "code"]
    if isinstance(call.func, ast.Name) and call.func.id == "Verdict" and len(call.args) > 1:
        given.append(call.args[1])
    return str(given[0].value) if given and isinstance(given[0], ast.Constant) else None


def _raised(module: ModuleType, callee: ast.expr) -> type[Problem] | None:
    """Return the problem class that a call makes; a gate's Verdict becomes Refused."""
    found: Any = None
    if isinstance(callee, ast.Name):
        found = getattr(module, callee.id, None)
    elif isinstance(callee, ast.Attribute) and isinstance(callee.value, ast.Name):
        found = getattr(getattr(module, callee.value.id, None), callee.attr, None)
    if found is Verdict:
        return Refused
    return found if inspect.isclass(found) and issubclass(found, Problem) else None


def _named(code: str, cls: type[Problem], call: ast.Call) -> Code:
    status = next((word.value for word in call.keywords if word.arg == "status"), None)
    number = (
        status.value if isinstance(status, ast.Constant) and isinstance(status.value, int) else cls.status
    )
    said = _literal(call.args[0]) if call.args else ""
    return Code(code, number, code.replace("_", " ").capitalize(), said or _of_class(cls).meaning, cls.advice)


def _literal(node: ast.expr) -> str:
    """Return the text of a string, with `…` where a value is put in; "" for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_literal(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
