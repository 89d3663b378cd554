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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from apps.core import processes
from tests.needing import require

BUCKET, ACCESS_KEY, SECRET_KEY = "packmule-tests", "packmule-tests", "made-up-secret-for-tests"
_STARTING_SECONDS = 60
#: What lies in the bucket from the beginning.
_LIES_THERE = "started"
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


def require_server() -> None:
    """Go on where it can be run; see needing.require."""
    require(program(), "There is no build of the S3 server for this machine.")


def program() -> str | None:
    """The server's program, which comes with the requirements of the tests; None where there is no build of it."""
    return shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")


class Machine:
    """The machine on which it runs: it can be stopped and started again, and has then what it had before."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._log = folder, folder / "log"
        self._ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        self._child: subprocess.Popen[bytes] | None = None
        self._is_new = True
        self.server = S3Server(f"http://127.0.0.1:{self._ports['s3']}")

    def start(self) -> None:
        """Run it, and return when it gives what lies there; the first time, when it has a bucket."""
        with self._log.open("wb") as said:
            self._child = processes.spawn(
                _command(self._folder, self._ports), end_with=signal.SIGKILL, stdout=said, stderr=said
            )
        _wait_for(self._answers if self._is_new else self._gives, self._child, self._log)
        if self._is_new:
            _make_bucket(self.server)
            self._is_new = False

    def _answers(self) -> bool:
        """Whether it refuses who is nobody, which it does as soon as it can do anything."""
        try:
            urllib.request.urlopen(self.server.endpoint, timeout=1)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return False

    def _gives(self) -> bool:
        """Whether it finds its disks, which come after the rest of it."""
        try:
            with closing(_client(self.server)) as client:
                client.get_object(Bucket=self.server.bucket, Key=_LIES_THERE)["Body"].read()
        except (BotoCoreError, ClientError):
            return False
        return True

    def stop(self) -> None:
        """Have it answer no more, as when its power is cut; what it took is on its disk."""
        if self._child is not None:
            processes.kill_group(self._child)
            self._child = None


@contextmanager
def machine() -> Iterator[Machine]:
    """A machine of its own with a bucket, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="pm-s3-") as folder:
        made = Machine(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.stop()


@contextmanager
def serving() -> Iterator[S3Server]:
    """Run it on free ports with a folder of its own, both gone afterwards."""
    with machine() as made:
        yield made.server


def _command(folder: Path, ports: dict[str, int]) -> Sequence[str]:
    identities = folder / "identities.json"
    identities.write_text(json.dumps({"identities": [_IDENTITY]}))
    data = folder / "data"
    data.mkdir(exist_ok=True)
    listening = [
        f"-{name.replace('.', '.port.') if '.' in name else name + '.port'}={port}"
        for name, port in ports.items()
    ]
    return [
        str(program()), "-logtostderr", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={data}", "-s3",
        f"-s3.config={identities}", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-master.volumeSizeLimitMB=128", "-volume.max=20", "-master.electionTimeout=1s", *listening,
    ]  # fmt: skip


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _make_bucket(server: S3Server) -> None:
    with closing(_client(server)) as client:
        client.create_bucket(Bucket=server.bucket)
        client.put_object(Bucket=server.bucket, Key=_LIES_THERE, Body=b"1")


def _client(server: S3Server) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    )


def _wait_for(happens: Callable[[], bool], child: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < until and child.poll() is None:
        if happens():
            return
        time.sleep(0.1)
    raise RuntimeError(f"The S3 server did not start:\n{log.read_text()[-3000:]}")
