"""Installing the other queues into a folder that is thrown away, each in a place of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

VERSIONS = {"procrastinate": "3.10.0", "pg-boss": "12.38.0", "graphile-worker": "0.18.0"}
PSYCOPG, PG, NODE = "3.3.9", "8.23.1", "22.23.3"
#: The oldest Node that the two packages say they run on.
_NODE_AT_LEAST = (22, 18)
_NPM = ["npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
_WITHIN = 300


@dataclass
class Kit:
    """What starts a driver of each package: the interpreter, and the folder to start it in. `missing` says why not."""

    commands: dict[str, tuple[str, Path]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def install(folder: Path) -> Kit:
    """Install all that can be installed below `folder`; what cannot be is named in `missing`, with the reason."""
    kit = Kit()
    _try(kit, "procrastinate", partial(_python, folder / "procrastinate"))
    try:
        node = _node(folder / "node")
    except (OSError, subprocess.SubprocessError) as error:
        reason = f"no Node of {'.'.join(map(str, _NODE_AT_LEAST))} or newer: {_told(error)}"
        kit.missing |= {"pg-boss": reason, "graphile-worker": reason}
        return kit
    for name in ("pg-boss", "graphile-worker"):
        _try(kit, name, partial(_packages, node, folder, name))
    return kit


def _try(kit: Kit, name: str, get: Callable[[], tuple[str, Path]]) -> None:
    try:
        kit.commands[name] = get()
    except (OSError, subprocess.SubprocessError) as error:
        kit.missing[name] = _told(error)


def _told(error: Exception) -> str:
    """The last lines of what a failed command said, else the error itself."""
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else ""
    return " ".join((said or str(error)).strip().splitlines()[-3:])


def _python(folder: Path) -> tuple[str, Path]:
    _run([sys.executable, "-m", "venv", str(folder)])
    python = str(folder / "bin" / "python")
    wanted = [f"procrastinate=={VERSIONS['procrastinate']}", f"psycopg[binary]=={PSYCOPG}"]
    _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *wanted])
    return python, folder


def _node(folder: Path) -> str:
    """The Node of this machine where it is new enough, else one from npm."""
    found = re.match(r"v(\d+)\.(\d+)", _run(["node", "--version"]))
    if found and (int(found[1]), int(found[2])) >= _NODE_AT_LEAST:
        return "node"
    return str(_npm(folder, f"node@{NODE}") / "node_modules" / "node" / "bin" / "node")


def _packages(node: str, folder: Path, name: str) -> tuple[str, Path]:
    return node, _npm(folder / name, f"{name}@{VERSIONS[name]}", f"pg@{PG}")


def _npm(folder: Path, *packages: str) -> Path:
    folder.mkdir()
    _run([*_NPM, "--prefix", str(folder), *packages])
    return folder


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=_WITHIN).stdout
