"""Whether this machine can run Packmule: standard library only, so that it works before anything is installed."""

import importlib.util
import platform
import sys


def objection() -> str:
    """Why this machine cannot run Packmule, in a sentence; empty when it can."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the one place that an older Python reads
        return f"Packmule needs Python 3.11 or newer; this is {platform.python_version()}."
    if sys.platform not in ("linux", "darwin"):
        return f"Packmule runs on Linux (glibc) and macOS; this is {platform.system()}."
    if platform.python_implementation() != "CPython":
        return f"Packmule needs CPython; this is {platform.python_implementation()}."
    if sys.platform == "linux" and platform.libc_ver()[0] != "glibc":
        return "Packmule needs a Linux with glibc; this one (Alpine, perhaps) has another C library."
    if platform.machine() not in ("x86_64", "aarch64", "arm64"):
        return f"There is no embedded Postgres for this processor ({platform.machine()})."
    return ""


def installation_objection() -> str:
    """As `objection`; also why this Python could not make the folder .venv."""
    if objection():
        return objection()
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return ""
    return (
        "This Python cannot make virtual environments: on Debian or Ubuntu install the package python3-venv."
    )


if __name__ == "__main__":
    sys.exit(installation_objection() or 0)
