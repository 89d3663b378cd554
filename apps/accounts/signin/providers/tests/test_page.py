"""What the page on sign-in providers says to type works."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.installation import folder
from tests.installed import running
from tests.test_docs import CURL, ROOT, blocks


@pytest.mark.slow
def test_what_the_page_types_works(tmp_path: Path) -> None:
    with folder() as data, running(data / "data") as installation:
        installation.call("POST", "/v1/applications", {"slug": "menugen", "name": "MenuGen"})
        exports = f"export URL={installation.url} KEY={installation.console_key}"
        script = "\n".join(["set -eu", CURL, exports, *blocks(ROOT / "docs" / "sign-in-providers.md")])
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("<201>") == 2, done.stdout
    assert "made up" not in done.stdout
    assert "/accounts/3rdparty/google/callback/" in done.stdout
