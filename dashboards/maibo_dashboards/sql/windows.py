"""SLO windows in SQL: where the window begins that a moment lies in, rolling or by the calendar of a zone.

Calendars as `maibo_slo.engine.calendar` has them: begins are counted from the calendar's start, never from the begin before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.documents import Calendar, FedSlo, Slo

_ELAPSED: Final = {"m": 60, "h": 3600}
_DAYS: Final = {"d": 1, "w": 7}
_MONTHS: Final = {"M": 1, "Q": 3, "Y": 12}


def begins(slos: Sequence[Slo | FedSlo], at: str) -> str:
    """The begin (unix s) of the window of the column `slo` that ends with the minute `at` (unix s); both are SQL."""
    return _by_slo(slos, at, edge=0, rolling=f"{at} + 60 - window_seconds")


def ends(slos: Sequence[Slo | FedSlo], at: str) -> str:
    """When that window ends: of a calendar's, some time after `at`."""
    return _by_slo(slos, at, edge=1, rolling=f"{at} + 60")


def _by_slo(slos: Sequence[Slo | FedSlo], at: str, *, edge: int, rolling: str) -> str:
    calendars = [
        f"slo = {_quoted(slo.name)}, {_period_edge(slo.calendar, at, edge)}" for slo in slos if slo.calendar is not None
    ]
    return f"multiIf({', '.join(calendars)}, {rolling})" if calendars else rolling


def longest_seconds(slo: Slo | FedSlo) -> int:
    """No window of it is longer: a calendar's nominal length is that of an ordinary month."""
    return slo.window_seconds if slo.calendar is None else slo.window_seconds + slo.window_seconds // 10 + 86_400


def _period_edge(calendar: Calendar, at: str, edge: int) -> str:
    """The begin (0) or the end (1) of the period that `at` lies in."""
    if calendar.unit in _ELAPSED:
        first = int(calendar.start.replace(tzinfo=ZoneInfo(calendar.zone)).timestamp()) // 60 * 60
        length = calendar.count * _ELAPSED[calendar.unit]
        return f"{first} + (toInt64(floor(({at} - {first}) / {length})) + {edge}) * {length}"
    days = calendar.unit in _DAYS
    unit, add = ("day", "addDays") if days else ("month", "addMonths")
    step = calendar.count * (_DAYS if days else _MONTHS)[calendar.unit]
    zone = _quoted(calendar.zone)
    start = f"toDateTime({_quoted(f'{calendar.start:%Y-%m-%d %H:%M:%S}')}, {zone})"
    crossed = f"toInt32(floor(dateDiff('{unit}', {start}, toDateTime({at}, {zone}), {zone}) / {step}))"

    def begin(later: int) -> str:
        return f"toInt64(toUnixTimestamp({add}({start}, {step} * ({crossed} + {later}))))"

    # Boundaries were counted: one more than steps that have passed, where the period begins later in its day or month.
    return f"if({begin(0)} <= {at}, {begin(edge)}, {begin(edge - 1)})"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
