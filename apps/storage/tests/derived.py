"""What the stories about derivatives have in common: how many lie in the store, and how many were really made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from apps.storage.images import running
from apps.storage.images.recipes import Recipe


def lying(folder: Path, path: str) -> int:
    """How many derivatives of the file of `path` lie in the store."""
    return len(list(folder.rglob(f"{path.rpartition('/')[2]}/drv_*")))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """A list that grows by the recipe of each image that is really made from now on."""
    seen: list[Recipe] = []
    draw = running.draw

    def counting(source: Path, target: Path, recipe: Recipe, goes_on: Callable[[], None]) -> running.Drawn:
        seen.append(recipe)
        return draw(source, target, recipe, goes_on)

    monkeypatch.setattr(running, "draw", counting)
    return seen
