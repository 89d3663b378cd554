"""What becomes of a test whose program is absent."""

from __future__ import annotations

import pytest

from tests.needing import require


def test_a_program_that_is_absent_skips_a_test_and_fails_it_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="There is no soup"):
        require(None, "There is no soup.")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="There is no soup"):
        require(None, "There is no soup.")
    require("soup", "There is no soup.")
