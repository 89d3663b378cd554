"""Asking a scanner about bytes: clamd over its INSTREAM protocol, where PACKMULE_SCANNER names one.

The protocol is described in clamd(8): a command, chunks behind their length in four bytes, an empty one, and a line.
"""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings

from apps.storage.errors import ScannerUnreachable
from apps.storage.models import Scan

logger = logging.getLogger("packmule.storage")
PORT = 3310
#: Connecting, and each wait for the scanner to take or say something.
_SECONDS = 30.0
_MOST_SAID = 4096


def is_configured() -> bool:
    """True where files are scanned."""
    return bool(settings.PACKMULE_SCANNER)


def longest_silence() -> timedelta:
    """For how long a scanner may keep whoever asks it waiting; none where there is no scanner."""
    return timedelta(seconds=_SECONDS if is_configured() else 0)


def scan(chunks: Iterator[bytes]) -> Scan:
    """What the scanner says about the content `chunks`, of which some may be left unread.

    SKIPPED where there is none, and PENDING when it does not answer: it is asked again later.
    """
    if not is_configured():
        return Scan.SKIPPED
    try:
        return ask(chunks)
    except ScannerUnreachable as problem:
        logger.warning("%s", problem.detail)
        return Scan.PENDING


def ask(chunks: Iterator[bytes]) -> Scan:
    """CLEAN or INFECTED, as the scanner says; PENDING when it says neither. Raises ScannerUnreachable."""
    answer = _answer(chunks)
    if answer.endswith(" FOUND"):
        logger.warning("the scanner found %s", answer.removeprefix("stream: ").removesuffix(" FOUND"))
        return Scan.INFECTED
    if answer == "stream: OK":
        return Scan.CLEAN
    logger.warning("the scanner did not scan: %s", answer[:200] or "it hung up")
    return Scan.PENDING


def _answer(chunks: Iterator[bytes]) -> str:
    where = urlsplit(settings.PACKMULE_SCANNER)
    try:
        with socket.create_connection((where.hostname or "", where.port or PORT), _SECONDS) as scanner:
            _send(scanner, chunks)
            return _line(scanner)
    except OSError as failure:
        raise ScannerUnreachable(f"The scanner does not answer ({type(failure).__name__}).") from None


def _send(scanner: socket.socket, chunks: Iterator[bytes]) -> None:
    try:
        scanner.sendall(b"zINSTREAM\0")
        for chunk in chunks:
            if chunk:
                scanner.sendall(struct.pack("!I", len(chunk)) + chunk)
        scanner.sendall(struct.pack("!I", 0))
    except (BrokenPipeError, ConnectionResetError):
        # It says why and hangs up while it is still being sent to, above its own limit for example.
        return


def _line(scanner: socket.socket) -> str:
    said = b""
    while not said.endswith(b"\0") and len(said) < _MOST_SAID:
        more = scanner.recv(_MOST_SAID)
        if not more:
            break
        said += more
    return said.rstrip(b"\0\n").decode("utf-8", "replace")
