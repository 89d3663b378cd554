"""A clamd for the tests: the INSTREAM protocol of clamd(8) on loopback, which finds the word EICAR."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

LIMIT = 1000


class Clamd:
    """`scanned` are the contents that it was sent; `says` replaces its verdict."""

    def __init__(self) -> None:
        self.scanned: list[bytes] = []
        self.says: bytes | None = None
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"clamav://127.0.0.1:{self._listening.getsockname()[1]}"

    def serve(self) -> None:
        """Answer until it is closed."""
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with client, client.makefile("rb") as stream:
                client.sendall(self._answer(stream) + b"\0")

    def close(self) -> None:
        """Answer no more."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _answer(self, stream: object) -> bytes:
        read = stream.read  # type: ignore[attr-defined]
        if read(len(b"zINSTREAM\0")) != b"zINSTREAM\0":
            return b"UNKNOWN COMMAND"
        content = b""
        while length := struct.unpack("!I", read(4))[0]:
            content += read(length)
            if len(content) > LIMIT:
                return b"INSTREAM size limit exceeded. ERROR"
        self.scanned.append(content)
        if self.says is not None:
            return self.says
        return b"stream: Eicar-Signature FOUND" if b"EICAR" in content else b"stream: OK"


@contextmanager
def running() -> Iterator[Clamd]:
    """One that answers inside the block."""
    made = Clamd()
    thread = Thread(target=made.serve)
    thread.start()
    try:
        yield made
    finally:
        made.close()
        thread.join()
