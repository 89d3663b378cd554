"""How much processor time and memory a server's processes took, read from /proc (0 where there is none)."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def web_processes(root: int) -> list[int]:
    """The processes below `root` (itself included) that serve the web."""
    return [pid for pid in _family(root) if b"serve" in _command(pid) or b"bench.bare" in _command(pid)]


def postgres_processes(root: int) -> list[int]:
    """The processes of the Postgres that runs below `root`."""
    return [pid for pid in _family(root) if b"postgres" in _command(pid)]


def _family(root: int) -> list[int]:
    """`root` and all processes below it."""
    parents = {pid: fields[1] for pid in _pids() if (fields := _stat(pid))}
    family = {root}
    while more := {pid for pid, parent in parents.items() if int(parent) in family} - family:
        family |= more
    return sorted(family)


def seconds_of(pids: list[int]) -> float:
    """Seconds of processor time that they took so far, in user and kernel."""
    found = [_stat(pid) for pid in pids]
    return sum(int(fields[11]) + int(fields[12]) for fields in found if fields) / _TICKS


def peak_memory(pids: list[int]) -> int:
    """The most resident memory in bytes that one of them ever had (0 where there is no /proc)."""
    return max((_peak(pid) for pid in pids), default=0)


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 if found else 0


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _stat(pid: int) -> list[str]:
    """The fields behind the command's name: state, parent, …; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
