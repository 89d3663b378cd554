"""What is done after a commit, and cannot undo it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction


def after_commit(function: Callable[..., object], *arguments: Any) -> None:
    """Call `function` once the transaction that stands is committed; at once where there is none.

    Where it fails that is logged, and what was committed stands: the caller hears nothing of it.
    """

    # A function and no partial: Django looks for its name when it says that it failed.
    def call() -> None:
        function(*arguments)

    call.__qualname__ = getattr(function, "__qualname__", repr(function))
    transaction.on_commit(call, robust=True)
