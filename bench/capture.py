"""The statements of one call, as PostgreSQL gets them: run inside an installation's environment by `statements_of`.

python -m bench.capture PATH KEY FILE [BODY]
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.installation import ROOT, Installation

Statement = tuple[str, Any]


def statements_of(
    installation: Installation, path: str, key: str, file: Path, body: Path | None = None
) -> list[Statement]:
    """The statements of `GET path` with `key`, with their parameters, in order; also kept in `file`.

    With a file `body`, of `POST path`: it holds JSON, in which `@` stands for the number of the call.
    """
    command = [sys.executable, "-m", "bench.capture", path, key, str(file), *([str(body)] if body else [])]
    subprocess.run(command, cwd=ROOT, env=os.environ | installation.environment, check=True)
    return read(file)


def read(file: Path) -> list[Statement]:
    """The statements that were kept in `file`."""
    kept: list[Statement] = pickle.loads(file.read_bytes())
    return kept


def _capture(path: str, key: str, body: str | None) -> list[Statement]:
    import django
    import psycopg

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.test import Client

    seen: list[Statement] = []
    execute = psycopg.Cursor.execute

    def noting(self: Any, query: Any, params: Any = None, **more: Any) -> Any:
        seen.append((query, params))
        return execute(self, query, params, **more)

    client = Client(headers={"Authorization": f"Bearer {key}", "Host": "127.0.0.1"})
    # The first call connects, and notes the key's use; the second is like all that follow.
    for number in range(2):
        psycopg.Cursor.execute = noting  # type: ignore[method-assign]
        seen.clear()
        if body is None:
            answer = client.get(path)
        else:
            answer = client.post(path, body.replace("@", str(number)), content_type="application/json")
        if answer.status_code != 200:
            raise RuntimeError(f"{answer.status_code}: {answer.content[:500]!r}")
    return seen


if __name__ == "__main__":
    sent = Path(sys.argv[4]).read_text() if sys.argv[4:] else None
    Path(sys.argv[3]).write_bytes(pickle.dumps(_capture(sys.argv[1], sys.argv[2], sent)))
