"""The whole product against a running platform, while both of them lose processes."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.faults.installation import Installation, installed
from tests.menugen.demo import SAMPLE, demo, lines, make_ready

pytestmark = pytest.mark.faults


def test_the_whole_menu_is_there_although_workers_and_web_processes_are_killed() -> None:
    make_ready()
    with installed() as installation:
        told, killed = tell(installation, kill_at=("Looking at the photo", "kill -9"))
        assert len(killed) == 2
        printed = json.loads(SAMPLE.with_suffix(".json").read_text())["dishes"]
        assert [(dish["name"], dish["price"]) for dish in told["dishes"]] == [
            (dish["name"], dish["price"]) for dish in printed
        ]
        assert len({dish["picture"] for dish in told["dishes"]}) == len(printed)
        assert (told["kills"], told["retries"]) == (1, 1)
        assert 0 < told["painted_before_the_kill"] < len(printed)

        again, _ = tell(installation, kill_at=())
        assert len(again["dishes"]) == len(printed)


def tell(installation: Installation, kill_at: tuple[str, ...]) -> tuple[dict[str, Any], list[int]]:
    """Run the demo to its end; kill a web process of the platform when it first says each of `kill_at`, in order.

    Returns what the demo's last line says, and the processes that were killed.
    """
    killed: list[int] = []
    last = ""
    with demo(installation.data, DEMO_EXIT="1") as process:
        for line in lines(process):
            last = line
            if len(killed) < len(kill_at) and kill_at[len(killed)] in line:
                killed.append(installation.kill("web process", random.Random()))
        assert process.wait(timeout=60) == 0
    told: dict[str, Any] = json.loads(last)
    return told, killed
