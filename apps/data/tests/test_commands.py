"""Whole collections to a file and from one, by command."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.data import moving
from apps.data.tests.shelves import RECORDS, menu, names, serve
from tests.world import World


def run(*words: str) -> Any:
    out = StringIO()
    call_command(*words, "--json", stdout=out)
    return json.loads(out.getvalue())


@pytest.fixture(autouse=True)
def few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_LINES_A_CALL", 2)


def test_a_collection_goes_to_a_file_and_comes_back(
    world: World, settings: LazySettings, tmp_path: Path
) -> None:
    api, file = menu(world.acorn), tmp_path / "dishes.ndjson"
    ids = serve(api, *({"name": f"dish {n}"} for n in range(5)))
    settings.PACKMULE_KEY = world.acorn.root_key
    assert run("records", "export", "dishes", str(file)) == {"written": 5, "file": str(file)}
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == ids
    elsewhere = menu(world.birch)
    settings.PACKMULE_KEY = world.birch.root_key
    taken = run("records", "import", "dishes", str(file))
    assert taken == {"results": {"created": 5, "updated": 0, "unchanged": 0}, "errors": []}
    assert len(names(elsewhere.get(RECORDS))) == 5


def test_an_export_that_broke_off_goes_on(world: World, settings: LazySettings, tmp_path: Path) -> None:
    api, file = menu(world.acorn), tmp_path / "dishes.ndjson"
    settings.PACKMULE_KEY = world.acorn.root_key
    serve(api, *({"name": f"dish {n}"} for n in range(5)))
    run("records", "export", "dishes", str(file))
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    assert run("records", "export", "dishes", str(file))["written"] == 3
    assert file.read_bytes() == whole


def test_lines_that_are_refused_are_told_by_their_place_in_the_file(
    world: World, settings: LazySettings, tmp_path: Path
) -> None:
    menu(world.acorn)
    settings.PACKMULE_KEY = world.acorn.root_key
    lines = [{"data": {"name": name}} for name in ("a", "b", "", "d", "")]
    file = tmp_path / "in.ndjson"
    file.write_text("\n".join(map(json.dumps, lines)))
    taken = run("records", "import", "dishes", str(file))
    assert (taken["results"]["created"], [error["line"] for error in taken["errors"]]) == (3, [3, 5])


def test_files_that_are_none(world: World, settings: LazySettings, tmp_path: Path) -> None:
    menu(world.acorn)
    settings.PACKMULE_KEY = world.acorn.root_key
    with pytest.raises(CommandError, match="There is no file"):
        run("records", "import", "dishes", str(tmp_path / "nothing"))
    (tmp_path / "other").write_text("a text\n")
    with pytest.raises(CommandError, match="no record"):
        run("records", "export", "dishes", str(tmp_path / "other"))
