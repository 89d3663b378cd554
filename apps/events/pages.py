"""The page that lists the platform's types of events, made out of its operations and of what rooms tell besides."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from apps.accounts.oauth import families, grants
from apps.core.happenings import types_told
from apps.core.operations import Operation, Risk, all_operations
from apps.core.routes import routes
from apps.events.naming import type_of

PATH = "docs/event-types.md"
#: Operations that are in no registry, because no call asks for them.
_BESIDE = (families.ISSUE, families.REVOKE, grants.GIVE, grants.REFUSE)
_HEAD = """\
# The platform's types of events

What each is told by; `{action}` is `created`, `updated` or `deleted`. More in [the event log](events.md).

| type | told by |
|---|---|"""
_BESIDE_OPERATIONS = """

## Told besides

By whatever brings it about, and not by a call.

| type | when |
|---|---|"""
_UNTOLD = """

## Not told

| operation | why |
|---|---|"""


def changing() -> list[Operation[..., Any]]:
    """Every operation of the platform that changes something, those without a route included."""
    routes()
    ours = [found for found in all_operations() if ".tests." not in found.function.__module__]
    return [found for found in (*ours, *_BESIDE) if found.risk is not Risk.READ]


def told() -> dict[str, list[str]]:
    """The names of the operations by the type of the event that tells of them."""
    found = defaultdict(list)
    for operation in changing():
        if kind := type_of(operation):
            found[kind].append(operation.name)
    return {kind: sorted(found[kind]) for kind in sorted(found)}


def text() -> str:
    """The page."""
    rows = [f"| `{kind}` | {', '.join(f'`{name}`' for name in names)} |" for kind, names in told().items()]
    untold = sorted((one.name, one.untold) for one in changing() if one.untold)
    others = [f"| `{kind}` | {when} |" for kind, when in types_told().items()]
    reasons = [f"| `{name}` | {why} |" for name, why in untold]
    return "\n".join([_HEAD, *rows, _BESIDE_OPERATIONS, *others, _UNTOLD, *reasons, ""])
