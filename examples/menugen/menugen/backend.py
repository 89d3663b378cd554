"""MenuGen's backend, declared: run it as often as you like, and it makes what is missing and changes what differs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from menugen.api import Api, Refused
from menugen.settings import Settings

APPLICATION, ENVIRONMENT = "menugen", "menugen/development"
#: What the environment's own host begins with, and the folder of its mails is called.
HOST, MAILS = "development--menugen", "menugen--development"
_KEYS = f"/v1/applications/{APPLICATION}/environments/development/keys"

_MENUS = {
    "name": "menus",
    "description": "A menu that somebody photographed.",
    "schema": {
        "type": "object",
        "properties": {
            "title": {"type": "string", "minLength": 1, "maxLength": 200},
            "photo": {"type": "string", "pattern": "^file_"},
            "status": {"enum": ["reading", "painting", "illustrated"]},
            "dishes": {"type": "integer", "minimum": 0},
        },
        "required": ["title", "photo", "status"],
        "additionalProperties": False,
    },
    "indexes": [{"field": "photo", "unique": True}],
}
_DISHES = {
    "name": "dishes",
    "description": "What stands on a menu, and its picture.",
    "schema": {
        "type": "object",
        "properties": {
            "menu": {"type": "string", "pattern": "^rec_"},
            "place": {"type": "string"},
            "name": {"type": "string", "minLength": 1},
            "price": {"type": ["string", "null"]},
            "prices": {"type": "array", "items": {"type": "string"}},
            "picture": {"type": "string", "pattern": "^file_"},
        },
        "required": ["menu", "place", "name", "prices"],
        "additionalProperties": False,
    },
    "indexes": [{"field": "menu"}, {"field": "place", "unique": True}],
}
_PHOTOS = {"name": "photos", "visibility": "organization", "max_size": 40_000_000}
_PICTURES = {
    "name": "pictures",
    "visibility": "organization",
    "content_types": ["image/jpeg"],
    "presets": {"card": {"width": 480, "height": 360, "fit": "cover", "format": "webp"}},
}
_READING = {"name": "menus", "lease_seconds": 8, "max_attempts": 4, "timeout_seconds": 300}
_PAINTING = {
    "name": "dishes",
    "max_in_flight_per_organization": 6,
    "lease_seconds": 8,
    "timeout_seconds": 120,
    "max_attempts": 6,
    "retry": {"initial_seconds": 1, "factor": 2, "max_seconds": 60},
}
_ILLUSTRATED = {
    "name": "menu.illustrated",
    "description": "Every dish of a menu has a picture.",
    "schema": {"type": "object", "properties": {"dishes": {"type": "integer"}}, "required": ["dishes"]},
}
_AGENT = {"name": "Menu artist", "purpose": "Reads photographed menus and paints their dishes."}

#: What people are asked to let the artist do for them, and what its own key allows beside that: to take jobs.
ON_BEHALF = ["records:read", "records:write", "files:read", "files:write", "jobs:write", "events:write"]
_WORKER = [*ON_BEHALF, "jobs:work", "jobs:read"]
_ASKING = ["delegations:request"]
_VISITOR = ["self:read"]
#: Keys end; what has less than this left is followed by another one, so run this once a month.
_LEFT = timedelta(days=31)


_DECLARED: list[tuple[str, dict[str, Any]]] = [
    ("/v1/collections", _MENUS),
    ("/v1/collections", _DISHES),
    ("/v1/buckets", _PHOTOS),
    ("/v1/buckets", _PICTURES),
    ("/v1/queues", _READING),
    ("/v1/queues", _PAINTING),
    ("/v1/event-types", _ILLUSTRATED),
]


def set_up(console: Api, settings: Settings) -> list[str]:
    """Bring the backend to what stands above, and keep in `settings` what was made. Returns what changed, in words."""
    changed: list[str] = []
    _application(console, changed)
    inside = console.acting(Packmule_Environment=ENVIRONMENT)
    for path, wanted in _DECLARED:
        _declare(inside, path, wanted, changed)
    _agent(inside, settings, changed)
    _keys(console, inside, settings, changed)
    _webhook(inside, settings, changed)
    settings.save()
    return changed


def _application(console: Api, changed: list[str]) -> None:
    if _found(lambda: console.get(f"/v1/applications/{APPLICATION}")) is None:
        console.post("/v1/applications", {"slug": APPLICATION, "name": "MenuGen"})
        changed.append(f"application {APPLICATION}")


def _declare(api: Api, path: str, wanted: dict[str, Any], changed: list[str]) -> None:
    """Make what `wanted` describes, or change what differs from it. What somebody described is in the list."""
    there = {row["name"]: row for row in api.every(path)}.get(wanted["name"])
    name = f"{path.rpartition('/')[2].replace('-', ' ')[:-1]} {wanted['name']}"
    if there is None:
        api.post(path, wanted)
        changed.append(name)
    elif not _holds(there, wanted):
        api.patch(f"{path}/{wanted['name']}", {key: wanted[key] for key in wanted if key != "name"})
        changed.append(name)


def _holds(there: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there; the platform's answers say more than was asked for."""
    if isinstance(wanted, dict):
        return all(key in there and _holds(there[key], value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return len(there) == len(wanted) and all(map(_holds, there, wanted))
    return bool(there == wanted)


def _agent(api: Api, settings: Settings, changed: list[str]) -> None:
    named = [row for row in api.every("/v1/agents") if row["name"] == _AGENT["name"]]
    if not named:
        named = [api.post("/v1/agents", _AGENT)]
        changed.append(f"agent {_AGENT['name']}")
    if settings.agent != named[0]["id"]:
        settings.agent, settings.keys = named[0]["id"], {}


def _keys(console: Api, inside: Api, settings: Settings, changed: list[str]) -> None:
    """Two keys of the agent that allow no more than what each is for, and one of the page, for our own site alone."""
    agents = f"/v1/agents/{settings.agent}/keys"
    visitor = {"kind": "publishable", "scopes": _VISITOR, "allowed_origins": [settings.site]}
    if settings.website != settings.site:
        settings.website, settings.keys = settings.site, settings.keys | {"publishable_key": ""}
    for setting, api, path, wish in (
        ("worker_key", inside, agents, {"name": "worker", "scopes": _WORKER}),
        ("asking_key", inside, agents, {"name": "web server", "scopes": _ASKING}),
        ("publishable_key", console, _KEYS, {"name": "website", **visitor}),
    ):
        if not _lasts(inside, settings.keys.get(setting, "")):
            made = api.post(path, wish)
            setattr(settings, setting, made["secret"])
            settings.keys[setting] = made["id"]
            changed.append(f"the key of the {wish['name']}")


def _lasts(api: Api, key: str) -> bool:
    """Whether a key is good for a while."""
    there = _found(lambda: api.get(f"/v1/keys/{key}")) if key else None
    return (
        there is not None
        and there["status"] == "active"
        and datetime.fromisoformat(there["expires_at"]) - datetime.now(UTC) > _LEFT
    )


def _webhook(api: Api, settings: Settings, changed: list[str]) -> None:
    url, path = f"{settings.site}/packmule", "/v1/webhook-endpoints"
    there = {row["id"]: row for row in api.every(path)}.get(settings.webhook_id)
    if there is None:
        made = api.post(path, {"url": url, "event_types": ["menu.illustrated"], "description": "MenuGen"})
        settings.webhook_id, settings.webhook_secret = made["id"], made["secret"]
        changed.append("the webhook")
    elif there["url"] != url:
        api.patch(f"{path}/{there['id']}", {"url": url})
        changed.append("the webhook's address")


def _found(look: Callable[[], Any]) -> Any | None:
    try:
        return look()
    except Refused as refusal:
        if refusal.status == 404:
            return None
        raise
