"""The device flow's memory (RFC 8628), in the tenant's own cache: what is asked, what was decided, when it was polled.

Each is an entry of its own. The decision is added once and never written again, so that a poll in between cannot undo
it; the request is deleted by the one poll that gets the tokens.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.core.cache import cache

from apps.accounts.oauth.texts import hash_of
from apps.core import clock

#: Without vowels, so that no words come out, and without what looks alike.
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
CODE_LENGTH = 8
LIFETIME = 600
INTERVAL = 5
#: How much longer a device is told that its time is over, and not that nobody knows it.
_REMEMBERED = 600
#: What the way of a call may take more or less than that of the one before, in seconds.
_JITTER = 1.0
#: Nobody has to wait longer between two polls, however often they came too soon.
_LONGEST_INTERVAL = 60


@dataclass(frozen=True, slots=True)
class Asked:
    """What a device asked for."""

    client_id: str
    scopes: list[str]
    user_code: str
    device: str
    asked_at: str
    address: str
    agent: str

    @property
    def at(self) -> datetime:
        """When it asked."""
        return datetime.fromisoformat(self.asked_at)

    @property
    def minutes_ago(self) -> int:
        """Whole minutes since it asked."""
        return int((clock.now() - self.at).total_seconds() // 60)

    @property
    def is_over(self) -> bool:
        """True when its time has run out."""
        return clock.now() >= self.at + timedelta(seconds=LIFETIME)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said to it; refused where there are no scopes."""

    user_id: str
    begun_with: str
    scopes: list[str]


Pending = Literal["pending", "slow_down", "expired", "gone"]


def ask(client_id: str, scopes: list[str], *, address: str, agent: str) -> tuple[str, str]:
    """Begin a request; returns the device's own code and the one that its person types."""
    device_code, user_code = secrets.token_urlsafe(32), _new_user_code()
    device = hash_of(device_code)
    asked = Asked(client_id, scopes, user_code, device, clock.now().isoformat(), address, agent[:120])
    cache.set(_key("asked", device), asdict(asked), timeout=LIFETIME + _REMEMBERED)
    cache.set(_key("user", _plain(user_code)), device, timeout=LIFETIME)
    return device_code, user_code


def find(user_code: str) -> Asked | None:
    """The request of that code which nobody has decided about yet, or None."""
    device = cache.get(_key("user", _plain(user_code)))
    asked = _asked_by(device) if device else None
    if asked is None or asked.is_over or cache.has_key(_key("decided", asked.device)):
        return None
    return asked


def decide(asked: Asked, decision: Decision) -> bool:
    """Keep what a person decided; False when somebody was faster, or it is over."""
    if asked.is_over:
        return False
    return bool(cache.add(_key("decided", asked.device), asdict(decision), timeout=LIFETIME))


def poll(client_id: str, device_code: str) -> tuple[Asked, Decision] | Pending:
    """What came of it: the decision, for exactly one who asks with the right codes, or what to do instead."""
    device = hash_of(device_code)
    asked = _asked_by(device)
    if asked is None or asked.client_id != client_id:
        return "gone"
    if asked.is_over:
        return "expired"
    if not _is_patient(device):
        return "slow_down"
    decided: dict[str, Any] | None = cache.get(_key("decided", device))
    if decided is None:
        return "pending"
    if not cache.delete(_key("asked", device)):
        return "gone"
    return asked, Decision(**decided)


def interval_of(device_code: str) -> int:
    """The seconds that the device has to wait between two polls by now."""
    state: dict[str, Any] | None = cache.get(_key("polled", hash_of(device_code)))
    return int(state["interval"]) if state else INTERVAL


def shown(user_code: str) -> str:
    """The code as people read it: two groups."""
    plain = _plain(user_code)
    return f"{plain[: CODE_LENGTH // 2]}-{plain[CODE_LENGTH // 2 :]}"


def _asked_by(device: str) -> Asked | None:
    entry: dict[str, Any] | None = cache.get(_key("asked", device))
    return None if entry is None else Asked(**entry)


def _is_patient(device: str) -> bool:
    """False for who polls too soon, and has to wait five seconds longer each time from then on (RFC 8628, 3.5)."""
    now, key = clock.now().timestamp(), _key("polled", device)
    state: dict[str, Any] = cache.get(key) or {"at": 0.0, "interval": INTERVAL}
    soon = now < state["at"] + state["interval"] - _JITTER
    longer = min(state["interval"] + INTERVAL, _LONGEST_INTERVAL) if soon else state["interval"]
    cache.set(key, {"at": now, "interval": longer}, timeout=LIFETIME)
    return not soon


def _new_user_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def _plain(user_code: str) -> str:
    return "".join(char for char in user_code.upper() if char in ALPHABET)


def _key(kind: str, name: str) -> str:
    return f"oauth:device:{kind}:{name}"
