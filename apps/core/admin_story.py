"""What a page of the admin tells about one thing: facts, related rows, its timeline, and how a machine would ask.

Rooms add to the pages of models below them by registering here; nothing in this module knows the theme.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil

from apps.core import clock
from apps.core.actor import Actor
from apps.core.operations import Operation, decide
from apps.core.routes import route_of

AnyOperation = Operation[..., Any]


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a summary. `value` is text, or what the functions below make."""

    label: str
    value: Any


@dataclass(frozen=True, slots=True)
class Related:
    """Rows around a thing. `rows` gets the actor and the thing; a row is a sequence of cells as in Fact.value.

    `only` is the kind of tenant in which there are such rows, '' for every kind.
    """

    title: str
    columns: tuple[str, ...]
    rows: Callable[[Actor, Any], Iterable[Sequence[Any]]]
    empty: str
    only: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for a person: a sentence, where to go, and how urgent (`bad` or `warn`)."""

    text: str
    url: str
    tone: str = "warn"


@dataclass(frozen=True, slots=True)
class Equivalent:
    """The same by machine: a call with curl ('' where there is none) and a command."""

    curl: str
    command: str


@dataclass(frozen=True, slots=True)
class Way:
    """A way from the page of a thing to somewhere else, for those who may do `operation` there.

    `sends` are the fields of a form that leads there, where a link would not do; `only` is as in Related.
    """

    label: str
    operation: AnyOperation
    url: Callable[[Any], str]
    sends: Callable[[Any], Mapping[str, str]] | None = None
    only: str = ""


Needs = Callable[[Actor], Iterable[Need]]
Timeline = Callable[[Actor, str], Sequence[Any]]

_related: dict[type[Model], list[Related]] = {}
_ways: dict[type[Model], list[Way]] = {}
_needs: list[tuple[type[Model], Needs]] = []
_timeline: list[Timeline] = []


def relate(model: type[Model], *related: Related) -> None:
    """Show `related` on the page of each `model`."""
    _related.setdefault(model, []).extend(related)


def related_of(model: type[Model], kind: str) -> list[Related]:
    """What is shown around a `model` in a tenant of that kind."""
    return [one for one in _related.get(model, []) if one.only in ("", kind)]


def lead_on(model: type[Model], *ways: Way) -> None:
    """Offer `ways` on the page of each `model`."""
    _ways.setdefault(model, []).extend(ways)


def ways_of(actor: Actor, model: type[Model], kind: str) -> list[Way]:
    """The ways from the page of a `model`, in a tenant of that kind, that are open to `actor`."""
    led = [way for way in _ways.get(model, []) if way.only in ("", kind)]
    return [way for way in led if decide(actor, way.operation, {}).decision != "deny"]


def watch(model: type[Model], needs: Needs) -> None:
    """Ask `needs` what waits for a person, above the list of `model` and on the dashboard."""
    _needs.append((model, needs))


def needs_of(actor: Actor, model: type[Model] | None = None) -> list[Need]:
    """What waits for a person, about `model` alone or about everything."""
    asked = [needs for watched, needs in _needs if model in (None, watched)]
    return [need for needs in asked for need in needs(actor)]


def use_timeline(timeline: Timeline) -> None:
    """Tell stories with `timeline`, which gets the actor and a shown id, and returns the newest entries first."""
    _timeline[:] = [timeline]


def timeline_of(actor: Actor, thing: str) -> Sequence[Any]:
    """The newest entries about `thing`; none where nobody keeps a trail."""
    return _timeline[0](actor, thing) if _timeline else ()


def story_url(row: Any, site: str = "admin") -> str:
    """Where the page about `row` is."""
    meta = row._meta
    return reverse(f"{site}:{meta.app_label}_{meta.model_name}_change", args=[row.public_id])


def list_url(model: type[Model], site: str = "admin") -> str:
    """Where the list of `model` is."""
    return reverse(f"{site}:{model._meta.app_label}_{model._meta.model_name}_changelist")


def badge(text: object, tone: str = "plain") -> SafeString:
    """A small label; `tone` is good, warn, bad, info or plain."""
    return format_html('<span class="pm-badge pm-badge-{}">{}</span>', tone, text)


_TONES = {
    "active": "good",
    "spare": "info",
    "pending": "info",
    "accepted": "good",
    "suspended": "bad",
    "revoked": "bad",
    "expired": "warn",
    "deleted": "bad",
}


def status_badge(status: str, said: object = None) -> SafeString:
    """A status as the domain says it (`said`, else the status itself), coloured."""
    return badge(said or status.capitalize(), _TONES.get(status, "plain"))


def code(text: object) -> SafeString:
    """An id or another literal."""
    return format_html('<code class="pm-code">{}</code>', text)


def link(row: Any, text: object = None) -> SafeString:
    """A link to the page about `row`."""
    return format_html('<a class="pm-link" href="{}">{}</a>', story_url(row), row if text is None else text)


def words(texts: Iterable[object]) -> SafeString | str:
    """Literals beside each other, or a dash."""
    return SafeString(" ".join(code(text) for text in texts)) or "—"


def when(moment: datetime | None) -> SafeString | str:
    """A time as people say it, with the exact one behind it; a dash for none."""
    if moment is None:
        return "—"
    now = clock.now()
    if abs((moment - now).total_seconds()) < 60:
        said = "just now"
    elif moment < now:
        said = f"{timesince(moment, now, depth=1)} ago"
    else:
        said = f"in {timeuntil(moment, now, depth=1)}"
    exact = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html(
        '<time class="pm-time" datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, said
    )


def equivalent(
    operation: AnyOperation, target: Mapping[str, Any], body: Mapping[str, Any], base_url: str
) -> Equivalent:
    """How to call `operation` with `target` (Python values of the URL) and `body` by API and by command.

    What is not known of the target, missing or None, is shown by its name in capitals.
    """
    room, _, verb = operation.name.replace("_", "-").partition(".")
    route = route_of(operation.name)
    named = [str(value) for value in target.values()]
    curl = ""
    if route is not None:
        shown = {name: _argument(name, converter, target) for name, converter in route.converters.items()}
        named = list(shown.values())
        curl = _curl(route.method, base_url + route.path.format(**shown), body)
    line = ["manage.py", room, verb.replace(".", "-"), *named, *_options(body)]
    return Equivalent(curl, shlex.join(line))


def _argument(name: str, converter: Any, target: Mapping[str, Any]) -> str:
    value = target.get(name)
    return name.upper() if value is None else str(converter.to_url(value))


def _curl(method: str, url: str, body: Mapping[str, Any]) -> str:
    lines = [f"curl -X {method} {url}" if method != "GET" else f"curl {url}"]
    lines.append('-H "Authorization: Bearer $PACKMULE_KEY"')
    if body:
        lines.append(f"--json {shlex.quote(json.dumps(body, ensure_ascii=False))}")
    return " \\\n  ".join(lines)


def _options(body: Mapping[str, Any]) -> list[str]:
    options: list[str] = []
    for name, value in body.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            options.append(flag if value else f"--no-{flag[2:]}")
        else:
            options += [flag, ",".join(map(str, value)) if isinstance(value, list) else str(value)]
    return options
