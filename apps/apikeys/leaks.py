"""Keys and tokens that were found where they should not be: how scanners find them, and the report that ends them.

Anybody may report, without a credential: whoever holds a key could use it, and ending it is the lesser harm. A key is
ended only when the whole of it was sent, so that nobody ends, or learns of, a key by its id. The same holds for tokens
and clients' secrets (see `leaks_oauth`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from apps.accounts.models import Agent
from apps.accounts.oauth import texts
from apps.apikeys import keyformat, leaks_oauth
from apps.apikeys import serializers as forms
from apps.apikeys.keyformat import KeyTextError
from apps.apikeys.minting import revoke
from apps.apikeys.models import Key, KeyIndex, KeyKind
from apps.core import clock
from apps.core.actor import Actor, TenantRef, system_actor
from apps.core.ids import encode
from apps.core.operations import Risk, operation
from apps.tenancy.blueprint import is_behind
from apps.tenancy.walls import enter, outside

REVOKED, NOT_ALIVE, PUBLISHABLE, UNKNOWN = "revoked", "not_alive", "publishable", "unknown"
_KEY = "The key {name} ({id}) was found in the open and ended, with {others} keys that were made with it."
logger = logging.getLogger("packmule.apikeys")


@dataclass(frozen=True, slots=True)
class Leak:
    """What was found in the open and ended, in a sentence, who answers for it, and where the reporter says it was."""

    what: str
    person_id: UUID | None
    agent: Agent | None
    organization_id: UUID | None
    url: str


_on_leak: list[Callable[[Leak], Any]] = []


def on_leak(hook: Callable[[Leak], Any]) -> None:
    """Call `hook` with each leak that was ended, in the report's transaction, standing in the tenant of what leaked."""
    if hook not in _on_leak:
        _on_leak.append(hook)


@operation("leaked_keys.pattern", scope="self:read", risk=Risk.READ, output=forms.KeyPatternOutput, open=True)
def get_pattern(_actor: Actor) -> dict[str, Any]:
    """Show how secret scanners find keys and tokens of this platform: the expressions, the kinds, and the checksum.

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
        "tokens": {
            "name": "packmule_oauth",
            "regular_expression": texts.SCANNER_PATTERN,
            "kinds": [{"code": code, "name": name, "secret": True} for code, name in texts.KINDS.items()],
        },
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
    event="key.leaked",
)
def report_leaked_keys(actor: Actor, *, keys: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Report keys that were found in the open: each that is alive is revoked at once, with everything that it minted.

    Tokens and secrets of OAuth clients (pmo_…) are reported alike: a token ends with all that came out of its sign-in,
    a secret with the tokens that it got. Takes no credential. A key counts only when the whole of it is sent.
    Publishable keys are meant to be read by everybody and stay. Its tenant's trail says where it was found, and the
    people who answer for it are told.
    """
    told = [{"status": _report(actor, found), "key": _shown(found["key"])} for found in keys]
    return {"keys": told, "revoked": sum(one["status"] == REVOKED for one in told)}


def _shown(text: str) -> str | None:
    """The id in the text of a key or token; None where there is none to be read."""
    if texts.looks_like_token(text):
        return leaks_oauth.shown_id(text)
    try:
        return encode("key", keyformat.parse(text).id)
    except KeyTextError:
        return None


def _report(actor: Actor, found: Mapping[str, str]) -> str:
    """End one key or token, and say what became of it."""
    if texts.looks_like_token(found["key"]):
        return _report_token(actor, found)
    index, opens = _index_of(found["key"])
    if index is None:
        return UNKNOWN
    if index.kind == KeyKind.PUBLISHABLE:
        return PUBLISHABLE
    if not (opens and index.is_alive):
        return NOT_ALIVE
    _end(actor, index, found)
    return REVOKED


def _report_token(actor: Actor, found: Mapping[str, str]) -> str:
    leaked = leaks_oauth.find(found["key"])
    if leaked is None:
        return UNKNOWN
    if not leaked.is_alive:
        return NOT_ALIVE
    with _recorded(actor, leaked.home, found) as note:
        note(leaked.end())
        person_id = leaked.person.pk if leaked.person is not None else None
        _tell(Leak(leaked.what, person_id, leaked.agent, leaked.organization_id, found.get("url", "")))
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


def _end(actor: Actor, index: KeyIndex, found: Mapping[str, str]) -> None:
    """Revoke a key, and tell its tenant, unless nothing can be written there any more."""
    home = index.tenant
    if not home.is_active or is_behind(home):
        revoke([index.pk])
        logger.warning("The leaked key %s was revoked; its tenant could not be told", index.pk)
        return
    with _recorded(actor, home.ref, found) as note:
        ended = revoke([index.pk])
        key = Key.objects.filter(pk=index.pk).first()
        note(key)
        if key is not None:
            what = _KEY.format(name=key.name, id=key.public_id, others=max(0, ended - 1))
            _tell(Leak(what, key.user_id, key.agent, key.organization_id, found.get("url", "")))


@contextmanager
def _recorded(actor: Actor, home: TenantRef, found: Mapping[str, str]) -> Iterator[Callable[[Any], Any]]:
    """Stand in `home`, and write into its trail that it ended something, with where that was found."""
    url, source = found.get("url", ""), found.get("source", "")
    where = f"found in the open: {url or 'no address was given'}" + (f" ({source})" if source else "")
    system = system_actor(home, replace(actor.call, reason=where))
    with enter(home), report_leaked_keys.recorded(system) as note:
        yield note  # the record is of the key, the answer of the whole report


def _tell(leak: Leak) -> None:
    for hook in _on_leak:
        hook(leak)
