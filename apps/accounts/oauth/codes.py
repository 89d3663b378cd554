"""Authorization codes: kept in the tenant's own cache by their hash, good once.

A code that is shown a second time ends what it gave: whoever shows it had it from somebody else.
"""

from __future__ import annotations

from typing import Any

from django.core.cache import cache

from apps.accounts.oauth.texts import hash_of

#: How long a code that was used is remembered.
REMEMBERED = 24 * 3600


def keep(client_id: str, code: str, entry: dict[str, Any], seconds: int) -> None:
    """Keep what `code` of the client stands for."""
    cache.set(_key("code", client_id, code), entry, timeout=seconds)


def look_up(client_id: str, code: str) -> dict[str, Any] | None:
    """What the code stands for, or None when it is none of the client here, is over or was used."""
    entry: dict[str, Any] | None = cache.get(_key("code", client_id, code))
    return entry


def use_up(client_id: str, code: str, family: str) -> bool:
    """Use the code for the tokens of `family`; True for exactly one of all who try."""
    if not cache.delete(_key("code", client_id, code)):
        return False
    cache.set(_key("used", client_id, code), family, timeout=REMEMBERED)
    return True


def family_of_used(client_id: str, code: str) -> str | None:
    """The family that a used code began, or None."""
    family: str | None = cache.get(_key("used", client_id, code))
    return family


def _key(kind: str, client_id: str, code: str) -> str:
    return f"oauth:{kind}:{client_id}:{hash_of(code)}"
