"""A layer opens no file in vain, and misses no test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.layers import may_hold

_FAST = "not slow and not sweep"


@pytest.mark.parametrize(
    ("text", "marks", "opened"),
    [
        ("def test_it(): ...", _FAST, True),
        ("def test_it(): ...", "slow", False),
        ("@pytest.mark.slow\ndef test_it(): ...", "slow", True),
        ("@pytest.mark.slow\ndef test_it(): ...", _FAST, True),
        ("pytestmark = pytest.mark.slow\ndef test_it(): ...", _FAST, False),
        ("pytestmark = [\n    pytest.mark.slow,\n    pytest.mark.skipif(False)]", _FAST, False),
        ("pytestmark = [\n    pytest.mark.slow,\n    pytest.mark.skipif(False)]", "slow", True),
        ("@pytest.mark.menugen\n@pytest.mark.slow\ndef test_it(): ...", "slow and not menugen", True),
        (
            "pytestmark = pytest.mark.menugen\n@pytest.mark.slow\ndef test_it(): ...",
            "slow and not menugen",
            False,
        ),
        ('@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.slow)])', "slow", True),
    ],
)
def test_a_file_is_opened_when_it_may_hold_a_test_of_the_layer(
    tmp_path: Path, text: str, marks: str, opened: bool
) -> None:
    (tmp_path / "test_it.py").write_text(text)
    assert may_hold(tmp_path / "test_it.py", marks) is opened
