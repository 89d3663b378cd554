"""Identifiers: UUIDv7 inside, shown with the prefix of their kind (`job_01k…`).

The shown form is the prefix, an underscore and the 128 bits as 26 characters of Crockford's base32 in
lower case. There is one spelling of each id: upper case and look-alike letters are refused.
"""

from __future__ import annotations

import os
import re
import threading
import time
import uuid
from typing import ClassVar

from django.db import models
from django.urls import register_converter

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
# Python reads base 32 with the digits 0-9a-v, so Crockford's letters are moved there.
_TO_PYTHON = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
BODY_PATTERN = "[0-7][0-9a-hjkmnp-tv-z]{25}"
_BODY = re.compile(BODY_PATTERN)
_PREFIX = re.compile(r"[a-z][a-z0-9]{1,7}")

_prefixes: dict[str, str] = {}


class _Uuid7Source:
    """RFC 9562 version 7: 48 bits of milliseconds, a 42 bit counter, 32 random bits.

    Strictly increasing within the process, also when the system clock steps back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._milliseconds = 0
        self._counter = 0

    def next(self) -> uuid.UUID:
        tail = int.from_bytes(os.urandom(10), "big")
        with self._lock:
            milliseconds = time.time_ns() // 1_000_000
            if milliseconds > self._milliseconds:
                # The counter's top bit starts clear, so that a full millisecond of ids has room to count.
                self._milliseconds, self._counter = milliseconds, (tail >> 32) & 0x1FF_FFFF_FFFF
            else:
                self._count()
            value = self._milliseconds << 80 | self._fields(tail)
        return uuid.UUID(int=value)

    def _count(self) -> None:
        self._counter += 1
        if self._counter >> 42:
            self._milliseconds, self._counter = self._milliseconds + 1, 0

    def _fields(self, tail: int) -> int:
        high, low = self._counter >> 30, self._counter & 0x3FFF_FFFF
        return 0x7 << 76 | high << 64 | 0b10 << 62 | low << 32 | tail & 0xFFFF_FFFF


_source = _Uuid7Source()


def _renew_after_fork() -> None:
    """Give a forked worker its own counter, and a lock nobody held at the fork."""
    global _source
    _source = _Uuid7Source()


os.register_at_fork(after_in_child=_renew_after_fork)


def uuid7() -> uuid.UUID:
    """Return a new UUIDv7; each call's is greater than the one before in this process."""
    return _source.next()


def encode(prefix: str, value: uuid.UUID) -> str:
    """Return the shown form of `value`, such as `org_01k…`."""
    number = value.int
    return prefix + "_" + "".join([_PAIRS[number >> shift & 0x3FF] for shift in range(120, -1, -10)])


def decode(text: str, prefix: str) -> uuid.UUID:
    """Return the UUID that `text` shows. Raises ValueError for another prefix or a malformed body."""
    found, separator, body = text.rpartition("_")
    if not separator or found != prefix:
        raise ValueError(f"not an id that starts with {prefix}_")
    if not _BODY.fullmatch(body):
        raise ValueError(f"{prefix}_ has to be followed by 26 characters of Crockford's base32 in lower case")
    return uuid.UUID(int=int(body.translate(_TO_PYTHON), 32))


def pattern(prefix: str) -> str:
    """Return the regular expression of a shown id, without anchors."""
    return f"{prefix}_{BODY_PATTERN}"


def noun(prefix: str) -> str:
    """Return what an id of this prefix names, in words. Raises KeyError when it is not registered."""
    return _prefixes[prefix]


def prefixes() -> dict[str, str]:
    """Return every registered prefix with its noun."""
    return dict(_prefixes)


def register_prefix(prefix: str, noun: str) -> None:
    """Make `prefix` known, and `<prefix:name>` usable in URL patterns (a malformed id does not match).

    Registering the same pair again does nothing. Raises ValueError when the prefix is malformed or taken.
    """
    if _prefixes.get(prefix) == noun:
        return
    if prefix in _prefixes or not _PREFIX.fullmatch(prefix):
        raise ValueError(f"the id prefix {prefix!r} is malformed or already names {_prefixes.get(prefix)!r}")
    _prefixes[prefix] = noun
    register_converter(_converter(prefix), prefix)


class IdConverter:
    """A URL converter between a shown id and its UUID; one subclass a prefix."""

    prefix: ClassVar[str]
    regex: str

    def to_python(self, value: str) -> uuid.UUID:
        return decode(value, self.prefix)

    def to_url(self, value: uuid.UUID | str) -> str:
        shown = encode(self.prefix, value) if isinstance(value, uuid.UUID) else value
        decode(shown, self.prefix)
        return shown


def _converter(prefix: str) -> type[IdConverter]:
    name = f"{prefix.capitalize()}IdConverter"
    return type(name, (IdConverter,), {"prefix": prefix, "regex": pattern(prefix)})


_KNOWN = {
    "ten": "tenant",
    "app": "application",
    "env": "environment",
    "org": "organization",
    "usr": "user",
    "svc": "service account",
    "agt": "agent",
    "key": "key",
    "dlg": "delegation",
    "mem": "membership",
    "inv": "invitation",
    "tea": "team",
    "tmb": "team member",
    "rol": "role",
    "rule": "rule",
    "apr": "approval",
    "plan": "plan",
    "aud": "audit entry",
    "evt": "event",
    "evy": "event type",
    "whe": "webhook endpoint",
    "dlv": "delivery",
    "col": "collection",
    "schv": "schema version",
    "rec": "record",
    "bkt": "bucket",
    "file": "file",
    "ver": "file version",
    "drv": "derivative",
    "job": "job",
    "que": "queue",
    "lse": "lease",
    "att": "attempt",
    "step": "step",
    "sch": "schedule",
    "var": "variable",
    "sec": "secret",
    "dom": "domain",
    "ses": "session",
    "tok": "access token",
    "hof": "hand-off",
    "oac": "OAuth client",
    "oag": "OAuth grant",
    "osk": "signing key",
    "rsv": "reservation",
    "crd": "credit",
    "sub": "subscription",
    "mtp": "mail template",
    "sip": "sign-in provider",
    "sis": "sign-in settings",
}

for _prefix, _noun in _KNOWN.items():
    register_prefix(_prefix, _noun)


class Identified(models.Model):
    """A row whose key is a UUIDv7 made in Python, shown with `id_prefix`."""

    id_prefix: ClassVar[str]

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    class Meta:
        abstract = True

    @property
    def public_id(self) -> str:
        """The id as people and clients see it."""
        return encode(self.id_prefix, self.id)
