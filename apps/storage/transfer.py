"""Carrying a file of this machine to the store and back, as a client does: by the requests that the API signs."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from apps.core.commands import BadUsage
from apps.core.problems import ServiceUnavailable, show

#: Makes a call of the API: method, path and body; returns the document.
Ask = Callable[[str, str, Mapping[str, Any] | None], dict[str, Any]]
_CHUNK = 2**20
_PATIENCE = 60.0


class TransferFailed(ServiceUnavailable):
    """The store that a signed request leads to did not take, or give, the bytes."""

    code, title = "transfer_failed", "The bytes did not get through"
    advice = "See that the store can be reached from here, then do it again."


def upload(ask: Ask, source: Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Send the file at `source` as `fields` say (bucket, name, content_type); returns it as it is then.

    Raises BadUsage when it cannot be read, TransferFailed, and what `ask` raises.
    """
    size, digest = _measured(source)
    said = {"name": source.name, "content_type": _type_of(source), "size": size, "sha256": digest}
    made = ask("POST", "/v1/files", {**said, **fields})
    cut = made["upload"]["multipart"]
    for number in range(1, cut["parts"] + 1) if cut else (1,):
        signed = ask("GET", f"/v1/files/{made['id']}/parts/{number}", None) if cut else made["upload"]
        start = (number - 1) * cut["part_size"] if cut else 0
        _put(signed, source, start, min(cut["part_size"], size - start) if cut else size)
    return ask("POST", f"/v1/files/{made['id']}/complete", {})


def download(ask: Ask, file: str, target: Path) -> dict[str, Any]:
    """Write the bytes of `file` to `target`, whole or not at all; returns what the API says of it.

    Raises BadUsage when `target` is there or cannot be written, TransferFailed, and what `ask` raises.
    """
    if target.exists():
        raise BadUsage(f"{show(str(target))} is there already; name a file that is not.")
    path = f"/v1/files/{quote(file, safe='')}"
    found, signed = ask("GET", path, None), ask("GET", f"{path}/link", None)
    partial = target.with_name(f"{target.name}.partial")
    try:
        with partial.open("wb") as sink, _open(Request(signed["url"], headers=signed["headers"])) as answer:  # noqa: S310
            digest = _copied(answer, sink)
        if digest != found["sha256"]:
            raise TransferFailed(f"Other bytes came than the file has. {TransferFailed.advice}")
        partial.rename(target)
    except OSError as wrong:
        raise BadUsage(f"{show(str(target))} cannot be written: {wrong.strerror}.") from None
    finally:
        partial.unlink(missing_ok=True)
    return found


def _measured(source: Path) -> tuple[int, str]:
    try:
        with source.open("rb") as stream:
            return source.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as wrong:
        raise BadUsage(f"{show(str(source))} cannot be read: {wrong.strerror}.") from None


def _type_of(source: Path) -> str:
    """What the name says; the bytes are looked at anyway."""
    return mimetypes.guess_type(source.name)[0] or "application/octet-stream"


def _put(signed: Mapping[str, Any], source: Path, start: int, size: int) -> None:
    headers = {**signed["headers"], "Content-Length": str(size), "Content-Type": "application/octet-stream"}
    with source.open("rb") as stream:
        stream.seek(start)
        body = _chunks(stream, size)
        with _open(Request(signed["url"], body, headers, method=signed["method"])):  # noqa: S310
            return


def _chunks(stream: IO[bytes], size: int) -> Iterator[bytes]:
    while size and (chunk := stream.read(min(_CHUNK, size))):
        size -= len(chunk)
        yield chunk


def _copied(answer: IO[bytes], sink: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := answer.read(_CHUNK):
        digest.update(chunk)
        sink.write(chunk)
    return digest.hexdigest()


def _open(request: Request) -> Any:
    """Make a request that the API signed. Raises TransferFailed for whatever comes of it but the answer."""
    try:
        return urlopen(request, timeout=_PATIENCE)  # noqa: S310 - the address is the API's own
    except HTTPError as refused:
        with refused:
            raise TransferFailed(f"The store answered {refused.code}. {TransferFailed.advice}") from None
    except (URLError, HTTPException, OSError) as failure:
        raise TransferFailed(f"The store does not answer ({failure}). {TransferFailed.advice}") from None
