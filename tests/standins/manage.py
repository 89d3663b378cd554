"""Stands in for the real manage.py, so that starting and watching is tested without Django.

`serve` and `stream` say what their environment says; `crash` in the data directory names a command that ends at once.
"""

import json
import os
import signal
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from apps.core import processes

DATA = Path(os.environ["PACKMULE_DATA_DIR"])


def prepare() -> None:
    print("preparing", file=sys.stderr)
    time.sleep(float(os.environ.get("STANDIN_PREPARE_SECONDS", "0")))
    print(json.dumps({"console_key": "pmk_x", "admin_email": "a@example.test", "admin_password": "secret"}))


def worker() -> None:
    (DATA / "worker.pid").write_text(str(os.getpid()))
    while True:
        time.sleep(60)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    allow_reuse_port = True
    daemon_threads = True


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        names = (
            "PACKMULE_DATABASE_URL",
            "PACKMULE_OWNER_DATABASE_URL",
            "PACKMULE_PORT",
            "PACKMULE_SECRET_KEY",
        )
        body = json.dumps({name: os.environ[name] for name in names} | {"pid": os.getpid()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve() -> None:
    # As granian: a server with processes of its own, tied to it.
    server_pid = os.getpid()
    if os.fork() == 0:
        processes.follow(server_pid, signal.SIGKILL)
        (DATA / "web-child.pid").write_text(str(os.getpid()))
        time.sleep(60)
        os._exit(0)
    with Server((os.environ["PACKMULE_HOST"], int(os.environ["PACKMULE_PORT"])), Handler) as server:
        server.serve_forever()


def stream() -> None:
    (DATA / "stream.pid").write_text(str(os.getpid()))
    with Server((os.environ["PACKMULE_HOST"], int(os.environ["PACKMULE_STREAM_PORT"])), Handler) as server:
        server.serve_forever()


def main() -> None:
    crash = DATA / "crash"
    if crash.is_file() and crash.read_text() == sys.argv[1]:
        sys.exit(3)
    {"prepare": prepare, "worker": worker, "serve": serve, "stream": stream}[sys.argv[1]]()


if __name__ == "__main__":
    main()
