"""Child processes that do not outlive their parent, and what can be known about a process by its id."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
# Loaded here because the child may not load anything between fork and exec.
_LIBC = ctypes.CDLL(None, use_errno=True) if _LINUX else None


def spawn(
    command: Sequence[str],
    *,
    end_with: signal.Signals,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    identity: tuple[int, int] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own, which is sent `end_with` when this process dies in any
    way.

    `identity` is the (uid, gid) to run under; only root may give one. On Linux the kernel watches the
    calling *thread*, so call this from one that lives as long as the process should. Elsewhere a small
    watcher process polls.
    """
    extra: dict[str, Any] = {}
    if identity is not None:
        extra = {"user": identity[0], "group": identity[1], "extra_groups": []}
    child = subprocess.Popen(
        list(command),
        env=None if env is None else dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=partial(follow, os.getpid(), end_with),
        **extra,
    )
    if not _LINUX:
        _watch(child.pid, end_with)
    return child


def follow(parent: int, number: signal.Signals) -> None:
    """Have the kernel send `number` to this process when its parent process `parent` dies; nothing off Linux.

    To be called after a change of user, which forgets the request.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died before the request
            os.kill(os.getpid(), signal.SIGKILL)


def _watch(pid: int, number: signal.Signals) -> None:
    watcher = Path(__file__).with_name("watcher.py")
    subprocess.Popen(
        [sys.executable, "-S", str(watcher), str(os.getpid()), str(pid), str(int(number))],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def is_zombie(pid: int) -> bool:
    """Whether process `pid` has ended but nobody has collected it."""
    return _state(pid).startswith("Z")


def is_alive(pid: int) -> bool:
    """Whether process `pid` exists and has not ended."""
    return _state(pid) not in ("", "Z")


def _state(pid: int) -> str:
    """The letter of the state of `pid`, or an empty text when there is no such process."""
    if _LINUX:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            return ""
    shown = subprocess.run(
        ["/bin/ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()[:1]


def working_directory(pid: int) -> Path | None:
    """The folder process `pid` works in, or None where that cannot be seen (another user's process, no
    /proc).
    """
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None


def working_in(folder: Path) -> list[int]:
    """Ids of the processes that work in `folder`; empty where there is no /proc."""
    known = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [pid for pid in known if working_directory(pid) == folder]


def end_group(child: subprocess.Popen[bytes], grace: float) -> None:
    """Ask `child` to end with SIGTERM; after `grace` seconds, or when only its own children are left, kill
    its group.
    """
    if child.poll() is None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace)
    kill_group(child)


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of the process group that `child` leads, and collect `child`."""
    # PermissionError is macOS's answer for a group of which only a zombie is left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
