"""A real S3 server on loopback (SeaweedFS): a process of its own, which verifies signatures and knows nothing of us."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3

from apps.core import processes

BUCKET, ACCESS_KEY, SECRET_KEY = "packmule-tests", "packmule-tests", "made-up-secret-for-tests"
_STARTING_SECONDS = 60
_PORTS = ("master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3", "s3.grpc")
_IDENTITY = {
    "name": "packmule",
    "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
    "actions": ["Admin", "Read", "Write", "List"],
}


@dataclass(frozen=True)
class S3Server:
    """Where it answers, and whom it lets in."""

    endpoint: str
    bucket: str = BUCKET
    region: str = "us-east-1"
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY

    def settings(self) -> dict[str, str | bool]:
        """The settings that make it the store."""
        return {
            "PACKMULE_S3_BUCKET": self.bucket,
            "PACKMULE_S3_ENDPOINT": self.endpoint,
            "PACKMULE_S3_REGION": self.region,
            "PACKMULE_S3_ACCESS_KEY": self.access_key,
            "PACKMULE_S3_SECRET_KEY": self.secret_key,
            "PACKMULE_S3_PATH_STYLE": True,
        }


def program() -> str | None:
    """The server's program, which comes with the requirements of the tests; None where there is no build of it."""
    return shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")


@contextmanager
def serving() -> Iterator[S3Server]:
    """Run it on free ports with a folder of its own, both gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="pm-s3-") as folder:
        ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        log = Path(folder) / "log"
        with log.open("wb") as said:
            child = processes.spawn(
                _command(Path(folder), ports), end_with=signal.SIGKILL, stdout=said, stderr=said
            )
        try:
            server = S3Server(f"http://127.0.0.1:{ports['s3']}")
            _wait_for(server, child, log)
            _make_bucket(server)
            yield server
        finally:
            processes.end_group(child, 5)


def _command(folder: Path, ports: dict[str, int]) -> Sequence[str]:
    identities = folder / "identities.json"
    identities.write_text(json.dumps({"identities": [_IDENTITY]}))
    data = folder / "data"
    data.mkdir()
    listening = [
        f"-{name.replace('.', '.port.') if '.' in name else name + '.port'}={port}"
        for name, port in ports.items()
    ]
    return [
        str(program()), "-logtostderr", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={data}", "-s3",
        f"-s3.config={identities}", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-master.volumeSizeLimitMB=128", "-volume.max=20", *listening,
    ]  # fmt: skip


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _make_bucket(server: S3Server) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    )
    client.create_bucket(Bucket=server.bucket)


def _wait_for(server: S3Server, child: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until it refuses who is nobody, which it does as soon as it can do anything."""
    until = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < until and child.poll() is None:
        try:
            urllib.request.urlopen(server.endpoint, timeout=1)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"The S3 server did not start:\n{log.read_text()[-3000:]}")
