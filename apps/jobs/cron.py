"""When a schedule fires: at the times of a cron expression in its time zone, at an interval, or once.

Cron is Debian's, by cronsim: what happens at a fixed time of day happens once on the days on which clocks are put
forward or back; what has a `*` for its minute or hour follows the time that really passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from apps.core.problems import FieldError, Problem, show
from apps.jobs.errors import CronInvalid, CronNeverFires, TimezoneUnknown

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
#: Nobody is told of a time further away than this; of leap days on a Monday there are three in it.
HORIZON = timedelta(days=100 * 366)
_FIELDS = 5
#: What the system's own folder of zones holds that is no place.
_NO_PLACES = frozenset({"Factory", "localtime"})


@dataclass(frozen=True, slots=True)
class Cron:
    """The times of a cron expression in a time zone."""

    expression: str
    timezone: str

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times after `moment`, in UTC and in order, none twice. Each takes a tenth of a second at most."""
        last = moment
        for local in CronSim(_spelled_out(self.expression), moment.astimezone(zone(self.timezone))):
            time = local.astimezone(UTC)
            # In the hour that comes twice, and after the one that never comes, cronsim may say a time again.
            if time > last:
                yield time
                last = time


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so many seconds, counted from `start`."""

    seconds: int
    start: datetime

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times after `moment`, in order."""
        step = timedelta(seconds=self.seconds)
        time = self.start + step * max(1, (moment - self.start) // step + 1)
        while True:
            yield time
            time += step


@dataclass(frozen=True, slots=True)
class Once:
    """One time."""

    at: datetime

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The time, unless it is over at `moment`."""
        if self.at > moment:
            yield self.at


Times = Cron | Interval | Once


def upcoming(times: Times, moment: datetime, most: int) -> list[datetime]:
    """The first `most` times after `moment`, those within a hundred years."""
    end = moment + HORIZON
    return list(islice(takewhile(lambda time: time <= end, times.after(moment)), most))


def first_after(times: Times, moment: datetime) -> datetime | None:
    """The first time after `moment`; None where there is none any more."""
    return next(iter(upcoming(times, moment, 1)), None)


def due(times: Times, first: datetime, now: datetime, most: int) -> list[datetime]:
    """`first` and the times that came after it until `now`, `most` of them at most."""
    rest = takewhile(lambda time: time <= now, times.after(first))
    return [first, *islice(rest, most - 1)]


def latest(times: Times, first: datetime, now: datetime) -> datetime:
    """The last time from `first`, which is one, until `now`. Looked for in ever longer stretches before `now`."""
    stretch = timedelta(hours=1)
    while True:
        start = max(first, now - stretch)
        found = list(takewhile(lambda time: time <= now, times.after(start)))
        if found or start == first:
            return [first, *found][-1]
        stretch *= 24


def require_cron(expression: str, timezone: str, now: datetime) -> None:
    """Raise CronInvalid for what is no expression, and CronNeverFires for one that has no time in fifty years."""
    if len(_spelled_out(expression).split()) != _FIELDS:
        raise _refusal(
            CronInvalid,
            "cron",
            f"{show(expression)} has not the five fields minute, hour, day of month, month and day of week.",
        )
    try:
        found = first_after(Cron(expression, timezone), now)
    except CronSimError as error:
        if _is_day_that_never_comes(expression):
            raise _never(expression) from None
        raise _refusal(CronInvalid, "cron", f"{show(expression)}: {_said(error)}.") from None
    if found is None:
        raise _never(expression)


def zone(name: str) -> ZoneInfo:
    """The time zone of that name. Raises TimezoneUnknown, which says what is called alike."""
    if name not in zones():
        near = alike(name)
        hint = f"; did you mean {' or '.join(near)}?" if near else "."
        raise _refusal(TimezoneUnknown, "timezone", f"There is no time zone {show(name)}{hint}")
    return ZoneInfo(name)


@cache
def zones() -> frozenset[str]:
    """The names of all time zones of the IANA database that this machine knows."""
    return frozenset(available_timezones()) - _NO_PLACES


def alike(name: str) -> list[str]:
    """Up to three names of time zones that are like `name`, or whose city is."""
    known = {each.casefold(): each for each in sorted(zones())}
    cities = {each.casefold().rpartition("/")[2]: each for each in sorted(zones(), reverse=True)}
    wanted = name[:64].casefold().replace(" ", "_")
    near = [cities[city] for city in get_close_matches(wanted.rpartition("/")[2], cities, 3, 0.8)]
    near += [known[each] for each in get_close_matches(wanted, known, 3, 0.8)]
    return list(dict.fromkeys(near))[:3]


def _spelled_out(expression: str) -> str:
    return NICKNAMES.get(expression.strip().lower(), expression)


def _is_day_that_never_comes(expression: str) -> bool:
    """True for days that the months do not have, such as 30 February: each of the two fields is fine for itself."""
    minute, hour, day, month, weekday = _spelled_out(expression).split()
    try:
        for days, months in ((day, "*"), ("1", month)):
            CronSim(f"{minute} {hour} {days} {months} {weekday}", datetime.now(UTC))
    except CronSimError:
        return False
    return True


def _said(error: CronSimError) -> str:
    """What the library says, as part of a sentence: `Bad day-of-month`."""
    return f"{str(error).lower().replace('-', ' ').replace('bad', 'there is no such')}"


def _never(expression: str) -> Problem:
    return _refusal(CronNeverFires, "cron", f"{show(expression)} fires at no time in the next fifty years.")


def _refusal(kind: type[Problem], field: str, said: str) -> Problem:
    return kind(f"{said} {kind.advice}", errors=[FieldError(field, kind.code, said)])
