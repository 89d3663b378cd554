"""Keys that were found where they should not be: how scanners find them, and the report that ends them.

Anybody may report, without a credential: whoever holds a key could use it, and ending it is the lesser harm. A key is
ended only when the whole of it was sent, so that nobody ends, or learns of, a key by its id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from apps.apikeys import keyformat
from apps.apikeys import serializers as forms
from apps.apikeys.keyformat import KeyTextError
from apps.apikeys.minting import revoke
from apps.apikeys.models import Key, KeyIndex, KeyKind
from apps.core import clock
from apps.core.actor import Actor, system_actor
from apps.core.ids import encode
from apps.core.operations import Risk, operation
from apps.tenancy.blueprint import is_behind
from apps.tenancy.walls import enter, outside

REVOKED, NOT_ALIVE, PUBLISHABLE, UNKNOWN = "revoked", "not_alive", "publishable", "unknown"
logger = logging.getLogger("packmule.apikeys")


@dataclass(frozen=True, slots=True)
class Leak:
    """A key that was found in the open and ended, and where it was found, as the reporter says."""

    key: Key
    url: str
    source: str
    ended: int


_on_leak: list[Callable[[Leak], Any]] = []


def on_leak(hook: Callable[[Leak], Any]) -> None:
    """Call `hook` with each leaked key that was ended, in the report's transaction, standing in the key's tenant."""
    if hook not in _on_leak:
        _on_leak.append(hook)


@operation("leaked_keys.pattern", scope="self:read", risk=Risk.READ, output=forms.KeyPatternOutput, open=True)
def get_pattern(_actor: Actor) -> dict[str, Any]:
    """Show how secret scanners find keys of this platform: the expression, the kinds, and how to check the checksum.

    Takes no credential.
    """
    return {
        "name": "packmule_key",
        "regular_expression": keyformat.SCANNER_PATTERN,
        "length": keyformat.LENGTH,
        "kinds": [
            {"code": str(kind.value), "name": str(kind.label), "secret": kind != KeyKind.PUBLISHABLE}
            for kind in KeyKind
        ],
        "checksum": keyformat.CHECKSUM,
        "report_to": "/v1/leaked-keys",
    }


@operation(
    "leaked_keys.report",
    scope="self:write",
    risk=Risk.WRITE,
    input=forms.LeakedKeysInput,
    output=forms.LeakedKeysOutput,
    open=True,
    records_itself=True,
)
def report_leaked_keys(actor: Actor, *, keys: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Report keys that were found in the open: each that is alive is revoked at once, with everything that it minted.

    Takes no credential. A key counts only when the whole of it is sent. Publishable keys are meant to be read by
    everybody and stay. Its tenant's trail says where it was found, and the people who answer for it are told.
    """
    told = [{"status": _report(actor, found), "key": _shown(found["key"])} for found in keys]
    return {"keys": told, "revoked": sum(one["status"] == REVOKED for one in told)}


def _shown(text: str) -> str | None:
    """The id in a key's text; None where there is none to be read."""
    try:
        return encode("key", keyformat.parse(text).id)
    except KeyTextError:
        return None


def _report(actor: Actor, found: Mapping[str, str]) -> str:
    """End one key, and say what became of it."""
    index, opens = _index_of(found["key"])
    if index is None:
        return UNKNOWN
    if index.kind == KeyKind.PUBLISHABLE:
        return PUBLISHABLE
    if not (opens and index.is_alive):
        return NOT_ALIVE
    _end(actor, index, url=found.get("url", ""), source=found.get("source", ""))
    return REVOKED


def _index_of(text: str) -> tuple[KeyIndex | None, bool]:
    """The index row of the key that `text` is the whole of, and whether that secret is still the key's.

    The secret that a rotation replaced is it while it works; afterwards it opens nothing that a report could end.
    """
    try:
        parsed = keyformat.parse(text)
    except KeyTextError:
        return None, False
    with outside():
        index = KeyIndex.objects.select_related("tenant").filter(pk=parsed.id).first()
    if index is None:
        return None, False
    if keyformat.matches(parsed.digest, index.digest):
        return index, True
    replaced = keyformat.matches(parsed.digest, index.previous_digest)
    overlaps = index.previous_until is not None and index.previous_until > clock.now()
    return (index if replaced else None), replaced and overlaps


def _end(actor: Actor, index: KeyIndex, *, url: str, source: str) -> None:
    """Revoke a key, and tell its tenant, unless nothing can be written there any more."""
    home = index.tenant
    if not home.is_active or is_behind(home):
        revoke([index.pk])
        logger.warning("The leaked key %s was revoked; its tenant could not be told", index.pk)
        return
    where = f"found in the open: {url or 'no address was given'}" + (f" ({source})" if source else "")
    system = system_actor(home.ref, replace(actor.call, reason=where))
    with enter(home.ref), report_leaked_keys.recorded(system) as note:
        ended = revoke([index.pk])
        key = Key.objects.filter(pk=index.pk).first()
        note(key)  # type: ignore[arg-type] # the record is of the key, the answer of the whole report
        if key is not None:
            _tell(Leak(key, url, source, ended))


def _tell(leak: Leak) -> None:
    for hook in _on_leak:
        hook(leak)
