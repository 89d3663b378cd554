"""The documentation is true: its links lead somewhere, its settings exist, and what it says to type works."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bench.installation import folder
from tests.installed import running

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"\]\((?!https?:|#|/)([^)#]+)")
_VARIABLE = re.compile(r"PACKMULE_[A-Z0-9_]+[A-Z]")
#: Prints each answer's status after it, on a line of its own.
CURL = 'curl() { command curl -w "\\n\\n<%{http_code}>\\n" "$@"; }'
#: The command, as in a folder with this code's environment.
MANAGE = f'manage.py() {{ {shlex.quote(sys.executable)} {shlex.quote(str(ROOT / "manage.py"))} "$@"; }}'
#: Pages that somebody types from top to bottom, one after the other: the refusals that each shows, and what is read.
STORIES = {
    "README.md": (
        ["404", "401", "403"],
        [
            '"slug":"trattoria"',
            '"status":"ready"',
            '"kind":"read_menu"',
            '"cancel":false',
            "told of job.succeeded about job_",
            '"slug":"osteria"',
            '"operation":"records.create"',
            '"worker":"by hand"',
            '"tenant":"console"',
            '"is_pending": true',
            '"name":"anna@example.com"',
            '"tenant":"menugen/development"',
            '"decision":"deny"',
            '"code":"console_only"',
        ],
    ),
    "docs/sign-in.md": (
        ["401", "404", "403"],
        ['"methods": ["password"', "otpauth://", '"code":"second_factor_needed"', '"current":true'],
    ),
    "docs/data.md": (
        ["422", "409"],
        [
            '"name":"dishes"',
            '"code":"record_invalid"',
            '"code":"not_unique"',
            '"Ramen with egg"',
            '"code":"schema_incompatible"',
            '"created":1',
        ],
    ),
    "docs/files.md": (
        [],
        [
            '"status":"pending"',
            '"status":"ready"',
            "Ramen 14.50",
            "Ramen\n\n<206>",
            '"name":"today\'s menu.txt"',
            "method: GET",
            '"metadata":{"scanner":{"make":"Fuji","dpi":300},"pages":[1,2]}',
            '"preset":"thumb"',
            '"bytes":',
        ],
    ),
    "docs/events.md": (
        ["422", "422"],
        [
            '"type":"record.created"',
            '"next_cursor":',
            '"name":"order.paid"',
            '"subject":"order 17"',
            '"field":"/data/total"',
            '"code":"event_type_undeclared"',
            '"kept_days":90',
        ],
    ),
    "docs/webhooks.md": (
        [],
        [
            '"secret":"whsec_',
            "verified webhook_endpoint.test",
            '"response":{"status":204',
            '"disabled_reason":"we move house"',
            '"replayed":0',
            '"push_url":"http://127.0.0.1:',
        ],
    ),
    "docs/jobs.md": (
        ["409"],
        [
            '"state":"ready"',
            '"worker":"oven 1"',
            '"cancel":false',
            '"result":{"dishes":3}',
            '"code":"lease_lost"',
            "menu.print does translated",
            '"kind":"menu.print","state":"succeeded"',
            '"max_in_flight":10',
        ],
    ),
    "docs/schedules.md": (
        ["422", "422"],
        [
            '"cron":"30 2 * * 1-5"',
            '"next":["20',
            '"code":"cron_never_fires"',
            "did you mean Europe/Berlin",
            '"by_hand":true',
            '"paused":true',
            '"every_seconds":3600',
        ],
    ),
    "docs/streaming.md": (
        ["403"],
        [
            "/streams/",
            'event: changed\ndata: {"id":"job_',
            'event: ended\ndata: {"id":"job_',
            '"code":"stream_ticket_invalid"',
        ],
    ),
    "docs/sign-in-providers.md": ([], ['"slug":"corp"']),
}


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

    # The port is what `up` serves: it sets it, and commands find it by the data directory.
    assert read - {"PACKMULE_PORT", "PACKMULE_STATIC_ROOT"} <= documented
    assert documented <= read | {"PACKMULE_OWNER_DATABASE_URL", "PACKMULE_DATABASE_URL"}


def blocks(page: Path) -> list[str]:
    """What a page says to type into a terminal."""
    return re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)


def typed(page: str) -> str:
    """The lines of `page` for a shell, which prints each answer's status after it, and first the name of the page.

    Answers that go through `tee` into a file are read from there by the next lines: no status may be in it.
    """
    lines = "\n".join(blocks(ROOT / page))
    kept = r"| sed '/^<[0-9]*>$/w /dev/stderr' | sed '/^<[0-9]*>$/d' | tee"
    return f"echo '== {page}'\n" + lines.replace("| tee", kept)


@pytest.mark.slow
def test_what_the_pages_type_works(tmp_path: Path) -> None:
    with folder() as data, running(data / "data") as installation:
        photo = ROOT / "examples" / "menugen" / "photos" / "sample-menu.jpg"
        exports = (
            f"export URL={installation.url} KEY={installation.console_key} DATA={data / 'data'} PHOTO={photo}"
        )
        readme = typed("README.md").replace(blocks(ROOT / "README.md")[0], exports + "\n")
        script = "\n".join(["set -eu", CURL, MANAGE, readme, *map(typed, list(STORIES)[1:])])
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

    assert done.returncode == 0, done.stdout
    said = dict(zip(STORIES, re.split(r"^== .*$", done.stdout, flags=re.MULTILINE)[1:], strict=True))
    for page, (refusals, answers) in STORIES.items():
        statuses = re.findall(r"<(\d{3})>", said[page])
        assert [code for code in statuses if code >= "400"] == refusals, said[page]
        assert [answer for answer in answers if answer not in said[page]] == [], said[page]
