"""Settings out of the environment: what makes no sense is refused at the start, with what would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from apps.tenancy.startup.directory import claimed
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


def test_a_command_finds_the_ports_of_what_runs_on_its_data_directory(tmp_path: Path) -> None:
    assert env.served_port(tmp_path) == 0
    with claimed(tmp_path) as data:
        assert env.served_port(tmp_path) == 0, "it is starting"
        data.announce(port=8420, stream_port=8421)
        assert (env.served_port(tmp_path), env.served_port(tmp_path, "stream_port")) == (8420, 8421)
    assert env.served_port(tmp_path) == 0


@pytest.mark.parametrize("noted", ["", "[]", "8420", '{"port": "8420", "pid": 1}', '{"port": 8420}', "\0"])
def test_a_note_that_says_nothing_is_none(tmp_path: Path, noted: str) -> None:
    (tmp_path / "lock").write_text(noted)
    assert env.served_port(tmp_path) == 0


def test_the_note_of_a_process_that_was_killed_is_none(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / "lock").write_text(json.dumps({"pid": gone.pid, "port": 8420}))
    assert env.served_port(tmp_path) == 0
    (tmp_path / "lock").write_text(json.dumps({"pid": os.getpid(), "port": 8420}))
    assert env.served_port(tmp_path) == 8420
