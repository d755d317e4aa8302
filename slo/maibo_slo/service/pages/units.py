"""
Numbers as people read them: three significant digits, a unit that fits, and an en dash where there is no data.

Rounding never flatters: a share below 1 is not shown as 100 %, a failure share above 0 not as 0 %, and what is left of a budget is
rounded down.
"""

# ruff: noqa: RUF002 -- the examples show what people read: an en dash, a minus and a multiplication sign
from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from maibo_slo.service.pages.language import gettext, marked

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_DATA = "\u2013"
SPACE = "\u00a0"
MINUS = "\u2212"
TIMES = "\u00d7"
RATE_UNITS = {"s": 1, "min": 60, "h": 3_600}
LAST_EVENT = marked("How long ago the newest event ended; events are counted by 10 seconds")
LAST_MINUTE = marked(
    "How long ago the newest minute ended that has events which this SLO counts. SLOs are counted by the minute, and the minute that runs is "
    "0 s old: this can be up to a minute less than the age of the event itself"
)
WINDOW_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(us: float | None) -> str:
    """
    Microseconds, in the unit that fits.

    >>> [duration(us).replace(SPACE, " ") for us in (None, 850.4, 12_340, 1_240_000, 95_000_000)]
    ['–', '850 µs', '12.3 ms', '1.24 s', '1 min 35 s']
    """
    if us is None:
        return NO_DATA
    if us < 999.5:
        return f"{_digits(us)}{SPACE}\u00b5s"
    if us < 999_500:
        return f"{_digits(us / 1e3)}{SPACE}ms"
    if us < 59_950_000:
        return f"{_digits(us / 1e6)}{SPACE}s"
    return period(us / 1e6)


def limit(us: float | None) -> str:
    """
    A round duration, such as a threshold or a mark on an axis.

    >>> [limit(us).replace(SPACE, " ") for us in (None, 1_000, 250_000, 1_500_000, 3_600_000_000)]
    ['–', '1 ms', '250 ms', '1.5 s', '1 h']
    """
    number, space, unit = duration(us).partition(SPACE)
    return f"{number.rstrip('0').rstrip('.')}{space}{unit}" if "." in number else duration(us)


