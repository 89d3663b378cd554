"""How `make demo` ends when it cannot begin: with a sentence, in the line of JSON that is its last one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.menugen.demo import demo, lines, make_ready


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"PHOTO": "/nowhere/menu.jpg"}, "There is no photo /nowhere/menu.jpg"),
        ({"DATA_DIR": "/dev/null/data"}, "Packmule cannot keep its data in /dev/null/data"),
    ],
)
def test_a_story_that_cannot_begin_says_why(tmp_path: Path, env: dict[str, str], said: str) -> None:
    make_ready()
    with demo(tmp_path, **{"DEMO_EXIT": "1", **env}) as process:
        *_, last = lines(process)
        assert process.wait(timeout=60) == 1
    told = json.loads(last)
    assert (told["dishes"], told["problem"].startswith(said)) == ([], True)
