"""Commands in a second terminal, which knows nothing of a running installation but its data directory and a key."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from bench.installation import ROOT, Installation, folder
from tests.installed import running

pytestmark = pytest.mark.slow


def typed(data: Path, key: str, *words: str) -> tuple[int, Any, str]:
    """The exit code and the document of a command, and what it said besides."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PACKMULE_")}
    done = subprocess.run(
        [sys.executable, "manage.py", *words, "--json"],
        cwd=ROOT,
        env=clean | {"PACKMULE_DATA_DIR": str(data), "PACKMULE_KEY": key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout or "null"), done.stderr


def key_of_an_environment(installation: Installation) -> str:
    """A secret key of menugen/development."""
    installation.call("POST", "/v1/applications", {"slug": "menugen", "name": "MenuGen"})
    keys = "/v1/applications/menugen/environments/development/keys"
    made = installation.call("POST", keys, {"name": "dev", "kind": "secret", "scopes": ["*"]})
    return str(made["secret"])


def test_files_there_and_back_beside_a_running_installation(tmp_path: Path) -> None:
    source, target = tmp_path / "menu.txt", tmp_path / "back.txt"
    source.write_text("Ramen 14.50\n")
    with folder() as made:
        data = made / "data"
        with running(data) as installation:
            key, port = key_of_an_environment(installation), int(installation.url.rpartition(":")[2])
            note = data / "lock"
            assert json.loads(note.read_text())["port"] == port
            assert stat.S_IMODE(note.stat().st_mode) == 0o600
            assert typed(data, key, "buckets", "create", "--name", "menus")[0] == 0
            code, sent, said = typed(data, key, "files", "upload", str(source), "--bucket", "menus")
            assert (code, sent["status"]) == (0, "ready"), (sent, said)
            code, _, said = typed(data, key, "files", "download", sent["id"], str(target))
            assert (code, target.read_text()) == (0, "Ramen 14.50\n"), said
            code, link, said = typed(data, key, "files", "link", sent["id"])
            assert (code, link["url"].startswith(f"{installation.url}/storage/")) == (0, True), said
            with urllib.request.urlopen(link["url"]) as answer:
                assert answer.read() == b"Ramen 14.50\n"
        assert note.read_text() == ""
        for words in (("files", "upload", str(source), "--bucket", "menus"), ("tenants", "list")):
            code, problem, said = typed(data, key, *words)
            assert (code, problem["remedy"]["command"]) == (1, "manage.py up"), said
            assert str(data) in problem["detail"], problem
