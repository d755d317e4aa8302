"""Windows that begin and end by the calendar of a time zone.

All begins are counted from the calendar's start, never from the begin before: with one on the 31st, months begin on the 28th, 29th or
30th where there is no 31st, and on the 31st again after that. Days and longer are the zone's own, so one has 23 hours when clocks go forward,
and 25 when they go back; a begin that the clocks skip is as much later as they skip, one that they show twice is the first of the two.
Minutes and hours are as long everywhere.

Periods tile time without gap or overlap, before the start too.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from maibo_slo.documents import Calendar

_ELAPSED: Final = {"m": 60, "h": 3_600}
_DAYS: Final = {"d": 1, "w": 7}
_MONTHS: Final = {"M": 1, "Q": 3, "Y": 12}
_DAY: Final = 86_400
_MOVED: Final = _DAY
"""Clocks go back by an hour or two; across the date line, by a day."""


class Period(NamedTuple):
    """[begin, end), unix s, whole minutes."""

    begin: int
    end: int


def period(calendar: Calendar, at: float) -> Period:
    """The one that `at` (unix s) lies in."""
    number = _guessed(calendar, at)
    while _begin(calendar, number) > at:
        number -= 1
    while (end := _begin(calendar, number + 1)) <= at:
        number += 1
    return Period(_begin(calendar, number), end)


def longest_seconds(calendar: Calendar) -> int:
    """No period of it is longer."""
    if calendar.unit in _ELAPSED:
        return calendar.count * _ELAPSED[calendar.unit]
    if calendar.unit in _DAYS:
        return calendar.count * _DAYS[calendar.unit] * _DAY + _MOVED
    years, months = divmod(calendar.count * _MONTHS[calendar.unit], 12)
    return (years * 366 + months * 31) * _DAY + _MOVED


def _guessed(calendar: Calendar, at: float) -> int:
    """Its number, or one near."""
    if calendar.unit in _ELAPSED:
        return int((at - _begin(calendar, 0)) // (calendar.count * _ELAPSED[calendar.unit]))
    local = datetime.fromtimestamp(at, ZoneInfo(calendar.zone)).replace(tzinfo=None)
    if calendar.unit in _DAYS:
        return (local - calendar.start) // timedelta(days=calendar.count * _DAYS[calendar.unit])
    months = (local.year - calendar.start.year) * 12 + local.month - calendar.start.month
    return months // (calendar.count * _MONTHS[calendar.unit])


@lru_cache(maxsize=4096)  # every SLO asks at every tick, and most have the same calendar
def _begin(calendar: Calendar, number: int) -> int:
    """Of the period with this number; the one that begins at the calendar's start has 0."""
    steps = calendar.count * number
    if calendar.unit in _ELAPSED:
        return _unix(calendar.start, calendar.zone) + steps * _ELAPSED[calendar.unit]
    if calendar.unit in _DAYS:
        return _unix(calendar.start + timedelta(days=steps * _DAYS[calendar.unit]), calendar.zone)
    return _unix(_months_later(calendar.start, steps * _MONTHS[calendar.unit]), calendar.zone)


def _months_later(start: datetime, months: int) -> datetime:
    """On the same day of the month, or on its last."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start.replace(year=year, month=month + 1, day=min(start.day, monthrange(year, month + 1)[1]))


def _unix(local: datetime, zone: str) -> int:
    return int(local.replace(tzinfo=ZoneInfo(zone)).timestamp()) // 60 * 60