def count(number: float | None) -> str:
    """
    A count of events.

    >>> [count(number) for number in (None, 0, 9_999, 12_345, 4_560_000, 7.2e9)]
    ['–', '0', '9,999', '12.3k', '4.56M', '7.20G']
    """
    if number is None:
        return NO_DATA
    if number < 9_999.5:
        return f"{number:,.0f}"
    for size, unit in ((1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")):
        if number < size * 999.5:
            return f"{_digits(number / size)}{unit}"
    return f"{number:.2e}"


def amount(number: float | None) -> str:
    """
    Events, or slices of time: those may be good in part.

    >>> [amount(number) for number in (None, 3, 3.0, 0.25, 12.125, 40_320.5)]
    ['–', '3', '3', '0.25', '12.1', '40.3k']
    """
    if number is None or number == int(number):
        return count(number)
    return _digits(number) if number < 99.95 else count(number)


def allowance(events: float) -> str:
    """
    How many events a budget allows: seldom a whole number, and often below 1 while an SLO is young.

    >>> [allowance(events) for events in (0.185, 9.5, 23.4, 12_345.6)]
    ['0.18', '9.50', '23', '12.3k']
    """
    return _digits(events) if events < 9.995 else count(events)


def rate(per_second: float | None, per: str = "") -> str:
    """
    Events by the second; by the minute or the hour where they are rare. In a column, by what `rate_per` says for all of it.

    >>> [rate(each) for each in (None, 0, 1234.0, 12.34, 0.05, 0.0005)]
    ['–', '0/s', '1,234/s', '12.3/s', '3.00/min', '1.80/h']
    >>> [rate(each, "s") for each in (12.34, 0.05, 0.0123, 0.0005, 0)]
    ['12.3/s', '0.050/s', '0.012/s', '<0.001/s', '0/s']
    """
    if per_second is None:
        return NO_DATA
    per = per or rate_per([per_second])
    events = per_second * RATE_UNITS[per]
    if events == 0 or events >= 999.5:
        return f"{count(events)}/{per}"
    if events < 0.001:
        return f"<0.001/{per}"
    return f"{events:.3f}/{per}" if events < 0.0995 else f"{_digits(events)}/{per}"


def rate_per(rates: Iterable[float | None]) -> str:
    """
    What rates that are compared are told by, so that the largest reads well: s, min or h.

    >>> rate_per([12.3, 0.05]), rate_per([0.05, None]), rate_per([0.0005]), rate_per([0, None])
    ('s', 'min', 'h', 's')
    """
    most = max((each for each in rates if each is not None), default=0)
    return next((per for per, seconds in RATE_UNITS.items() if most * seconds >= 0.1), "h") if most else "s"


def share(ratio: float | None) -> str:
    """
    A share of events, two decimals, never rounded to all or nothing.

    >>> [share(ratio).replace(SPACE, " ") for ratio in (None, 1.0, 0.99999, 0.9921, 0.00001, 0.0)]
    ['–', '100 %', '>99.99 %', '99.21 %', '<0.01 %', '0 %']
    """
    if ratio is None:
        return NO_DATA
    if ratio in (0.0, 1.0):
        return f"{ratio * 100:.0f}{SPACE}%"
    if ratio > 0.9999:
        return f">99.99{SPACE}%"
    if ratio < 0.0001:
        return f"<0.01{SPACE}%"
    return f"{ratio * 100:.2f}{SPACE}%"


def coverage(ratio: float) -> str:
    """
    A share of time, one decimal or two digits.

    >>> [coverage(ratio).replace(SPACE, " ") for ratio in (0.0, 0.00003, 0.0042, 0.3, 0.9999, 1.0)]
    ['0 %', '<0.01 %', '0.42 %', '30 %', '99 %', '100 %']
    """
    percent = round(ratio * 100, 6)  # 0.29 is 28.999999999999996 %
    if percent == 0:
        return f"0{SPACE}%"
    if percent < 0.01:
        return f"<0.01{SPACE}%"
    return f"{percent:.2g}{SPACE}%" if percent < 10 else f"{math.floor(percent)}{SPACE}%"


def part(ratio: float) -> str:
    """
    A part of a whole, in whole percents that add up; what is there is not rounded away.

    >>> [part(ratio).replace(SPACE, " ") for ratio in (0.0, 0.0004, 0.485, 0.515, 0.9996, 1.0)]
    ['0 %', '<1 %', '48 %', '52 %', '>99 %', '100 %']
    """
    if ratio in (0.0, 1.0):
        return f"{ratio * 100:.0f}{SPACE}%"
    percent = round(ratio * 100, 6)  # 0.285 is 28.499999999999996 %
    if percent < 1:
        return f"<1{SPACE}%"
    return f">99{SPACE}%" if percent > 99 else f"{round(percent)}{SPACE}%"


def target(ratio: float) -> str:
    """
    An objective, with the digits that it was written with.

    >>> [target(ratio).replace(SPACE, " ") for ratio in (0.999, 0.5, 0.99995)]
    ['99.9 %', '50 %', '99.995 %']
    """
    percent = (Decimal(str(ratio)) * 100).normalize()
    return f"{percent:f}{SPACE}%"


def budget(remaining: float | None) -> str:
    """
    What is left of an error budget; negative when overspent.

    >>> [budget(left).replace(SPACE, " ") for left in (None, 1.0, 0.9999, 0.0512, -0.381, -4.194, -49.25)]
    ['–', '100 %', '99.9 %', '5.1 %', '−38.1 %', '−420 %', '−4,925 %']
    """
    if remaining is None:
        return NO_DATA
    # 1 - bad / budget leaves dust of floats: 0.8999999999 is 90 %, and -4.7e-12 is nothing.
    percent = math.floor(round(remaining * 1000, 6)) / 10
    if abs(percent) >= 100:
        percent = math.floor(percent)
    text = f"{abs(percent):,.0f}" if abs(percent) >= 100 else f"{abs(percent):.1f}"
    return f"{MINUS if percent < 0 else ''}{text}{SPACE}%"


def burn(rate_of_burn: float | None) -> str:
    """
    How fast a budget burns: 1 spends it exactly over the SLO's window.

    >>> [burn(each) for each in (None, 0, 0.002, 0.34, 1.26, 14.4, 720)]
    ['–', '0×', '<0.01×', '0.34×', '1.3×', '14×', '720×']
    """
    if rate_of_burn is None:
        return NO_DATA
    if rate_of_burn == 0:
        return f"0{TIMES}"
    if rate_of_burn < 0.01:
        return f"<0.01{TIMES}"
    if rate_of_burn < 1:
        return f"{rate_of_burn:.2f}{TIMES}"
    return f"{rate_of_burn:.1f}{TIMES}" if rate_of_burn < 9.95 else f"{rate_of_burn:,.0f}{TIMES}"


def period(seconds: float | None) -> str:
    """
    A length of time or an age, in its two largest units.

    >>> [period(each).replace(SPACE, " ") for each in (None, 0.4, 61, 7_500, 86_400, 2_419_200)]
    ['–', '0 s', '1 min 1 s', '2 h 5 min', '1 d', '28 d']
    """
    if seconds is None:
        return NO_DATA
    left = max(0, int(seconds))
    parts = []
    for size, unit in WINDOW_UNITS:
        many, left = divmod(left, size)
        if many:
            parts.append(f"{many}{SPACE}{unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or f"0{SPACE}s"


def clock(at: datetime) -> str:
    """A time of day in UTC."""
    return f"{at.astimezone(UTC):%H:%M:%S}{SPACE}UTC"


def dated(at: datetime) -> str:
    """A point in time with its date, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d} {clock(at)}"


def local(at: datetime, zone: str) -> str:
    """
    A whole minute as the clocks of a zone show it.

    >>> local(datetime(2026, 10, 31, 23, tzinfo=UTC), "Europe/Berlin").replace(SPACE, " ")
    '2026-11-01 00:00 CET'
    """
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M{SPACE}%Z}"


def moment(at: datetime, *, now: datetime) -> str:
    """A point in time: with its date unless that is today's."""
    return clock(at) if _today(at, now=now) else dated(at)


def between(begin: datetime, end: datetime, *, now: datetime) -> str:
    """A stretch of time: with dates unless all of it is today's."""
    said = clock if _today(begin, now=now) and _today(end, now=now) else dated
    return gettext("%(begin)s to %(end)s", begin=said(begin), end=said(end))


def _today(at: datetime, *, now: datetime) -> bool:
    return at.astimezone(UTC).date() == now.astimezone(UTC).date()


def _digits(number: float) -> str:
    """Three significant digits, without an exponent."""
    if number >= 99.95:
        return f"{number:.0f}"
    return f"{number:.1f}" if number >= 9.995 else f"{number:.2f}"
