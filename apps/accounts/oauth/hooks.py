"""What the room of keys does for clients: who may register one for a machine, who is behind it, where people act."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.accounts.models import Machine
from apps.accounts.oauth.models import OAuthClient
from apps.accounts.roles import Role
from apps.core.actor import Actor


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who acts on a client: as JSON the chain and the marks of everybody in it; the key that was shown, and its end."""

    chain: list[dict[str, str | None]] = field(default_factory=list)
    lineage: list[str] = field(default_factory=list)
    key: UUID | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Upstairs:
    """The functions that the room above registers.

    `require_mintable` raises unless an actor may hold a credential of a machine, `stamp` says who an actor is as a
    minter, `is_stopped` whether the client's machine or somebody behind it is halted, or a key of theirs revoked,
    `places` gives the role of a person in each of their organizations, and `end_made` ends what was made with tokens
    of the tenant that stands: by the name under which it is remembered (see `endings`), here and in the environments of
    these organizations, or of all where there are none to be named.
    """

    require_mintable: Callable[[Actor, Machine], Any]
    stamp: Callable[[Actor], Stamp]
    is_stopped: Callable[[OAuthClient], bool]
    places: Callable[[UUID], Mapping[UUID, Role]]
    end_made: Callable[[str, Collection[UUID] | None], Any]


_upstairs: Upstairs | None = None


def use(upstairs: Upstairs) -> None:
    """Register the functions."""
    global _upstairs
    _upstairs = upstairs


def upstairs() -> Upstairs:
    """The registered functions. Raises RuntimeError before there are any."""
    if _upstairs is None:
        raise RuntimeError("apps.apikeys registers what clients are decided by.")
    return _upstairs
