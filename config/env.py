"""Reading the environment: typed, with a sentence when a value does not fit."""

import json
import os
import re
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

#: How long a connection is kept, and how long Postgres lets it idle: one that its thread left behind ends by itself.
CONNECTION_SECONDS = 300
_IDLE = f"-c idle_session_timeout={CONNECTION_SECONDS * 1000}"


def text(name: str, default: str = "") -> str:
    """The variable `name`, or `default` when unset or empty."""
    return os.environ.get(name, "").strip() or default


def integer(name: str, default: int) -> int:
    """The variable `name` as an int. Raises ImproperlyConfigured when it is set to something else."""
    value = text(name)
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number; it is '{value[:40]}'.") from None


def flag(name: str, *, default: bool = False) -> bool:
    """The variable `name` as a bool: 1/0, true/false, yes/no, on/off."""
    value = text(name).lower()
    known = {"": default, "1": True, "true": True, "yes": True, "on": True}
    known |= {"0": False, "false": False, "no": False, "off": False}
    if value not in known:
        raise ImproperlyConfigured(f"{name} must be true or false; it is '{value[:40]}'.")
    return known[value]


def words(name: str, default: str = "") -> list[str]:
    """The variable `name` split at commas, blanks removed."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def public_url(name: str) -> str:
    """The variable `name` as an http or https address without a path; '' when unset. Raises ImproperlyConfigured."""
    value = text(name).rstrip("/")
    if value and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", value):
        raise ImproperlyConfigured(
            f"{name} must be an address such as https://example.com; it is '{value[:60]}'."
        )
    return value


def header(name: str, default: str) -> str:
    """The variable `name` as the name of an HTTP header, without underscores. Raises ImproperlyConfigured."""
    value = text(name, default)
    if not re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", value):
        raise ImproperlyConfigured(f"{name} must be letters, digits and dashes; it is '{value[:60]}'.")
    return value


def scanner(name: str) -> str:
    """The variable `name` as clamav://HOST:PORT; '' when unset. Raises ImproperlyConfigured."""
    value = text(name).rstrip("/")
    if value and not re.fullmatch(r"clamav://([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?", value):
        raise ImproperlyConfigured(f"{name} must be clamav://HOST:PORT; it is '{value[:60]}'.")
    return value


def folder(name: str, default: Path) -> Path:
    """The folder that the variable `name` names, or `default`."""
    return Path(text(name, str(default)))


def login_file(name: str) -> Path:
    """The variable `name`, or the file in the person's own configuration in which a sign-in is kept."""
    own = Path(text("XDG_CONFIG_HOME", "~/.config")).expanduser()
    return Path(text(name, str(own / "packmule" / "login.json")))


def served_databases(folder: Path) -> dict[str, str]:
    """The URLs of the server that `up` runs on `folder`, by the variables that would name another one.

    With them, commands in a second terminal find it. Nothing when `up` never ran there, or keeps them from this user.
    """
    try:
        urls = json.loads((folder / "connection.json").read_text())
    except OSError:
        return {}
    return {f"PACKMULE_{name.upper()}": url for name, url in urls.items()}


def served_port(folder: Path, which: str = "port") -> int:
    """The port (or `stream_port`) of the installation that `up` runs on `folder`.

    0 where none runs, or hides it from this user. It is in the note that `up` keeps in its lock, which outlives a
    process that is killed.
    """
    try:
        noted = json.loads((folder / "lock").read_bytes())
        port, pid = noted.get(which), noted.get("pid")
    except (OSError, ValueError, AttributeError):
        return 0
    return port if isinstance(port, int) and isinstance(pid, int) and _runs(pid) else 0


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another account's
        return True
    return True


def database(name: str, default: str = "postgresql:///packmule", **more: Any) -> dict[str, Any]:
    """A DATABASES entry out of a libpq URL or conninfo string in the variable `name`, or of `default`.

    Connections are kept for five minutes at most, because a backend that has touched many tenants does not give its
    memory back. Raises ImproperlyConfigured when the text is no connection string; it never repeats the password.
    """
    try:
        parts = conninfo_to_dict(text(name, default))
    except ProgrammingError:
        raise ImproperlyConfigured(
            f"{name} is no PostgreSQL URL. Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE."
        ) from None
    known = {key: str(parts.pop(key, "") or "") for key in ("dbname", "user", "password", "host", "port")}
    return {
        "ENGINE": "apps.tenancy.backend",
        "NAME": known["dbname"],
        "USER": known["user"],
        "PASSWORD": known["password"],
        "HOST": known["host"],
        "PORT": known["port"],
        "CONN_MAX_AGE": CONNECTION_SECONDS,
        "OPTIONS": {
            **parts,
            "application_name": "packmule",
            "options": f"{parts.get('options', '')} {_IDLE}".strip(),
        },
        **more,
    }
