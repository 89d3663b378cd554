"""What a client says its bytes add up to: Content-MD5 (RFC 1864) and Content-Digest with SHA-256 (RFC 9530)."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apps.core.problems import MalformedRequest, show
from apps.storage.stores.errors import ChecksumDiffers

_SHA256 = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):")


class Checksums:
    """Sums that are taken while bytes pass through, held against what the headers said. Raises MalformedRequest."""

    def __init__(self, meta: Mapping[str, Any]) -> None:
        self._sums: list[tuple[str, Any, bytes]] = []
        md5, digest = str(meta.get("HTTP_CONTENT_MD5") or ""), str(meta.get("HTTP_CONTENT_DIGEST") or "")
        if md5:
            sums = hashlib.md5(usedforsecurity=False)
            self._sums.append(("Content-MD5", sums, _decoded("Content-MD5", md5, sums.digest_size)))
        if digest:
            self._sums.append(("Content-Digest", hashlib.sha256(), _sha256(digest)))

    def over(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks, added up."""
        for chunk in chunks:
            for _, sums, _ in self._sums:
                sums.update(chunk)
            yield chunk

    def require(self) -> None:
        """Raise ChecksumDiffers unless all that passed adds up to what was said."""
        for name, sums, said in self._sums:
            if not hmac.compare_digest(sums.digest(), said):
                raise ChecksumDiffers(f"{name} says something else. {ChecksumDiffers.advice}")


def _sha256(header: str) -> bytes:
    found = _SHA256.search(header)
    if found is None:
        raise MalformedRequest(f"Content-Digest {show(header)} has no sha-256=:…:, the one sum that is read.")
    return _decoded("Content-Digest", found[1], hashlib.sha256().digest_size)


def _decoded(name: str, text: str, size: int) -> bytes:
    try:
        said = b64decode(text, validate=True)
    except ValueError:
        said = b""
    if len(said) != size:
        raise MalformedRequest(f"{name} {show(text)} is not {size} bytes in base64.")
    return said
