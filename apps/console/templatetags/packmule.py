"""What templates of the admin need: times, and values of changes, in words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template

from apps.core import admin_story
from apps.core.problems import show

register = template.Library()


@register.filter
def when(moment: datetime | None) -> Any:
    """A time as people say it."""
    return admin_story.when(moment)


@register.filter
def words(name: str) -> str:
    """`service_account` as two words."""
    return str(name).replace("_", " ")


_EDGES = {"api": "by API", "command": "by a command", "admin": "in the admin", "worker": "by the worker"}


@register.filter
def edge(name: str) -> str:
    """Through which door, in words."""
    return _EDGES.get(name, name)


_CREDENTIALS = {"session": "session", "hand-off": "hand-off", "oauth": "token"}


@register.filter
def credential(kind: str) -> str:
    """What was shown, in a word."""
    return _CREDENTIALS.get(kind, "key")


@register.filter
def shown(value: Any) -> str:
    """A field's value, short; a dash for none."""
    if value in (None, "", [], {}):
        return "—"
    return value[:120] if isinstance(value, str) else show(value, 120)
