"""An archive that was damaged, or made by somebody who means harm, is refused with a reason and leaves nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.core.ids import decode, uuid7
from apps.tenancy.transfer import folder
from apps.tenancy.transfer.tests.oak import command, forge, manifest_of, nothing_changes, refusal
from tests.client import Api
from tests.world import World

ORGANIZATIONS = "tables/orgs_organization"
VERSIONS = "tables/storage_fileversion"
HALTS = "registry/apikeys_halt"
KEYS = "registry/apikeys_keyindex"

Harm = Callable[[Path], object]


def edit(name: str, old: str, new: str) -> Harm:
    """Replace a text in a part, everywhere."""

    def harm(archive: Path) -> None:
        content = (archive / name).read_text()
        assert old in content
        (archive / name).write_text(content.replace(old, new))

    return harm


def add(name: str, line: str) -> Harm:
    """Add a line to a part."""

    def harm(archive: Path) -> None:
        with (archive / name).open("a") as part:
            part.write(line)

    return harm


def say(change: Callable[[dict[str, Any]], object]) -> Harm:
    """Make the manifest say something else, with the right root."""
    return lambda archive: forge(archive, change)


def a_blob(archive: Path) -> Path:
    return next(path for path in (archive / "blobs").rglob("*") if path.is_file())


def link(archive: Path, name: str) -> None:
    (archive / name).rename(archive.parent / "elsewhere")
    (archive / name).symlink_to(archive.parent / "elsewhere")


def pipe(archive: Path, name: str) -> None:
    (archive / name).unlink()
    os.mkfifo(archive / name)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


DAMAGES: dict[str, tuple[Harm, str]] = {
    "no manifest": (lambda archive: (archive / "manifest.json").unlink(), "manifest.json"),
    "manifest that is no JSON": (
        lambda archive: (archive / "manifest.json").write_text("{"),
        "manifest.json",
    ),
    "manifest that is a list": (
        lambda archive: (archive / "manifest.json").write_text("[]"),
        "manifest.json",
    ),
    "manifest without end": (
        lambda archive: (archive / "manifest.json").write_text(" " * 2**21),
        "more than",
    ),
    "manifest that was changed": (edit("manifest.json", "oak/production", "oak/productive"), "root"),
    "rows that were changed": (edit(ORGANIZATIONS, "North", "Nerth"), "not what the manifest says"),
    "rows that were cut off": (lambda archive: cut(archive / ORGANIZATIONS), "has not"),
    "a table that is not there": (lambda archive: (archive / ORGANIZATIONS).unlink(), "missing"),
    "a file too many": (add("tables/pg_authid", "x"), "belongs to no archive"),
    "a folder too many": (lambda archive: (archive / "more").mkdir(), "belongs to no archive"),
    "a part that is a link": (lambda archive: link(archive, ORGANIZATIONS), "cannot be read"),
    "a folder that is a link": (lambda archive: link(archive, "blobs"), "cannot be read"),
    "a part that is a pipe": (lambda archive: pipe(archive, ORGANIZATIONS), "no plain file"),
    "bytes that were cut off": (lambda archive: cut(a_blob(archive)), "The bytes under"),
    "bytes that were changed": (lambda archive: a_blob(archive).write_bytes(bytes(264)), "another SHA-256"),
    "bytes that are not there": (lambda archive: a_blob(archive).unlink(), "cannot be read"),
}


def with_other_bytes(key: str) -> Harm:
    """A version whose bytes are said to lie under another key, in rows and list."""

    def harm(archive: Path) -> None:
        own = json.loads((archive / "blobs.ndjson").read_text())["key"]
        for name in ("blobs.ndjson", VERSIONS):
            edit(name, own, key.format(own=own, tenant=own.partition("/")[0]))(archive)

    return harm


def bytes_named_twice(archive: Path) -> None:
    """An open upload under the key where a version's bytes lie: giving it up would delete them."""
    columns = manifest_of(archive)["tables"]["storage_fileversion"]["columns"]
    row = (archive / VERSIONS).read_text().splitlines()[0].split("\t")
    again = dict(zip(columns, row, strict=True)) | {"id": str(uuid7()), "number": "9", "status": "pending"}
    add(VERSIONS, "\t".join(again[name] for name in columns) + "\n")(archive)


