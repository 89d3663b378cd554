"""Actors, resources and circumstances as the trail keeps them: snapshots, with ids as they are shown outside."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.db.models import Model

from apps.audit.changes import Change, type_of
from apps.audit.values import clean_text, cut_name
from apps.core import clock
from apps.core.actor import Actor, PrincipalKind, PrincipalRef
from apps.core.ids import encode, uuid7
from apps.core.operations import Operation

# A visitor is known by a publishable key alone, and its id is the key's.
_PREFIXES = {
    PrincipalKind.USER: "usr",
    PrincipalKind.SERVICE_ACCOUNT: "svc",
    PrincipalKind.AGENT: "agt",
    PrincipalKind.VISITOR: "key",
}


def principal(ref: PrincipalRef) -> dict[str, Any]:
    """Return `ref` as the trail names it; the system has no id."""
    return {"kind": ref.kind.value, "id": principal_id(ref), "name": cut_name(ref.name, 254)}


def principal_id(ref: PrincipalRef) -> str | None:
    """Return the shown id of a principal."""
    return encode(_PREFIXES[ref.kind], ref.id) if ref.id else None


def circumstances(actor: Actor, operation: Operation[..., Any]) -> dict[str, Any]:
    """Return the columns that say who did it, for whom, through what, where, and in which call."""
    who, shown, call = principal(actor.principal), actor.credential, actor.call
    return {
        "at": clock.now(),
        "operation": operation.name,
        "risk": operation.risk.value,
        "actor_kind": who["kind"],
        "actor_id": who["id"],
        "actor_name": who["name"],
        "on_behalf_of": represented(actor),
        "owner": principal(actor.owner) if actor.owner else None,
        "credential_kind": shown.kind,
        "credential_id": shown.public_id,
        "minted_by": encode("key", shown.minted_by) if shown.minted_by else None,
        "chain": [principal(minter) for minter in shown.chain],
        "tenant": actor.tenant.name,
        "home": actor.home.name,
        # Calls are what a timeline goes by, so what belongs to none gets one of its own.
        "request_id": call.request_id or encode("req", uuid7()),
        "edge": call.edge.value,
        "ip": _address(call.ip),
        "reason": clean_text(call.reason),
    }


def represented(actor: Actor) -> dict[str, Any] | None:
    """Return for whom `actor` acts, and by which delegation; None where it acts for itself."""
    if actor.on_behalf_of is None:
        return None
    by = {"delegation": encode("dlg", actor.delegation.id)} if actor.delegation else {}
    return {**principal(actor.on_behalf_of), **by}


def _address(text: str | None) -> str | None:
    """Return `text` where PostgreSQL takes it for an address: a socket's name or a scope must not stop an operation."""
    try:
        return str(ip_address((text or "").partition("%")[0]))
    except ValueError:
        return None


def resource_columns(resource: Any, changes: list[Change]) -> dict[str, Any]:
    """Return the columns that name the resource of record, all empty where there is none."""
    if is_nameable(resource):
        named = resource.id_prefix, resource.public_id, name_of(resource)
    elif (chief := chief_of(changes)) is not None:
        named = chief.prefix, chief.public_id, chief.name
    else:
        return {"resource_type": "", "resource_id": None, "resource_name": ""}
    prefix, shown, name = named
    return {"resource_type": type_of(prefix), "resource_id": shown, "resource_name": cut_name(name, 200)}


def is_nameable(resource: Any) -> bool:
    """True for what has a shown id. A row that was deleted has lost it; a list or a number never had one."""
    return bool(getattr(resource, "id_prefix", None)) and getattr(resource, "id", None) is not None


def chief_of(changes: list[Change]) -> Change | None:
    """Return the change that names an operation whose result does not: the last deletion, or else the first change.

    Of several deletions the last is the one that was meant: what depends on a row goes before it.
    """
    deleted = [change for change in changes if change.action == "deleted"]
    return deleted[-1] if deleted else next(iter(changes), None)


def organization_of(actor: Actor, resource: Any, changes: list[Change]) -> UUID | None:
    """Return the organization whose trail it belongs to: the resource's, or else the one that the actor acts in."""
    bearer = resource if is_nameable(resource) else chief_of(changes)
    own = getattr(bearer, "organization_id", None)
    if isinstance(own, UUID):
        return own
    return actor.organization.id if actor.organization else None


def slug_of(actor: Actor, resource: Any, organization_id: UUID | None) -> str:
    """Return the organization's slug where it is known without asking the database, else ''."""
    related = resource._state.fields_cache.get("organization") if isinstance(resource, Model) else None
    for known in (actor.organization, related, resource):
        if organization_id is not None and getattr(known, "id", None) == organization_id:
            return str(getattr(known, "slug", ""))
    return ""


def name_of(thing: Any) -> str:
    """Return the first of the columns by which people know a row, else ''. Relations are not asked for their names."""
    for column in ("name", "slug", "email", "host", "title"):
        value = vars(thing).get(column) if isinstance(thing, Model) else getattr(thing, column, None)
        if isinstance(value, str) and value:
            return value
    return ""
