"""Programs that tests need beside Python: without one its tests are skipped, and fail in CI, which installs them."""

from __future__ import annotations

import os

import pytest


def require(there: object, otherwise: str) -> None:
    """Go on where what a test needs is `there`; without it, skip the test for the reason `otherwise`.

    With CI in the environment the test fails instead: nobody reads there what was skipped.
    """
    if there:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{otherwise} CI is set, where everything that tests need has to be installed.")
    pytest.skip(otherwise)
