"""Calendar windows: they tile time, and are what a calendar on the wall says."""

# ruff: noqa: DTZ001 -- the start of a calendar has its zone beside it
from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maibo_slo.documents import Calendar
from maibo_slo.engine.calendar import Period, longest_seconds, period

HOUR = 3_600
DAY = 86_400
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # clocks went forward at midnight: a day there began at 01:00
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # 30 minutes of summer time
    "Pacific/Apia",  # 30 December 2011 was not
    "Africa/Monrovia",  # 44 minutes and 30 seconds until 1972
)
UNITS = {"m": 60, "h": HOUR, "d": DAY, "w": 7 * DAY, "M": 28 * DAY, "Q": 90 * DAY, "Y": 365 * DAY}


def unix(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def at(text: str, zone: str = "UTC", *, count: int = 1, unit: str = "M", start: str = "2026-01-01 00:00:00") -> Period:
    return period(Calendar(count, unit, datetime.fromisoformat(start), zone), unix(text, zone))


def months_later(start: datetime, months: int) -> datetime:
    year, month = start.year, start.month
    for _ in range(abs(months)):
        month += 1 if months > 0 else -1
        year, month = (year + 1, 1) if month == 13 else (year - 1, 12) if month == 0 else (year, month)
    return start.replace(year=year, month=month, day=min(start.day, monthrange(year, month)[1]))


def by_brute_force(calendar: Calendar, moment: float) -> Period:
    """Every begin of a long time, one after the other."""

    def begin(number: int) -> int:
        steps = calendar.count * number
        local = calendar.start
        if calendar.unit in "mh":
            seconds = steps * (60 if calendar.unit == "m" else HOUR)
            return unix(calendar.start.isoformat(), calendar.zone) // 60 * 60 + seconds
        if calendar.unit in "dw":
            local += timedelta(days=steps * (7 if calendar.unit == "w" else 1))
        else:
            local = months_later(local, steps * {"M": 1, "Q": 3, "Y": 12}[calendar.unit])
        return unix(local.isoformat(), calendar.zone) // 60 * 60

    length = calendar.count * UNITS[calendar.unit]
    about = int((moment - begin(0)) // length)
    near = [begin(number) for number in range(about - abs(about) // 8 - 4, about + abs(about) // 8 + 5)]
    return Period(max(each for each in near if each <= moment), min(each for each in near if each > moment))


calendars = st.builds(
    Calendar,
    st.integers(1, 40),
    st.sampled_from(tuple(UNITS)),
    st.datetimes(datetime(1995, 1, 1), datetime(2040, 1, 1)).map(lambda start: start.replace(microsecond=0)),
    st.sampled_from(ZONES),
)
moments = st.floats(unix("1995-01-01"), unix("2040-01-01"))
FEBRUARY = Calendar(1, "Y", datetime(2024, 2, 29, 12), "UTC")


@given(calendars, moments)
@example(FEBRUARY, unix("2025-02-28T12:00"))
@example(Calendar(1, "d", datetime(2026, 1, 1), "Pacific/Apia"), unix("2011-12-30T12:00"))
@example(Calendar(1, "M", datetime(2026, 1, 31), "Europe/Berlin"), unix("2026-02-28T00:00"))
def test_periods_tile_time(calendar: Calendar, moment: float) -> None:
    found = period(calendar, moment)
    assert found.begin <= moment < found.end
    assert found.begin % 60 == found.end % 60 == 0
    assert found.end - found.begin <= longest_seconds(calendar)
    assert period(calendar, found.begin) == period(calendar, found.end - 1) == found
    assert period(calendar, found.end).begin == found.end
    assert period(calendar, found.begin - 1).end == found.begin


@given(calendars.filter(lambda calendar: calendar.unit not in "mh"), moments)
def test_a_period_is_the_one_that_counting_from_the_start_finds(calendar: Calendar, moment: float) -> None:
    assert period(calendar, moment) == by_brute_force(calendar, moment)


@given(calendars.filter(lambda calendar: calendar.unit in "mh"), moments)
def test_minutes_and_hours_are_as_long_everywhere(calendar: Calendar, moment: float) -> None:
    found = period(calendar, moment)
    assert found.end - found.begin == calendar.count * UNITS[calendar.unit]
    assert (found.begin - unix(calendar.start.isoformat(), calendar.zone) // 60 * 60) % (found.end - found.begin) == 0


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        ("2026-03-28", "Europe/Berlin", 24),
        ("2026-03-29", "Europe/Berlin", 23),
        ("2026-10-25", "Europe/Berlin", 25),
        ("2026-10-04", "Australia/Lord_Howe", 23.5),
        ("2026-04-05", "Australia/Lord_Howe", 24.5),
        ("2026-10-25", "Asia/Kolkata", 24),
        ("2017-10-15", "America/Sao_Paulo", 23),
        ("2018-02-17", "America/Sao_Paulo", 25),
    ],
)
def test_a_day_is_the_zones_own_however_long(day: str, zone: str, hours: float) -> None:
    found = at(f"{day}T12:00", zone, unit="d")
    assert (found.end - found.begin) / HOUR == hours
    local = datetime.fromtimestamp(found.begin, ZoneInfo(zone))
    assert f"{local:%Y-%m-%d}" == day


def test_a_day_that_a_zone_left_out_belongs_to_no_period() -> None:
    before = at("2011-12-29T12:00", "Pacific/Apia", unit="d")
    assert at("2011-12-31T12:00", "Pacific/Apia", unit="d") == (before.end, before.end + DAY)


def test_a_begin_that_the_clocks_skip_is_as_much_later_and_one_shown_twice_the_first() -> None:
    forward = at("2026-03-29T12:00", "Europe/Berlin", unit="d", start="2026-01-01 02:30:00")
    assert datetime.fromtimestamp(forward.begin, ZoneInfo("Europe/Berlin")).hour == 3
    back = at("2026-10-25T12:00", "Europe/Berlin", unit="d", start="2026-01-01 02:30:00")
    assert back.begin == unix("2026-10-25T00:30")


def test_a_month_that_begins_on_the_31st_does_not_drift() -> None:
    begins = [unix(day) for day in ("2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30")]
    for begin, end in pairwise(begins):
        assert at(
            datetime.fromtimestamp(begin + DAY, UTC).replace(tzinfo=None).isoformat(), start="2026-01-31 00:00:00"
        ) == (begin, end)


def test_a_year_that_begins_on_29_february_begins_on_the_28th_in_other_years() -> None:
    assert period(FEBRUARY, unix("2026-01-01")) == (unix("2025-02-28T12:00"), unix("2026-02-28T12:00"))
    assert period(FEBRUARY, unix("2028-02-29T12:00")).begin == unix("2028-02-29T12:00")


def test_quarters_and_weeks_are_those_of_the_start() -> None:
    assert at("2026-11-23", unit="Q") == (unix("2026-10-01"), unix("2027-01-01"))
    assert at("2026-11-25", count=2, unit="w", start="2026-11-09 09:00:00") == (
        unix("2026-11-23T09:00"),
        unix("2026-12-07T09:00"),
    )


def test_there_are_periods_before_the_start() -> None:
    assert at("2019-02-14", start="2026-01-01 00:00:00") == (unix("2019-02-01"), unix("2019-03-01"))
