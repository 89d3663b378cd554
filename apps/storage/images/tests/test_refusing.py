"""What nothing is made of: bombs, broken images, other things, and what would take too long."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from apps.storage.images import running
from apps.storage.images.recipes import Recipe
from apps.storage.images.refusals import Damaged, NotAnImage, Refused, TooCostly, TooLarge
from apps.storage.images.tests.pictures import bomb, corners, encoded, made_of, many_scans, webp_bomb

HTML = b"<!doctype html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


@pytest.mark.parametrize("content", [bomb(), bomb(2**31 - 1, 2**31 - 1), bomb(50_001, 1000), webp_bomb()])
def test_a_bomb_is_refused_by_what_it_says_of_itself(content: bytes) -> None:
    with pytest.raises(TooLarge, match="pixels"):
        made_of(content, width=10)


@pytest.mark.slow
def test_a_picture_of_fifty_megapixels_is_read() -> None:
    content = encoded(Image.new("1", (10_000, 5_000)))
    assert made_of(content, width=10)[0].size == (10, 5)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_an_image_that_ends_too_early_is_refused(kind: str, kept: float) -> None:
    noise = Image.frombytes("RGB", (90, 90), Random(4).randbytes(90 * 90 * 3))
    whole = encoded(noise, kind)
    assert made_of(whole, width=10)[0].size == (10, 10)
    with pytest.raises(Damaged):
        made_of(whole[: int(len(whole) * kept)], width=10)


@pytest.mark.parametrize("content", [b"", HTML, SVG, b"RIFF\0\0\0\0WAVE", b"II*\0" + bytes(60), b"%PDF-1.7"])
def test_what_is_no_image_is_refused(content: bytes) -> None:
    with pytest.raises(NotAnImage):
        made_of(content, width=10)


@pytest.mark.parametrize("head", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM"])
def test_a_page_behind_the_first_bytes_of_an_image_is_none(head: bytes) -> None:
    with pytest.raises(Damaged):
        made_of(head + HTML * 20, width=10)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP"])
def test_changed_bytes_make_another_image_or_none(kind: str) -> None:
    whole, chance = encoded(corners((60, 40)), kind), Random(7)
    for _ in range(4):
        content = bytearray(whole)
        for _ in range(8):
            content[chance.randrange(12, len(content))] = chance.randrange(256)
        with suppress(Refused):
            assert made_of(bytes(content), width=10)[0].width <= 10


def test_the_process_says_what_it_made_or_why_it_did_not(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(encoded(corners()))
    assert running.draw(source, target, Recipe(width=60)) == running.Drawn(60, 40)
    with Image.open(target) as made:
        assert (made.format, made.size) == ("WEBP", (60, 40))
    source.write_bytes(bomb())
    with pytest.raises(TooLarge, match="pixels"):
        running.draw(source, target, Recipe(width=60))


def limited(name: str, most: int) -> tuple[str, ...]:
    """The program with one limit, which is another one."""
    lines = (
        "import json, resource, sys; from apps.storage.images import __main__ as program;"
        f"program._LIMITS = ((resource.{name}, {most}),); print(json.dumps(program.main(*sys.argv[1:])))"
    )
    return "-c", lines


def test_what_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(many_scans(1000))
    assert source.stat().st_size < 300_000
    monkeypatch.setattr(running, "_PROGRAM", limited("RLIMIT_CPU", 1))
    with pytest.raises(TooCostly):
        running.draw(source, tmp_path / "target", Recipe(width=10))


def test_what_takes_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(encoded(Image.new("RGBA", (4000, 5000))))
    monkeypatch.setattr(running, "_PROGRAM", limited("RLIMIT_AS", 150 * 1024**2))
    with pytest.raises(TooCostly, match="memory"):
        running.draw(source, tmp_path / "target", Recipe(width=10))


def test_a_machine_that_is_too_slow_blames_no_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(running, "_PATIENCE", 0.01)
    with pytest.raises(running.Interrupted):
        running.draw(tmp_path / "source", tmp_path / "target", Recipe(width=10))


def test_who_waits_says_that_it_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(running, "_SAID_EVERY", 0.01)
    source, said = tmp_path / "source", list[bool]()
    source.write_bytes(encoded(Image.new("RGB", (60, 40))))
    running.draw(source, tmp_path / "target", Recipe(width=10), lambda: said.append(source.exists()))
    assert len(said) > 1
    assert all(said)


def test_a_mistake_of_ours_is_no_fault_of_the_image(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="FileNotFoundError"):
        running.draw(tmp_path / "nothing", tmp_path / "target", Recipe(width=10))


def test_the_process_gets_no_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PACKMULE_MADE_UP_SECRET", "made-up")
    show = "import json, os; print(json.dumps({'refused': 'image_damaged', 'said': ' '.join(os.environ)}))"
    monkeypatch.setattr(running, "_PROGRAM", ("-c", show))
    with pytest.raises(Damaged) as told:
        running.draw(tmp_path / "source", tmp_path / "target", Recipe(width=10))
    assert "PACKMULE" not in told.value.said


def test_the_process_runs_where_the_image_lies_and_imports_nothing_from_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    (tmp_path / "source").write_bytes(encoded(corners()))
    assert running.draw(tmp_path / "source", tmp_path / "target", Recipe(width=10)).width == 10
    show = "import json, os; print(json.dumps({'refused': 'image_damaged', 'said': os.getcwd()}))"
    monkeypatch.setattr(running, "_PROGRAM", ("-c", show))
    with pytest.raises(Damaged) as told:
        running.draw(tmp_path / "source", tmp_path / "target", Recipe(width=10))
    assert told.value.said == str(tmp_path)


def test_the_process_is_held_to_all_its_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = ("CPU", "AS", "FSIZE", "NOFILE", "CORE")
    show = (
        "import json, resource; from apps.storage.images import __main__ as program; program._limit();"
        f"found = [resource.getrlimit(getattr(resource, 'RLIMIT_' + name))[0] for name in {names}];"
        "print(json.dumps({'refused': 'image_damaged', 'said': json.dumps(found)}))"
    )
    monkeypatch.setattr(running, "_PROGRAM", ("-c", show))
    with pytest.raises(Damaged) as told:
        running.draw(tmp_path / "source", tmp_path / "target", Recipe(width=10))
    assert json.loads(told.value.said) == [20, 1024**3, 256 * 1024**2, 32, 0]
