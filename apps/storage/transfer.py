"""Carrying a file of this machine to the store and back, as a client does: by the requests that the API signs."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from shlex import quote as quote_word
from socket import gaierror
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from apps.core.commands import BadUsage, Failure
from apps.core.problems import Problem, Remedy, ServiceUnavailable, show

#: Makes a call of the API: method, path and body; returns the document.
Ask = Callable[[str, str, Mapping[str, Any] | None], dict[str, Any]]
#: Is told how far something is, a line at a time.
Say = Callable[[str], None]
_CHUNK = 2**20
_PATIENCE = 60.0
#: What stores answer who sends a blob again: this server, and an S3.
_WRITTEN_ONCE = frozenset({409, 412})


class TransferFailed(ServiceUnavailable):
    """The store that a signed request leads to did not take, or give, the bytes."""

    code, title = "transfer_failed", "The bytes did not get through"
    advice = (
        "See that the store can be reached from here, which is the installation's own server unless it has an S3, then"
        " do it again."
    )


class _NotReached(TransferFailed):
    """No connection came about, so that nothing was sent."""


class _ThereAlready(TransferFailed):
    """What was sent lies there: an earlier call sent it."""


def upload(ask: Ask, source: Path, fields: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """Send the file at `source` as `fields` say (bucket, name, content_type…); returns it as it is then.

    `say` is told how far it is. Raises BadUsage when it cannot be read, TransferFailed, and what `ask` raises. Where
    the store is not reached at all, what was announced is given up, so that it holds no quota.
    """
    size, digest = _measured(source)
    said = {"name": source.name, "content_type": _type_of(source), "size": size, "sha256": digest}
    made = ask("POST", "/v1/files", {**said, **fields})
    say(f"{made['id']}: if this breaks off, go on with --resume {made['id']}")
    cut = made["upload"]["multipart"]
    parts = list(range(1, cut["parts"] + 1)) if cut else []
    try:
        return _sent(ask, source, size, made["id"], made["upload"], parts, say)
    except _NotReached as failure:
        raise TransferFailed(f"{failure.detail} {_given_up(ask, made['id'])}") from None


def resume(ask: Ask, source: Path, file: str, say: Say) -> dict[str, Any]:
    """Go on with the newest upload of `file` that is open: send what did not arrive; returns the file as it is then.

    Raises BadUsage when `source` is not what was announced, and what `upload` raises.
    """
    path = _path(file)
    opened = ask("GET", f"{path}/upload", None)
    announced = [
        row for row in ask("GET", f"{path}/versions", None)["data"] if row["number"] == opened["number"]
    ]
    size, digest = _measured(source)
    if any(row["size"] != size or row["sha256"] not in ("", digest) for row in announced):
        raise BadUsage(
            f"{show(str(source))} is not what was announced for {show(file)}; send the same bytes."
        )
    missing = ask("GET", f"{path}/parts", None)["missing"] if opened["multipart"] else []
    return _sent(ask, source, size, file, opened, missing, say)


def download(ask: Ask, file: str, target: Path) -> dict[str, Any]:
    """Write the bytes of `file` to `target`, whole or not at all; returns what the API says of it.

    Raises BadUsage when `target` is there or cannot be written, TransferFailed, and what `ask` raises.
    """
    if target.exists():
        raise BadUsage(f"{show(str(target))} is there already; name a file that is not.")
    path = _path(file)
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


def _sent(
    ask: Ask, source: Path, size: int, file: str, opened: Mapping[str, Any], parts: Sequence[int], say: Say
) -> dict[str, Any]:
    """Send `parts` of an upload that is open, all of it where it is not cut into parts, and complete it."""
    cut, path, done = opened["multipart"], _path(file), 0
    try:
        if not cut:
            _put(opened, source, 0, size)
        for number in parts:
            start = (number - 1) * cut["part_size"]
            signed = ask("GET", f"{path}/parts/{number}", None)
            _put(signed, source, start, min(cut["part_size"], size - start))
            done += 1
            say(f"{file}: {done} of {len(parts)} parts sent")
    except TransferFailed as failure:
        again = Remedy(f"manage.py files upload {quote_word(str(source))} --resume {file}")
        kind = TransferFailed if done else type(failure)
        raise kind(failure.detail, remedy=again) from None
    say(f"{file}: all {size} bytes are there, and are looked at")
    return ask("POST", f"{path}/complete", {})


def _given_up(ask: Ask, file: str) -> str:
    """Give up what was announced and cannot be sent; says what is left of it."""
    try:
        ask("DELETE", f"{_path(file)}/upload", None)
    except (Failure, Problem):
        return f"{file} stays announced for a day, unless you call manage.py files give-up-upload {file}."
    return f"Nothing is left of {file}."


def _path(file: str) -> str:
    return f"/v1/files/{quote(file, safe='')}"


def _put(signed: Mapping[str, Any], source: Path, start: int, size: int) -> None:
    """Send so many bytes. What is there already is not sent over: completing looks at the bytes anyway."""
    headers = {**signed["headers"], "Content-Length": str(size), "Content-Type": "application/octet-stream"}
    with source.open("rb") as stream:
        stream.seek(start)
        body = _chunks(stream, size)
        try:
            with _open(Request(signed["url"], body, headers, method=signed["method"])):  # noqa: S310
                return
        except _ThereAlready:
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
    """Make a request that the API signed. Raises TransferFailed for whatever comes of it but the answer.

    Of a blob that was sent before, it is the kind _ThereAlready.
    """
    try:
        return urlopen(request, timeout=_PATIENCE)  # noqa: S310 - the address is the API's own
    except HTTPError as refused:
        kind = _ThereAlready if refused.code in _WRITTEN_ONCE else TransferFailed
        with refused:
            raise kind(f"The store answered {refused.code}. {TransferFailed.advice}") from None
    except (URLError, HTTPException, OSError) as failure:
        why = getattr(failure, "reason", failure)
        kind = _NotReached if isinstance(why, ConnectionRefusedError | gaierror) else TransferFailed
        where = "{0.scheme}://{0.netloc}".format(urlsplit(request.full_url))
        raise kind(f"{where} does not answer ({why}). {TransferFailed.advice}") from None