def of_another_tenant(name: str) -> Harm:
    """Rows of the registry that name another tenant."""

    def harm(archive: Path) -> None:
        own = decode(manifest_of(archive)["tenant"]["id"], "ten")
        edit(name, str(own), str(uuid7()))(archive)

    return harm


def another_mark(archive: Path) -> None:
    """A halt of somebody who is none of the tenant's principals."""
    fields = (archive / HALTS).read_text().split("\t")
    columns = manifest_of(archive)["registry"]["apikeys_halt"]["columns"]
    edit(HALTS, fields[columns.index("mark")], str(uuid7()))(archive)


#: The manifest says something else; all sums are right.
LIES: dict[str, tuple[Harm, str]] = {
    "another format": (say(lambda said: said.update(version=2)), "form 2"),
    "something unknown": (say(lambda said: said.update(more=1)), "more"),
    "numbers that are none": (say(lambda said: said["blobs"].update(count=-1)), "no number of things"),
    "a console": (say(lambda said: said["tenant"].update(kind="console")), "environments alone"),
    "an id that is none": (say(lambda said: said["tenant"].update(id="ten_../../etc")), "manifest.json"),
    "a table too many": (
        say(lambda said: said["tables"].update(x=said["tables"]["orgs_team"])),
        "none of a tenant",
    ),
    "a name that leads out": (
        say(lambda said: said["tables"].update({"../../x": said["tables"].pop("orgs_team")})),
        "none of a tenant",
    ),
    "a column too many": (
        say(lambda said: said["tables"]["orgs_team"]["columns"].append("x")),
        "other columns",
    ),
}
#: Parts hold something else; all sums are right.
FORGERIES: dict[str, tuple[Harm, str]] = {
    "a row with a field too many": (edit(ORGANIZATIONS, "North", "North\tx"), "extra data"),
    "a row with a field too few": (edit(ORGANIZATIONS, "\t1\n", "\n"), "missing data"),
    "a value of another type": (edit(ORGANIZATIONS, "\tf\t", "\tperhaps\t"), "invalid input"),
    "a row twice": (
        lambda archive: add(ORGANIZATIONS, (archive / ORGANIZATIONS).read_text())(archive),
        "duplicate key",
    ),
    "a row that refers to nothing": (lambda archive: (archive / ORGANIZATIONS).write_text(""), "foreign key"),
    "rows that end early": (add(ORGANIZATIONS, "\\.\n"), "before its end"),
    "rows in another order": (
        lambda archive: (archive / ORGANIZATIONS).write_text(
            "".join(reversed((archive / ORGANIZATIONS).read_text().splitlines(keepends=True)))
        ),
        "read differently",
    ),
    "a row that does not end": (add(ORGANIZATIONS, "x"), "in the middle of a row"),
    "another tenant's bytes": (with_other_bytes("t_01k00000000000000000000000/x/y/z"), "not this tenant's"),
    "bytes above the store": (with_other_bytes("../../etc/passwd"), "not this tenant's"),
    "bytes beside the tenant's": (with_other_bytes("{tenant}/../x"), "not this tenant's"),
    "bytes that two rows name": (bytes_named_twice, "storage_version_own_blob"),
    "a row whose bytes are not listed": (
        lambda archive: (archive / "blobs.ndjson").write_text(""),
        "different things",
    ),
    "a list that is none": (
        lambda archive: (archive / "blobs.ndjson").write_text('{"key": 1}\n'),
        "names no bytes",
    ),
    "another tenant's keys": (of_another_tenant(KEYS), "another tenant's"),
    "another tenant's halts": (of_another_tenant(HALTS), "another tenant's"),
    "a halt of somebody else": (another_mark, "not of this tenant"),
}


def refused(archive: Path, carrier: Path) -> dict[str, Any]:
    with nothing_changes():
        return refusal("import", archive, "--organization", "acorn", "--key-file", carrier)


@pytest.mark.parametrize(("harm", "said"), (DAMAGES | LIES).values(), ids=DAMAGES | LIES)
def test_what_is_damaged_is_refused(
    growing: World, archive: Path, carrier: Path, harm: Harm, said: str
) -> None:
    harm(archive)

    problem = refused(archive, carrier)

    assert (problem["code"], problem["status"]) == ("archive_invalid", 422)
    assert said in problem["detail"]


