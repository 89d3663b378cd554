"""The clock, and how a test holds it."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from apps.core import clock

AT = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)


def test_now_is_aware_and_in_utc() -> None:
    assert clock.now().tzinfo is UTC
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_frozen_clock_stands_still_for_every_thread_until_it_is_moved() -> None:
    seen: list[datetime] = []
    with clock.frozen(AT) as held:
        thread = threading.Thread(target=lambda: seen.append(clock.now()))
        thread.start()
        thread.join()
        held.move(timedelta(hours=1))
        seen.append(clock.now())
    assert seen == [AT, AT + timedelta(hours=1)]
    assert clock.now() != AT


def test_the_inner_of_two_frozen_clocks_is_the_one_that_counts() -> None:
    with clock.frozen(AT):
        with clock.frozen(AT + timedelta(days=1)):
            assert clock.now() == AT + timedelta(days=1)
        assert clock.now() == AT


def test_a_naive_time_cannot_be_frozen() -> None:
    with pytest.raises(ValueError, match="offset"), clock.frozen(datetime(2026, 1, 1)):  # noqa: DTZ001
        pass
