"""Receivers of webhooks that hang, redirect, fail, are gone, say three gigabytes or garbage; and one that is well."""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from tests.faults.installation import Installation, installed
from tests.faults.product import UNLIMITED, Product, Space, working
from tests.standins.outside import Asked, Page, Say, answer, outside

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at memory in /proc"),
]

EVENTS = 8
_CHUNK = b"x" * 2**20
_SIZE = 3 * 2**30
#: The code of the error that each receiver leads to.
WRONG = {
    "/hangs": "answer_too_slow",
    "/redirects": "redirect",
    "/fails": "status_500",
    "/gone": "status_410",
    "/floods": "answer_too_large",
    "/swells": "answer_too_large",
    "/babbles": "unreachable",
    "/vanishes": "unreachable",
}
#: The most memory that a worker has, whatever it is sent, in bytes.
_MEMORY = 400 * 2**20


def hang(_asked: Asked, say: Say) -> None:
    """Say nothing until the other side has gone."""
    for _ in range(400):
        time.sleep(0.1)
        say(b"")


def flood(_asked: Asked, say: Say) -> None:
    """Announce three gigabytes, and send them."""
    say(f"HTTP/1.1 200 OK\r\nContent-Length: {_SIZE}\r\n\r\n".encode())
    for _ in range(_SIZE // len(_CHUNK)):
        say(_CHUNK)


def swell(_asked: Asked, say: Say) -> None:
    """Send three gigabytes unannounced."""
    say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(_SIZE // len(_CHUNK)):
        say(f"{len(_CHUNK):x}\r\n".encode() + _CHUNK + b"\r\n")


def babble(_asked: Asked, say: Say) -> None:
    """Say what is no HTTP."""
    say(bytes(range(256)) * 4)


def vanish(_asked: Asked, _say: Say) -> None:
    """Hang up."""


class Log:
    """The receiver that is well: which events came, and when."""

    def __init__(self) -> None:
        self.came: defaultdict[str, list[float]] = defaultdict(list)

    def page(self, asked: Asked, say: Say) -> None:
        """Take it."""
        self.came[asked.headers["webhook-id"]].append(time.monotonic())
        answer(b"thanks")(asked, say)


PAGES: dict[str, Page] = {
    "/hangs": hang,
    "/redirects": answer(b"", "302 Found", Location="http://127.0.0.1:1/secret"),
    "/fails": answer(b"no soup today", "500 Internal Server Error"),
    "/gone": answer(b"", "410 Gone"),
    "/floods": flood,
    "/swells": swell,
    "/babbles": babble,
    "/vanishes": vanish,
}


class Memory(threading.Thread):
    """Watches the most memory that the worker takes, for as long as the block lasts."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(daemon=True)
        self.pid = installation.pids("worker")[0]
        self.most = 0
        self.done = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.join()

    def run(self) -> None:
        """Look ten times a second, until the worker dies."""
        status = Path(f"/proc/{self.pid}/status")
        while not self.done.wait(0.1) and status.exists():
            for line in status.read_text().splitlines():
                if line.startswith("VmRSS:"):
                    self.most = max(self.most, int(line.split()[1]) * 1024)


@pytest.fixture
def well() -> Log:
    return Log()


@pytest.fixture
def product(tmp_path: Path, well: Log) -> Iterator[tuple[Product, str]]:
    with outside({**PAGES, "/well": well.page}) as server, installed(UNLIMITED) as installation:
        made = Product(installation, tmp_path, server.url("/unused"))
        with working(made):
            yield made, server.url("")


def test_bad_receivers_harm_neither_the_worker_nor_the_good_one(
    product: tuple[Product, str], well: Log
) -> None:
    made, url = product
    space = made.spaces[0]
    caller = made.callers[space.tenant]
    endpoints = {
        path: caller.made(
            "/v1/webhook-endpoints", {"url": url + path, "event_types": ["organization.created"]}
        )
        for path in (*WRONG, "/well")
    }
    began = time.monotonic()
    with Memory(made.installation) as memory:
        for number in range(EVENTS):
            caller.made("/v1/organizations", {"name": f"n{number}", "slug": f"n{number}"})
        await_all(made, space, endpoints)
    assert made.installation.pids("worker") == [memory.pid], "the worker died of it"
    last = max(time_ for times in well.came.values() for time_ in times) - began
    print(f"\n{EVENTS} events to {len(endpoints)} endpoints: the good one had all after {last:.1f} s,"
          f" the others were tried after {time.monotonic() - began:.1f} s; {memory.most / 2**20:.0f} MiB")  # fmt: skip
    assert len(well.came) == EVENTS
    assert all(len(times) == 1 for times in well.came.values())
    assert memory.most < _MEMORY
    check_endpoints(made, space, endpoints)


def await_all(made: Product, space: Space, endpoints: dict[str, Any]) -> None:
    """Wait until each delivery was tried."""
    limit = time.monotonic() + 240
    left: dict[str, int] = {}
    while time.monotonic() < limit:
        left = {
            path: sum(
                one["attempt"] == 0 and one["state"] == "pending" for one in deliveries(made, space, row)
            )
            for path, row in endpoints.items()
        }
        if not any(left.values()):
            return
        time.sleep(0.5)
    pytest.fail(f"not tried: {left}")


def deliveries(made: Product, space: Space, endpoint: dict[str, Any]) -> list[Any]:
    """Those to one endpoint."""
    path = f"/v1/webhook-endpoints/{endpoint['id']}/deliveries?limit=100"
    return list(made.callers[space.tenant].get(path)["data"])


def check_endpoints(made: Product, space: Space, endpoints: dict[str, Any]) -> None:
    """Each failure is written down as what it was, and is tried again; 410 is the end of its endpoint."""
    for path, code in WRONG.items():
        found = deliveries(made, space, endpoints[path])
        # Nothing more is sent to one that is gone.
        assert (1 <= len(found) <= EVENTS) if path == "/gone" else (len(found) == EVENTS)
        first = [one["attempts"][0] for one in found if one["attempts"]]
        known = {code, "endpoint_disabled"} if path == "/gone" else {code}
        assert {one["error"]["code"] for one in first} <= known, (path, first[:2])
        assert all(one["seconds"] < 12 for one in first)
        states = {one["state"] for one in found}
        assert states == ({"failed"} if path == "/gone" else {"pending"}), (path, states)
        shown = made.callers[space.tenant].get(f"/v1/webhook-endpoints/{endpoints[path]['id']}")
        assert shown["enabled"] is (path != "/gone")
    good = deliveries(made, space, endpoints["/well"])
    assert [one["state"] for one in good] == ["succeeded"] * EVENTS
