"""The documentation is true: its links lead somewhere, its settings exist, and what it says to type works."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bench.installation import folder, running

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"\]\((?!https?:|#|/)([^)#]+)")
_VARIABLE = re.compile(r"PACKMULE_[A-Z_]+[A-Z]")
#: Prints each answer's status after it, on a line of its own.
CURL = 'curl() { command curl -w "\\n<%{http_code}>\\n" "$@"; }'


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = [link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()]

    assert dead == []


def test_every_setting_is_documented() -> None:
    sources = [ROOT / "config" / "settings.py", ROOT / "config" / "env.py"]
    read = set(
        re.findall(r'(?:env\.\w+|text)\(\s*"(PACKMULE_\w+)"', "".join(path.read_text() for path in sources))
    )
    documented = set(_VARIABLE.findall((ROOT / "docs" / "operating.md").read_text()))

    # The port only tells installations' cookies apart; `up` sets it.
    assert read - {"PACKMULE_PORT", "PACKMULE_STATIC_ROOT"} <= documented
    assert documented <= read | {"PACKMULE_OWNER_DATABASE_URL", "PACKMULE_DATABASE_URL"}


def blocks(page: Path) -> list[str]:
    """What a page says to type into a terminal."""
    return re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.slow
def test_what_the_readme_types_works(tmp_path: Path) -> None:
    first, *story = blocks(ROOT / "README.md")
    assert "export URL=" in first
    with folder() as data, running(data / "data") as installation:
        exports = f"export URL={installation.url} KEY={installation.console_key}"
        script = "\n".join(["set -eu", CURL.replace("<%", "\\n<%"), exports, *story])
        # The secret goes through `tee` into a file that the next line reads: the status must not be in it.
        script = script.replace("| tee", "| sed '/^<[0-9]*>$/w statuses' | sed '/^<[0-9]*>$/d' | tee")
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )

    assert done.returncode == 0, done.stderr
    assert '"tenant":"console"' in done.stdout
    assert '"slug":"trattoria"' in done.stdout
    assert '"decision":"deny"' in done.stdout
    refusals = [code for code in re.findall(r"<(\d{3})>", done.stdout) if code >= "400"]
    assert refusals == ["403"], done.stdout
    assert '"code":"console_only"' in done.stdout