@pytest.mark.parametrize(("harm", "said"), FORGERIES.values(), ids=FORGERIES)
def test_what_is_forged_is_refused(
    growing: World, archive: Path, carrier: Path, harm: Harm, said: str
) -> None:
    harm(archive)
    forge(archive)

    problem = refused(archive, carrier)

    assert (problem["code"], problem["status"]) == ("archive_invalid", 422)
    assert said in problem["detail"]


def test_a_line_without_end_takes_no_memory(
    growing: World, archive: Path, carrier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder.lines_of, "__defaults__", (1000,))
    add(ORGANIZATIONS, "x" * 2000 + "\n")(archive)
    forge(archive)

    assert "more than 1000 bytes" in refused(archive, carrier)["detail"]


def test_another_archive_than_the_one_that_was_named_is_refused(
    growing: World, archive: Path, carrier: Path
) -> None:
    words = ("import", archive, "--organization", "acorn", "--key-file", carrier, "--sha256")
    with nothing_changes():
        assert "another archive" in refusal(*words, "0" * 64)["detail"]

    assert command(*words, manifest_of(archive)["root"])["tenant"] == "oak/production"


def test_an_archive_of_other_code_says_what_to_do(growing: World, archive: Path, carrier: Path) -> None:
    forge(archive, lambda said: said.update(fingerprint="0" * 64))

    problem = refused(archive, carrier)

    assert (problem["code"], problem["status"]) == ("archive_of_other_code", 409)
    assert "manage.py prepare" in problem["detail"]


def test_a_tenant_that_is_here_is_not_replaced(growing: World, archive: Path, carrier: Path) -> None:
    command("import", archive, "--organization", "acorn", "--key-file", carrier)

    for words in ((), ("--as", "oak/other")):
        with nothing_changes():
            problem = refusal("import", archive, *words, "--key-file", carrier)
        assert problem["status"] == 409
        assert problem["code"] in ("tenant_exists", "environment_exists")


def test_keys_that_are_here_are_named_and_kept(growing: World, archive: Path, carrier: Path) -> None:
    taken = manifest_of(archive)["registry"]["apikeys_keyindex"]["columns"].index("id")
    lines = (archive / KEYS).read_text().splitlines(keepends=True)
    known = growing.acorn.parties["north"].agent_key_id
    edit(KEYS, lines[0].split("\t")[taken], str(decode(known, "key")))(archive)
    forge(archive)

    problem = refused(archive, carrier)

    assert (problem["code"], problem["status"]) == ("registry_taken", 409)
    assert str(decode(known, "key")) in problem["detail"]
    assert Api(growing.acorn.parties["north"].agent_key).get("/v1/whoami")["tenant"] == "acorn/production"


@pytest.mark.parametrize("key", [None, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="])
def test_data_keys_open_with_their_key_alone(
    growing: World, archive: Path, tmp_path: Path, key: str | None
) -> None:
    words: tuple[object, ...] = ()
    if key is not None:
        (tmp_path / "wrong.key").write_text(key)
        words = ("--key-file", tmp_path / "wrong.key")

    with nothing_changes():
        problem = refusal("import", archive, "--organization", "acorn", *words)
    assert problem["code"] == "data_keys_locked"

    done = command("import", archive, "--organization", "acorn", "--without-data-keys")
    assert done["data_keys"] == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "malformed_request"),
        (("--organization", "nobody"), "not_found"),
        (("--as", "oak"), "malformed_request"),
        (("--as", "oak/../x", "--organization", "acorn"), "validation_failed"),
        (("--as", "acorn/production"), "environment_exists"),
        (("--organization", "acorn", "--key-file", "/nowhere/carrier.key"), "bad_usage"),
    ],
)
def test_a_place_that_is_none_is_refused_before_anything_is_written(
    growing: World, archive: Path, words: tuple[str, ...], code: str
) -> None:
    with nothing_changes():
        assert refusal("import", archive, *words)["code"] == code


def test_no_archive_is_no_archive(growing: World, archive: Path) -> None:
    shutil.rmtree(archive)

    assert refusal("import", archive)["code"] == "archive_invalid"
