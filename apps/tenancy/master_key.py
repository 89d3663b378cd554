"""The master key: it comes from outside the database, and wraps the key of every tenant.

A canary in the registry, wrapped by the key with which the installation began, tells a wrong key from the right one
before anything is sealed under it. Neither key nor canary is ever replaced here.
"""

from __future__ import annotations

import binascii
import os
from base64 import b64decode, b64encode
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from apps.core.sealing import KEY_BYTES, SealBroken, SealError, decrypt, encrypt, new_key
from apps.tenancy.models import DataKey
from apps.tenancy.walls import outside, registry

VARIABLE = "PACKMULE_MASTER_KEY"
_CANARY = b"packmule canary"
_BOUND = "packmule canary"
_FORM = "It has to be 32 random bytes in base64: openssl rand -base64 32"


class MasterKeyMissing(SealError):  # noqa: N818 - said as a sentence
    """There is no master key, or none that can be read."""


class MasterKeyWrong(SealError):  # noqa: N818 - said as a sentence
    """The master key is not the one with which this installation began."""


def master_key() -> bytes:
    """The master key. Raises MasterKeyMissing, with what to do, when there is none or it is none."""
    text = str(settings.PACKMULE_MASTER_KEY)
    if text:
        return _decoded(text, VARIABLE)
    try:
        return _decoded(kept_at().read_text().strip(), str(kept_at()))
    except FileNotFoundError:
        raise MasterKeyMissing(
            f"There is no master key: set {VARIABLE}, or put the key back into {kept_at()}. "
            "Without it nothing that was sealed can be read. `manage.py prepare` makes one for a new installation."
        ) from None
    except OSError as failure:
        raise MasterKeyMissing(f"{kept_at()} cannot be read ({os.strerror(failure.errno or 0)}).") from None


def kept_at() -> Path:
    """The file that holds the master key where the environment does not."""
    return Path(settings.PACKMULE_DATA_DIR) / "master_key"


def ensure_master_key() -> str:
    """Make the installation's first master key, where there is none and nothing was ever wrapped; check it otherwise.

    Returns a sentence when one was made, '' else. The registry must be there. Raises MasterKeyMissing, MasterKeyWrong.
    """
    made = ""
    if _canary() is None:
        made = _make_file()
        _write_canary(master_key())
    check_master_key()
    return made


def check_master_key() -> None:
    """Raise MasterKeyMissing or MasterKeyWrong unless the master key is the one that this installation began with."""
    key, canary = master_key(), _canary()
    if canary is None:
        return
    try:
        decrypt(key, canary, _BOUND)
    except SealBroken:
        raise MasterKeyWrong(
            f"The master key ({VARIABLE}, or {kept_at()}) is not the one with which this installation began, and opens "
            "nothing that it sealed. Put the right one back. Nothing was changed."
        ) from None


def objection() -> str | None:
    """Why this process may not serve, in a sentence, or None. A database that does not answer is no objection here."""
    try:
        check_master_key()
    except SealError as refusal:
        return str(refusal)
    except DatabaseError:
        return None
    return None


def _decoded(text: str, where: str) -> bytes:
    try:
        key = b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise MasterKeyMissing(f"What is in {where} is no master key. {_FORM}")
    return key


def _make_file() -> str:
    if settings.PACKMULE_MASTER_KEY or kept_at().exists():
        return ""
    kept_at().parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(kept_at(), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(b64encode(new_key()) + b"\n")
        file.flush()
        os.fsync(descriptor)
    return (
        f"master key: made, and kept in {kept_at()}; keep a copy elsewhere, nothing sealed opens without it"
    )


def _canary() -> bytes | None:
    with outside():
        row = DataKey.objects.filter(tenant=None).first()
    return bytes(row.wrapped) if row else None


def _write_canary(key: bytes) -> None:
    with registry():
        canary = DataKey(tenant=None, version=0, wrapped=encrypt(key, _CANARY, _BOUND))
        DataKey.objects.bulk_create([canary], ignore_conflicts=True)
