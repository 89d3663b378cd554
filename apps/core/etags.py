"""Versions as ETags: version 3 of a thing is `"v3"`, and If-Match says which version was read."""

from __future__ import annotations

import re

from apps.core import problems
from apps.core.problems import show

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_VERSION = re.compile(r'"v([1-9][0-9]{0,17})"')

#: What a well-formed tag that was never given out stands for; versions start at 1.
NO_VERSION = 0


def etag(version: int) -> str:
    """Return the strong ETag of `version`."""
    return f'"v{version}"'


def expected_version(header: str | None) -> int | None:
    """Return the version that If-Match names; None where it is absent or `*`, so that any will do.

    A tag that this server never gave out is NO_VERSION. Raises MalformedRequest for weak tags, for several
    different versions and for anything that is no entity tag.
    """
    if header is None or header.strip() == "*":
        return None
    versions = {_version(tag.strip(), header) for tag in header.split(",")}
    if len(versions) > 1:
        raise problems.MalformedRequest(
            f"If-Match {show(header)} names several versions; name the one you read."
        )
    return versions.pop()


def check_version(expected: int | None, current: int) -> None:
    """Raise PreconditionFailed unless `expected` is None or the `current` version."""
    if expected is not None and expected != current:
        raise problems.PreconditionFailed(
            f"If-Match names another version than the current {etag(current)}. "
            f"{problems.PreconditionFailed.advice}",
            headers={"ETag": etag(current)},
            extra={"current_version": current},
        )


def _version(tag: str, header: str) -> int:
    if not _TAG.fullmatch(tag):
        raise problems.MalformedRequest(
            f'If-Match {show(header)} is no entity tag; send it as it came, "v3".'
        )
    if tag.startswith("W/"):
        raise problems.MalformedRequest(
            f"If-Match {show(header)} is a weak tag, which cannot guard a change."
        )
    found = _VERSION.fullmatch(tag)
    return int(found[1]) if found else NO_VERSION
