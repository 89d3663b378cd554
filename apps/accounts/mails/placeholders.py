"""Placeholders: `{{ name }}` in a tenant's own texts, and nothing more.

What tenants write is never given to Django's template engine, whose language reads attributes and files.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from apps.accounts.mails.kinds import Kind

_PLACEHOLDER = re.compile(r"{{ *([a-z_]{1,40}) *}}")
#: Longest value that is put in; links and codes are far shorter, and names of people are no place for a letter.
MAX_VALUE = 2000


def names_in(text: str) -> set[str]:
    """The names of the placeholders in `text`."""
    return set(_PLACEHOLDER.findall(text))


def malformed_in(text: str) -> str:
    """The beginning of the first `{{` that is no placeholder, or ''."""
    rest = _PLACEHOLDER.sub("", text)
    at = rest.find("{{")
    return rest[at : at + 30] if at >= 0 else ""


def holds_needed(kind: Kind, text: str, given: Mapping[str, str] | None = None) -> bool:
    """True when `text` holds one of the placeholders that mails of `kind` need; with `given`, one that has a value."""
    usable = [name for name in kind.needs if given is None or given.get(name)]
    return not kind.needs or bool(names_in(text).intersection(usable))


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with every placeholder replaced by its value, or by nothing where it has none."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], ""), text)


def fill_html(text: str, values: Mapping[str, str]) -> str:
    """As `fill`, for HTML: the values are escaped, quotes included."""
    return fill(text, {name: html.escape(value) for name, value in values.items()})


def one_line(value: object) -> str:
    """`value` as one line of printable text: what is put into a mail can begin neither a header nor a paragraph."""
    words = " ".join(str(value).split())
    return "".join(char for char in words if char.isprintable())[:MAX_VALUE]
