"""Documents as text for people: what commands print without --json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.core.strictjson import dumps

_WIDEST_COLUMN = 44


def document(value: Any) -> str:
    """Return a document as lines: a page as a table, an object as `name: value`."""
    if isinstance(value, Mapping) and isinstance(value.get("data"), list) and "next_cursor" in value:
        return _page(value)
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {_cell(item)}" for name, item in value.items()) or "Done."
    return _cell(value)


def refusal(problem: Mapping[str, Any]) -> str:
    """Return a problem document as sentences, ending with what gets further."""
    lines = [f"{problem.get('title')}: {problem.get('detail')}"]
    lines += [f"  {error['field'] or 'body'}: {error['detail']}" for error in problem.get("errors", ())]
    remedy = problem.get("remedy") or {}
    if remedy.get("command"):
        lines.append(f"  try: {remedy['command']}")
    named = problem.get("request_id")
    lines.append(f"  ({problem.get('code')}{f', request {named}' if named else ''})")
    return "\n".join(lines)


def approval(answer: Mapping[str, Any]) -> str:
    """Return the words for a call that waits for a person."""
    asked = answer["approval"]
    return (
        f"A person has to approve this first: {asked['id']}, until {asked['expires_at']}.\n"
        "Run the same command again once it is approved."
    )


def _page(page: Mapping[str, Any]) -> str:
    rows: Sequence[Mapping[str, Any]] = page["data"]
    more = [f"more: --cursor {page['next_cursor']}"] if page["next_cursor"] else []
    if not rows:
        return "\n".join(["There are none.", *more])
    names = list(rows[0])
    table = [names, *([_brief(row.get(name))[:_WIDEST_COLUMN] for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(names))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
    return "\n".join([*(line.rstrip() for line in lines), *more])


def _brief(value: Any) -> str:
    """Return a nested thing by what names it: in a table there is no room for more."""
    if isinstance(value, Mapping):
        return str(next((value[name] for name in ("name", "slug", "id") if value.get(name)), "{…}"))
    if isinstance(value, list):
        return ", ".join(_brief(item) for item in value) or "-"
    return _cell(value)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else dumps(value).decode()
