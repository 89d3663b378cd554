"""Settings out of the environment: what makes no sense is refused at the start, with what would."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.mark.parametrize(
    "value", ["127.0.0.1:3310", "http://x", "clamav://", "clamav://x/y", "clamav://x:port"]
)
def test_a_scanner_is_named_by_its_address(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PACKMULE_SCANNER", value)
    with pytest.raises(ImproperlyConfigured, match="clamav://HOST:PORT"):
        env.scanner("PACKMULE_SCANNER")


@pytest.mark.parametrize("value", ["", "clamav://127.0.0.1:3310", "clamav://clamd", "clamav://[::1]:3310"])
def test_a_scanner_that_there_may_be(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PACKMULE_SCANNER", value)
    assert env.scanner("PACKMULE_SCANNER") == value
