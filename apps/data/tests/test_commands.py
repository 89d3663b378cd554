"""Whole collections to a file and from one, by command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.core.local_api import LocalCall
from apps.core.remote import InstallationUnreachable
from apps.core.room_commands import ask
from apps.data import moving, transfer
from apps.data.management.commands import records
from apps.data.tests.shelves import RECORDS, menu, names, serve
from tests.world import World


def run(*words: str, stderr: StringIO | None = None) -> Any:
    out = StringIO()
    call_command(*words, "--json", stdout=out, stderr=stderr or StringIO(), no_color=True)
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
    assert taken == {"results": {"created": 5, "updated": 0, "unchanged": 0}, "refused": 0, "errors": []}
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
    world: World, settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    menu(world.acorn)
    settings.PACKMULE_KEY = world.acorn.root_key
    lines = [{"data": {"name": name}} for name in ("a", "b", "", "d", "")]
    file = tmp_path / "in.ndjson"
    file.write_text("\n".join(map(json.dumps, lines)))
    taken = run("records", "import", "dishes", str(file))
    assert (taken["results"]["created"], [error["line"] for error in taken["errors"]]) == (3, [3, 5])
    assert taken["refused"] == 2
    monkeypatch.setattr(moving, "_MOST_TOLD", 1)
    taken = run("records", "import", "dishes", str(file))
    assert (taken["refused"], [error["line"] for error in taken["errors"]]) == (2, [3])


def dishes_in(folder: Path, names: Iterable[str]) -> Path:
    """A file of records without ids."""
    file = folder / "new dishes.ndjson"
    file.write_text("".join(json.dumps({"data": {"name": name}}) + "\n" for name in names))
    return file


def broken_import(*words: str) -> dict[str, Any]:
    with pytest.raises(CommandError) as failure:
        run("records", "import", "dishes", *words)
    document: dict[str, Any] = failure.value.document  # type: ignore[attr-defined]
    return document


@pytest.mark.parametrize("is_taken", [False, True])
def test_an_import_that_broke_off_goes_on_and_takes_each_line_once(
    world: World, settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    api, file = menu(world.acorn), dishes_in(tmp_path, ("a", "b", "c", "", "e", "f", "g"))
    settings.PACKMULE_KEY = world.acorn.root_key
    calls = list[LocalCall]()

    def breaking(call: LocalCall) -> dict[str, Any]:
        calls.append(call)
        if len(calls) == 3 and is_taken:
            ask(call)
        if len(calls) == 3:
            raise InstallationUnreachable("The answer did not come.")
        return ask(call)

    monkeypatch.setattr(records, "ask", breaking)
    north = world.acorn.parties["north"].id
    told = broken_import(str(file), "--in-organization", north)
    done = {"created": 3, "updated": 0, "unchanged": 0}
    assert (told["imported"]["line"], told["imported"]["results"], told["imported"]["refused"]) == (
        4,
        done,
        1,
    )
    assert "All lines up to 4 are done (3 created, 0 updated, 0 unchanged, 1 refused)." in told["detail"]
    prog, *again = shlex.split(told["remedy"]["command"])
    assert (prog, again[:4]) == ("manage.py", ["records", "import", "dishes", str(file)])
    assert again[4:8] == ["--in-organization", north, "--from-line", "5"]
    assert run(*again)["results"] == {"created": 3, "updated": 0, "unchanged": 0}
    assert sorted(names(api.get(RECORDS))) == ["a", "b", "c", "e", "f", "g"]


def test_an_import_that_was_refused_goes_on_when_that_is_mended(
    world: World, settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, file = menu(world.acorn), dishes_in(tmp_path, "abc")
    settings.PACKMULE_KEY = world.acorn.root_key
    monkeypatch.setattr(transfer, "MOST_LINES", 1)
    told = broken_import(str(file))
    assert (told["code"], told["imported"]["line"]) == ("too_many_lines", 0)
    monkeypatch.setattr(transfer, "MOST_LINES", 2)
    assert run(*shlex.split(told["remedy"]["command"])[1:])["results"]["created"] == 3
    assert sorted(names(api.get(RECORDS))) == ["a", "b", "c"]


def test_each_step_of_an_import_says_how_to_go_on(
    world: World, settings: LazySettings, tmp_path: Path
) -> None:
    menu(world.acorn)
    settings.PACKMULE_KEY = world.acorn.root_key
    said = StringIO()
    file = dishes_in(tmp_path, "abc")
    run("records", "import", "dishes", str(file), "--run", "first", stderr=said)
    assert [line.partition("go on with ")[2] for line in said.getvalue().splitlines()] == [
        "--from-line 1 --run first",
        "--from-line 3 --run first",
    ]
    assert run("records", "import", "dishes", str(file), "--from-line", "3")["results"]["created"] == 1
    assert run("records", "import", "dishes", str(file), "--from-line", "4")["results"] == {}
    with pytest.raises(CommandError, match="from 1 on"):
        run("records", "import", "dishes", str(file), "--from-line", "0")


def test_a_line_that_is_longer_than_a_call_is_refused_and_not_read_whole(
    world: World, settings: LazySettings, tmp_path: Path
) -> None:
    api = menu(world.acorn)
    settings.PACKMULE_KEY = world.acorn.root_key
    settings.PACKMULE_MAX_BODY_BYTES = 20_000
    file = dishes_in(tmp_path, ("a", "x" * 100_000, "c"))
    assert max(map(len, moving._lines_from(file, 1))) == 20_001
    told = broken_import(str(file))
    assert (told["code"], told["imported"]["line"]) == ("payload_too_large", 1)
    rest = run("records", "import", "dishes", str(file), "--from-line", "3")
    assert (rest["results"]["created"], rest["errors"]) == (1, [])
    assert sorted(names(api.get(RECORDS))) == ["a", "c"]


def test_files_that_are_none(world: World, settings: LazySettings, tmp_path: Path) -> None:
    menu(world.acorn)
    settings.PACKMULE_KEY = world.acorn.root_key
    with pytest.raises(CommandError, match="There is no file"):
        run("records", "import", "dishes", str(tmp_path / "nothing"))
    (tmp_path / "other").write_text("a text\n")
    with pytest.raises(CommandError, match="no record"):
        run("records", "export", "dishes", str(tmp_path / "other"))
