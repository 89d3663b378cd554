"""`manage.py docs write|check`: the generated pages."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.core.commands import CHANGES, DONE, Outcome, PackmuleCommand, add_json_option
from apps.core.reference import pages


class Command(PackmuleCommand):
    """The reference pages below docs/, and whether they are what the operations say."""

    help = "Write the generated pages below docs/, or check that they are current (exit 2 when not)."
    examples = ("docs write", "docs check --json")

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One sub-command each, and where."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for verb, said in (("write", "write what differs"), ("check", "exit 2 when a page differs")):
            sub = verbs.add_parser(verb, help=said)
            sub.add_argument("--root", type=Path, default=Path(settings.BASE_DIR), help="the repository")
            add_json_option(sub, default=False)

    def perform(self, *_: Any, verb: str, root: Path, **options: Any) -> Outcome:
        """Compare, and write when asked to. Pages of rooms that are gone are deleted."""
        wanted = pages()
        differing = [path for path, text in wanted.items() if _read(root / path) != text]
        stale = [
            str(path.relative_to(root))
            for path in _reference(root)
            if str(path.relative_to(root)) not in wanted
        ]
        if verb == "write":
            _write({path: wanted[path] for path in differing}, stale, root)
        document = {"pages": len(wanted), "changed": differing, "stale": stale}
        return Outcome(document, CHANGES if verb == "check" and differing + stale else DONE)


def _read(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


def _reference(root: Path) -> list[Path]:
    return sorted((root / "docs" / "reference").glob("*.md"))


def _write(changed: dict[str, str], stale: list[str], root: Path) -> None:
    for name, text in changed.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in stale:
        (root / name).unlink()
