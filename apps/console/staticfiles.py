"""Static files under names that change with their content, without a build step."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage


class FingerprintedStorage(StaticFilesStorage):
    """Adds `?v=` and a hash of the file to each URL: browsers may keep it for long and still get the next one."""

    def url(self, name: str | None) -> str:
        """The URL of the file `name`, fingerprinted where there is such a file."""
        plain = super().url(name)
        mark = _fingerprint(name) if name else ""
        return f"{plain}?v={mark}" if mark else plain


@cache
def _fingerprint(name: str) -> str:
    found = finders.find(name)
    return sha256(Path(str(found)).read_bytes()).hexdigest()[:12] if found else ""
