"""Schedules as cron has them, in a time zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from jobs.cron import CronError, parse

BERLIN = ZoneInfo("Europe/Berlin")
UTC_ZONE = ZoneInfo("UTC")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(text: str, start: str, count: int, zone: ZoneInfo = UTC_ZONE) -> list[str]:
    cron, moment, found = parse(text), at(start), []
    for _ in range(count):
        moment = cron.next(moment, zone)
        found.append(f"{moment:%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 2 * * *", ["11-02 02:30", "11-03 02:30"]),
        ("0 */8 * * *", ["11-01 16:00", "11-02 00:00"]),
        ("15 6,18 * * mon-fri", ["11-02 06:15", "11-02 18:15"]),  # the first of November 2026 is a Sunday
        ("0 0 1 jan *", ["01-01 00:00", "01-01 00:00"]),
        ("0 0 13 * fri", ["11-06 00:00", "11-13 00:00"]),  # either of the two, as cron has it
        ("0 0 * * 7", ["11-08 00:00", "11-15 00:00"]),
        ("0 0 29 2 *", ["02-29 00:00", "02-29 00:00"]),
        ("5-20/5 9 * * *", ["11-02 09:05", "11-02 09:10"]),
    ],
)
def test_the_next_times(text, expected):
    assert times(text, "2026-11-01T12:00", 2) == expected


def test_a_skipped_time_comes_all_the_same_and_a_doubled_one_once():
    # The clocks go from 2:00 to 3:00 on 29 March 2026, and from 3:00 back to 2:00 on 25 October.
    assert times("30 2 * * *", "2026-03-28T12:00", 2, BERLIN) == ["03-29 01:30", "03-30 00:30"]
    assert times("30 2 * * *", "2026-10-24T12:00", 2, BERLIN) == ["10-25 00:30", "10-26 01:30"]


def test_the_latest_time_is_the_one_before():
    cron = parse("0 6 * * mon")
    now = at("2026-11-04T12:00")
    assert cron.latest(now, BERLIN) == at("2026-11-02T05:00")
    assert cron.latest(at("2026-11-02T05:00"), BERLIN) == at("2026-11-02T05:00")
    assert cron.next(now, BERLIN) == at("2026-11-09T05:00")
    assert parse("0 6,18 * * *").shortest_gap == timedelta(hours=12)
    assert parse("59 23 * * *").shortest_gap == timedelta(hours=24)
    assert parse("*/5 * * * *").shortest_gap == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("61 * * * *", "“61” is no minute"),
        ("0 24 * * *", "“24” is no hour"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 apr,jun *", "never comes"),
        ("0 0 * foo *", "“foo” is no month"),
        ("0 5-3 * * *", "ends before it begins"),
        ("*/0 * * * *", "the step"),
        ("٣ * * * *", "is no minute"),
        ("-1 * * * *", "is no minute"),
        ("1.5 * * * *", "is no minute"),
        ("x" * 10_240, "at most 100 characters"),
    ],
)
def test_what_is_no_schedule_is_refused(text, words):
    with pytest.raises(CronError, match=words):
        parse(text)
