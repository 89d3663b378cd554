"""Reads photos with the example's Python, without a network. For each path on a line of its input, a line of JSON."""

from __future__ import annotations

import json
import resource
import socket
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from menugen.reading import UnreadablePhoto, read


def forbid(*args: object, **options: object) -> NoReturn:
    raise AssertionError(f"Reading a photo reached for the network: {args}")


def answer(path: str) -> dict[str, Any]:
    begun = time.monotonic()
    try:
        menu = read(Path(path).read_bytes())
    except UnreadablePhoto as refused:
        return {"error": refused.code, "message": str(refused)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {**asdict(menu), "seconds": round(time.monotonic() - begun, 1), "peak_mb": peak}


if __name__ == "__main__":
    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, forbid)
    socket.getaddrinfo = forbid
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(line.strip())) + "\n")
        sys.stdout.flush()
