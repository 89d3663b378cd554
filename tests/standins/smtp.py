"""A mail server on loopback that speaks SMTP for real: STARTTLS, TLS from the first byte, AUTH, and refusing."""

from __future__ import annotations

import base64
import io
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO


@dataclass
class Mailbox:
    """What the server took, and how it behaves. `refuses` is the answer to RCPT, where it takes nobody."""

    host: str = "127.0.0.1"
    port: int = 0
    mails: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    signed_in: list[tuple[str, str]] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)
    refuses: bytes = b""
    silent: bool = False
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False


class _Session(socketserver.BaseRequestHandler):
    def setup(self) -> None:
        self.box: Mailbox = self.server.box  # type: ignore[attr-defined]
        self.secure = False
        self.lines: IO[bytes] = io.BytesIO()
        if self.box.implicit_tls:
            self._secure()

    def _secure(self) -> None:
        assert self.box.tls is not None
        plain = self.request
        self.request = self.box.tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self.secure = True
        try:
            self.request.do_handshake()
        except OSError:
            self.request.close()
            raise

    def handle(self) -> None:
        if self.box.silent:
            self.request.recv(1)
            return
        self.lines = self.request.makefile("rb")
        self._say(b"220 standin")
        # Read anew each time: STARTTLS changes what is read from.
        while line := self.lines.readline():
            verb, _, rest = line.strip().partition(b" ")
            answer = getattr(self, f"do_{verb.decode().lower()}", None)
            if answer is None:
                self._say(b"502 not here")
            elif answer(rest) is False:
                return

    def finish(self) -> None:
        if self.secure:
            self.lines.close()
            self.request.close()

    def _say(self, *lines: bytes) -> None:
        self.request.sendall(b"".join(line + b"\r\n" for line in lines))

    def do_ehlo(self, _rest: bytes) -> None:
        offers = [b"AUTH PLAIN"] + ([b"STARTTLS"] if self.box.tls and not self.secure else [])
        said = [b"standin", *offers]
        self._say(*(b"250-" + one for one in said[:-1]), b"250 " + said[-1])

    def do_starttls(self, _rest: bytes) -> None:
        self._say(b"220 go on")
        self._secure()
        self.lines = self.request.makefile("rb")

    def do_auth(self, rest: bytes) -> None:
        _, user, password = base64.b64decode(rest.removeprefix(b"PLAIN ")).split(b"\0")
        self.box.signed_in.append((user.decode(), password.decode()))
        self._say(b"235 welcome")

    def do_mail(self, _rest: bytes) -> None:
        self._say(b"250 ok")

    def do_rcpt(self, rest: bytes) -> None:
        if not self.box.refuses:
            self.box.recipients.append(rest.decode().partition("<")[2].partition(">")[0])
        self._say(self.box.refuses or b"250 ok")

    def do_data(self, _rest: bytes) -> None:
        self._say(b"354 go on")
        body = b"".join(iter(self.lines.readline, b".\r\n"))
        self.box.mails.append(body)
        self.box.over_tls.append(self.secure)
        self._say(b"250 taken")

    def do_rset(self, _rest: bytes) -> None:
        self._say(b"250 ok")

    def do_quit(self, _rest: bytes) -> bool:
        self._say(b"221 bye")
        return False


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    box: Mailbox

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves in the middle is part of the tests."""


@contextmanager
def mail_server(box: Mailbox | None = None) -> Iterator[Mailbox]:
    """Serve on a free port of loopback while the block runs."""
    made = box or Mailbox()
    with _Server((made.host, 0), _Session) as server:
        server.box = made
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
