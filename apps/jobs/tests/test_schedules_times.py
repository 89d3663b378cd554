"""The times of a schedule, without any schedule: cron by the clock on the wall, intervals, and hostile expressions."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.core.problems import Problem
from apps.jobs import cron
from apps.jobs.cron import Cron, Interval, Once
from apps.jobs.errors import CronInvalid, CronNeverFires, TimezoneUnknown

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def local(expression: str, zone: str, start: datetime, most: int) -> list[str]:
    """The next times as the clock on the wall there shows them, with its offset."""
    times = cron.upcoming(Cron(expression, zone), start, most)
    return [f"{at.astimezone(ZoneInfo(zone)):%m-%dT%H:%M%z}" for at in times]


def test_the_half_hour_that_spring_takes_away_fires_once_when_it_is_over() -> None:
    start = datetime(2026, 3, 27, 12, tzinfo=UTC)
    assert local("30 2 * * *", BERLIN, start, 4) == [
        "03-28T02:30+0100",
        "03-29T03:00+0200",
        "03-30T02:30+0200",
        "03-31T02:30+0200",
    ]


def test_the_half_hour_that_autumn_gives_twice_fires_the_first_time() -> None:
    start = datetime(2026, 10, 23, 12, tzinfo=UTC)
    assert local("30 2 * * *", BERLIN, start, 4) == [
        "10-24T02:30+0200",
        "10-25T02:30+0200",
        "10-26T02:30+0100",
        "10-27T02:30+0100",
    ]


def test_it_does_not_fire_again_for_whoever_looks_in_the_hour_that_comes_again() -> None:
    again = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 for the second time
    assert local("30 2 * * *", BERLIN, again, 1) == ["10-26T02:30+0100"]


def test_two_times_that_fall_together_in_spring_are_one() -> None:
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert local("0 2,3 * * *", BERLIN, start, 2) == ["03-29T03:00+0200", "03-30T02:00+0200"]


def test_what_fires_all_the_time_follows_the_time_that_passes() -> None:
    spring, autumn = datetime(2026, 3, 29, 0, 0, tzinfo=UTC), datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    for start in (spring, autumn):
        times = cron.upcoming(Cron("*/20 * * * *", BERLIN), start, 12)
        assert times == [start + timedelta(minutes=20 * number) for number in range(1, 13)]


@pytest.mark.parametrize("year", [2024, 2025, 2026, 2027, 2030])
@pytest.mark.parametrize("zone", [BERLIN, "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"])
@pytest.mark.parametrize("clock", ["30 2 * * *", "0 0 * * *", "15 1 * * *"])
def test_a_fixed_time_fires_once_on_every_day_of_the_year(year: int, zone: str, clock: str) -> None:
    start = datetime(year, 1, 1, tzinfo=ZoneInfo(zone)) - timedelta(seconds=1)
    days = 366 if year % 4 == 0 else 365
    found = [at.astimezone(ZoneInfo(zone)).date() for at in cron.upcoming(Cron(clock, zone), start, days)]
    assert found == [datetime(year, 1, 1).date() + timedelta(days=number) for number in range(days)]  # noqa: DTZ001


def _field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    ranges = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.integers(1, most).map(lambda step: f"*/{step}")
    lists = st.lists(number, min_size=1, max_size=3).map(lambda found: ",".join(map(str, found)))
    return st.one_of(st.just("*"), lists, ranges, steps)


def _numbers(field: str, least: int, most: int) -> set[int]:
    """What a field means, worked out in the simplest way."""
    if field == "*":
        return set(range(least, most + 1))
    if field.startswith("*/"):
        return set(range(least, most + 1, int(field[2:])))
    if "-" in field:
        first, _, last = field.partition("-")
        return set(range(int(first), int(last) + 1))
    return {int(number) for number in field.split(",")}


def _naive(expression: str, start: datetime, end: datetime) -> list[datetime]:
    """Each minute of the time in between, asked whether it is meant."""
    words = expression.split()
    bounds = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
    minutes, hours, days, months, weekdays = (
        _numbers(word, *bound) for word, bound in zip(words, bounds, strict=True)
    )
    both = words[2].startswith("*") or words[4].startswith("*")
    found, at = [], start.replace(second=0, microsecond=0)
    while (at := at + timedelta(minutes=1)) <= end:
        by_day, by_week = at.day in days, at.isoweekday() % 7 in weekdays
        day = (by_day and by_week) if both else (by_day or by_week)
        if at.minute in minutes and at.hour in hours and at.month in months and day:
            found.append(at)
    return found


@given(
    st.tuples(_field(0, 59), _field(0, 23), _field(1, 28), _field(1, 12), _field(0, 6)),
    st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_the_times_are_those_that_every_minute_says_for_itself(
    fields: tuple[str, ...], start: datetime
) -> None:
    expression, end = " ".join(fields), start + timedelta(hours=30)
    found = list(takewhile(lambda at: at <= end, Cron(expression, "UTC").after(start)))
    assert found == _naive(expression, start, end)


@given(
    st.tuples(_field(0, 59), _field(0, 23), _field(1, 31), _field(1, 12), _field(0, 6)),
    st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_times_only_ever_go_forward(fields: tuple[str, ...], zone: str, start: datetime) -> None:
    times = Cron(" ".join(fields), zone)
    assume(_refused(times.expression) is None)
    found = [start, *cron.upcoming(times, start, 5)]
    assert found == sorted(set(found))
    # Looking anew after each of them leads to the same ones: a schedule never forgets where it is, or says one again.
    assert [cron.first_after(times, at) for at in found[:-1]] == found[1:]


def test_an_interval_keeps_its_step_whenever_one_looks() -> None:
    times = Interval(90, NOW)
    assert list(islice(times.after(NOW - timedelta(days=3)), 2)) == [
        NOW + timedelta(seconds=90),
        NOW + timedelta(seconds=180),
    ]
    late = NOW + timedelta(days=1, seconds=10)
    assert cron.first_after(times, late) == NOW + timedelta(days=1, seconds=90)
    assert cron.first_after(times, NOW + timedelta(seconds=90)) == NOW + timedelta(seconds=180)


def test_one_time_is_over_when_it_has_come() -> None:
    assert cron.first_after(Once(NOW), NOW - timedelta(seconds=1)) == NOW
    assert cron.first_after(Once(NOW), NOW) is None


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 30 2 *",
        "0 0 31 4,6,9,11 *",
        "0 0 30,31 FEB *",
        "0 0 */40 * 1#5",
        "0 0 */31 2 SUN#5",
        "0 0 LW 1 */9",
    ],
)
def test_what_never_fires_is_refused_in_those_words(expression: str) -> None:
    with pytest.raises(CronNeverFires, match="fires at no time in the next fifty years"):
        cron.require_cron(expression, BERLIN, NOW)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "not the five fields"),
        ("* * * *", "not the five fields"),
        ("0 0 0 1 1 *", "not the five fields"),
        ("@reboot", "not the five fields"),
        ("61 * * * *", "no such minute"),
        ("* 24 * * *", "no such hour"),
        ("* * 32 * *", "no such day of month"),
        ("0 0 1 13 *", "no such month"),
        ("0 0 30 13 *", "no such"),
        ("* * * * 8", "no such day of week"),
        ("*/0 * * * *", "no such minute"),
        ("5-1 * * * *", "no such minute"),
        ("٣ * * * *", "no such minute"),
        ("* * * * MON#6", "no such day of week"),
        (f"{'9' * 190} * * * *", "no such minute"),
    ],
)
def test_what_is_no_expression_is_refused_with_what_is_wrong(expression: str, said: str) -> None:
    with pytest.raises(CronInvalid, match=said):
        cron.require_cron(expression, "UTC", NOW)


def _refused(expression: str) -> Problem | None:
    try:
        cron.require_cron(expression, BERLIN, NOW)
    except Problem as refusal:
        return refusal
    return None


@given(st.text("0123456789*/,-#LW MONFEB@²\n", max_size=40))
def test_no_text_is_more_than_refused(text: str) -> None:
    refusal = _refused(text)
    assert refusal is None or refusal.code in ("cron_invalid", "cron_never_fires")


@pytest.mark.parametrize(
    "expression", ["* */5 LW * */7", "59 2 */40 * 0#5", "0 0 29 2 1#5", "*/59 2 */25 3 0L"]
)
def test_the_longest_searches_are_short(expression: str) -> None:
    began = time.process_time()
    _refused(expression)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(("word", "least"), [("@daily", 24), ("@hourly", 1), ("@WEEKLY", 1)])
def test_the_usual_words_are_known(word: str, least: int) -> None:
    cron.require_cron(word, "UTC", NOW)
    first, second = cron.upcoming(Cron(word, "UTC"), NOW, 2)
    assert second - first >= timedelta(hours=least)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("europe/berlin", "Europe/Berlin"),
    ],
)
def test_a_time_zone_that_does_not_exist_is_refused_with_what_is_like_it(name: str, near: str) -> None:
    with pytest.raises(TimezoneUnknown, match=near):
        cron.zone(name)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/localtime",
        "Europe/../UTC",
        "",
        "\x00",
        "posixrules",
        "Factory",
        "Mars/Olympus",
    ],
)
def test_no_path_is_a_time_zone(name: str) -> None:
    with pytest.raises(TimezoneUnknown):
        cron.zone(name)
