"""Periods by name, in UTC, and the period before each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

PERIODS: Final = ("day", "week", "month", "last-day", "last-week", "last-month")
"""The present one, which is not over, and the last that is. Weeks begin on Monday."""


def named(period: str, *, now: float) -> tuple[int, int]:
    """[begin, end) in unix seconds.

    >>> [datetime.fromtimestamp(at, UTC).date().isoformat() for at in named("last-month", now=1_769_864_400.0)]
    ['2025-12-01', '2026-01-01']
    """
    midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    last, unit = period.startswith("last-"), period.removeprefix("last-")
    if unit == "month":
        begin = _months_later(midnight.replace(day=1), -1 if last else 0)
        return _unix(begin), _unix(_months_later(begin, 1))
    days = 7 if unit == "week" else 1
    begin = midnight - timedelta(days=midnight.weekday() if unit == "week" else 0) - timedelta(days=days if last else 0)
    return _unix(begin), _unix(begin + timedelta(days=days))


def before(begin: int, end: int) -> tuple[int, int]:
    """The period before: as long, or of whole calendar months as many of them."""
    first, last = (datetime.fromtimestamp(at, UTC) for at in (begin, end))
    months = (last.year - first.year) * 12 + last.month - first.month
    if months > 0 and _months_later(first, months) == last and first == _begin_of_month(first):
        return _unix(_months_later(first, -months)), begin
    return begin - (end - begin), begin


def _begin_of_month(at: datetime) -> datetime:
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _months_later(first: datetime, months: int) -> datetime:
    """`first` is on a day that every month has."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return first.replace(year=year, month=month + 1) if first.day <= 28 else first


def _unix(at: datetime) -> int:
    return int(at.timestamp())
