"""Redirect URIs: compared as they are written, but for the port of programs on a person's own machine (RFC 8252)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from apps.accounts.oauth.errors import RedirectRefused
from apps.core.problems import FieldError, show

_LENGTH = 500
_REST = r"(?:/[A-Za-z0-9._~!$&'()+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()+,;=:@%/?-]*)?"
_HTTPS = re.compile(rf"https://[a-z0-9](?:[a-z0-9.-]{{0,251}}[a-z0-9])?(?::[0-9]{{1,5}})?{_REST}")
_LOOPBACK = re.compile(
    rf"(http://(?:127\.0\.0\.1|\[::1\]|(?:[a-z0-9-]+\.)*localhost))(?::[0-9]{{1,5}})?({_REST})"
)


def checked(uris: Iterable[str]) -> list[str]:
    """`uris`, each once. Raises RedirectRefused for one that no client can have."""
    wanted = list(dict.fromkeys(uris))
    for place, uri in enumerate(wanted):
        if not _is_possible(uri):
            detail = f"{show(uri)} is no redirect URI. {RedirectRefused.advice}"
            raise RedirectRefused(
                detail, errors=[FieldError(f"redirect_uris[{place}]", RedirectRefused.code, detail)]
            )
    return wanted


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """True when `uri` is one of the `registered`, or differs in the port on a loopback address alone."""
    if not _is_possible(uri):
        return False
    wanted = _portless(uri)
    return any(uri == known or (wanted is not None and wanted == _portless(known)) for known in registered)


def is_loopback(uri: str) -> bool:
    """True for a program on the person's own machine, where any other program could listen as well."""
    return _LOOPBACK.fullmatch(uri) is not None


def _is_possible(uri: str) -> bool:
    if len(uri) > _LENGTH:
        return False
    return bool(_HTTPS.fullmatch(uri) or _LOOPBACK.fullmatch(uri))


def _portless(uri: str) -> tuple[str, str] | None:
    found = _LOOPBACK.fullmatch(uri)
    return None if found is None else (found[1], found[2])
