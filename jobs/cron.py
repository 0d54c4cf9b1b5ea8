"""When a schedule is due: five fields as cron has them, in a time zone. Pure.

A time that the clock skips in spring counts as the moment it would have been; one that comes twice in autumn counts
once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

LONGEST = 100  # characters
# 29 February on a given weekday comes within 28 years, or 40 around a century.
FURTHEST = timedelta(days=366 * 41)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))


class CronError(ValueError):
    """Not a schedule; the message says which field and why."""


@dataclass(frozen=True)
class Cron:
    """The values each field allows. `is_any_day` and `is_any_weekday`: the field begins with a star; where neither
    does, a day counts that fits one of the two, as cron has it. Weekdays count from Sunday, 0.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_any_day: bool
    is_any_weekday: bool

    def falls_on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.is_any_day or self.is_any_weekday:
            return by_day and by_weekday
        return by_day or by_weekday

    def latest(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """The last time that is not after `now`, in UTC; None where there was none."""
        for moment in self._moments(now, zone, backwards=True):
            if moment <= now:
                return moment
        return None

    def next(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        """The first time after `after`, in UTC; None where none comes."""
        for moment in self._moments(after, zone, backwards=False):
            if moment > after:
                return moment
        return None

    @property
    def shortest_gap(self) -> timedelta:
        """The shortest time between two that follow each other."""
        times = [hour * 60 + minute for hour in self.hours for minute in self.minutes]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        return timedelta(minutes=min([*gaps, times[0] + 24 * 60 - times[-1]]))

    def _moments(self, start: datetime, zone: ZoneInfo, backwards: bool) -> Iterator[datetime]:
        step = timedelta(days=-1 if backwards else 1)
        # Beginning a day early: what is today here may have been yesterday there.
        day, end = start.astimezone(zone).date() - step, start.astimezone(zone).date() + step * FURTHEST.days
        times = [time(hour, minute) for hour in self.hours for minute in self.minutes]
        while (day > end) if backwards else (day < end):
            if self.falls_on(day):
                moments = [datetime.combine(day, at, zone).astimezone(UTC) for at in times]
                yield from sorted(moments, reverse=backwards)
            day += step


def parse(text: str) -> Cron:
    """Raises CronError."""
    if len(text) > LONGEST:
        raise CronError(f"A schedule has at most {LONGEST} characters.")
    fields = text.split()
    if len(fields) != len(FIELDS):
        raise CronError("A schedule has five fields: minute, hour, day of the month, month, weekday.")
    minutes, hours, days, months, weekdays = (
        _values(field, *known) for field, known in zip(fields, FIELDS, strict=True)
    )
    cron = Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(day % 7 for day in weekdays),
        is_any_day=fields[2].startswith("*"),
        is_any_weekday=fields[4].startswith("*"),
    )
    if cron.next(datetime(2000, 1, 1, tzinfo=UTC), ZoneInfo("UTC")) is None:
        raise CronError("This day never comes.")
    return cron


def _values(field: str, name: str, least: int, most: int) -> set[int]:
    found: set[int] = set()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        if step and not (step.isascii() and step.isdigit() and 1 <= int(step) <= most):
            raise CronError(f"“{part}” is no {name}: the step has to be from 1 to {most}.")
        if span == "*":
            first, last = least, most
        else:
            start, dash, end = span.partition("-")
            first = _number(start, part, name, least, most)
            last = _number(end, part, name, least, most) if dash else most if step else first
        if first > last:
            raise CronError(f"“{part}” is no {name}: it ends before it begins.")
        found.update(range(first, last + 1, int(step or 1)))
    return found


def _number(word: str, part: str, name: str, least: int, most: int) -> int:
    names = MONTHS if name == "month" else WEEKDAYS if name == "weekday" else ()
    if word in names:
        return names.index(word) + (1 if name == "month" else 0)
    if not (word.isascii() and word.isdigit() and len(word) <= 2 and least <= int(word) <= most):
        raise CronError(f"“{part[:20]}” is no {name}: it has to be from {least} to {most}.")
    return int(word)
