"""Principals as JSON: the chain of minters that a key carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from apps.core.actor import Actor, PrincipalKind, PrincipalRef
from apps.core.ids import encode

_PREFIXES = {
    PrincipalKind.USER: "usr",
    PrincipalKind.SERVICE_ACCOUNT: "svc",
    PrincipalKind.AGENT: "agt",
    PrincipalKind.VISITOR: "key",
}


def chain_after(minter: Actor | None) -> tuple[PrincipalRef, ...]:
    """The chain of what `minter` mints: its own chain, itself, who answers for it, for whom it acts. Nobody twice.

    Who passed on the delegation by which it acts comes before the one for whom.
    """
    if minter is None:
        return ()
    via = minter.delegation.via if minter.delegation is not None else None
    others = [one for one in (minter.owner, via, minter.on_behalf_of) if one is not None]
    return joined(minter.credential.chain, [minter.principal], others)


def joined(*chains: Iterable[PrincipalRef]) -> tuple[PrincipalRef, ...]:
    """The chains one after the other, nobody twice: the first snapshot of each principal stays."""
    known: dict[tuple[PrincipalKind, UUID | None], PrincipalRef] = {}
    for chain in chains:
        for link in chain:
            known.setdefault((link.kind, link.id), link)
    return tuple(known.values())


def write_chain(chain: Iterable[PrincipalRef]) -> list[dict[str, str | None]]:
    """`chain` as it is stored."""
    return [
        {"kind": link.kind.value, "id": str(link.id) if link.id else None, "name": link.name}
        for link in chain
    ]


def read_chain(stored: Iterable[Mapping[str, str]]) -> tuple[PrincipalRef, ...]:
    """The chain that was stored."""
    return tuple(
        PrincipalRef(PrincipalKind(link["kind"]), UUID(link["id"]) if link["id"] else None, link["name"])
        for link in stored
    )


def shown(principal: PrincipalRef) -> dict[str, str | None]:
    """A principal as answers show it; a visitor's id is that of the publishable key, the system has none."""
    prefix = _PREFIXES.get(principal.kind)
    public_id = encode(prefix, principal.id) if prefix and principal.id else None
    return {"kind": principal.kind.value, "id": public_id, "name": principal.name}
