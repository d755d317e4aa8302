"""An SLO's ``timeWindow``: rolling, or by the calendar of a time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.durations import shorthand, shorthand_seconds
from maibo_slo.documents.kinds import Calendar
from maibo_slo.documents.moments import FIRST_YEAR, LAST_YEAR, zone

if TYPE_CHECKING:
    from maibo_slo.documents.fields import Fields

MAX_WINDOW_DAYS: Final = 400
"""Counts are kept that long."""
_WINDOW: Final = "timeWindow: [{duration: 28d, isRolling: true}]"
_START: Final = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """How long an SLO looks back, and from when on where that is not rolling."""

    seconds: int = 0
    """Of a calendar window nominal; 0 when it is wrong, which is told."""
    calendar: Calendar | None = None


def window(spec: Fields) -> TimeWindow:
    """The one window of an SLO."""
    windows = spec.mappings("timeWindow", mend=f"add {_WINDOW}")
    if len(windows) > 1:
        spec.error("timeWindow", "must have exactly one item", "write one SLO for each window")
    read = [_window(each) for each in windows]
    return read[0] if read else TimeWindow()


def _window(fields: Fields) -> TimeWindow:
    calendar = _calendar(fields)
    seconds = shorthand_seconds(fields, "duration")
    fields.close()
    if not seconds:
        return TimeWindow()
    text = fields.text("duration")
    if text.endswith("m"):
        fields.warning("duration", f"in {text!r}, m is minutes", f"write {text[:-1]}M if months are meant")
    if seconds > MAX_WINDOW_DAYS * 86_400:
        mend = f"counts are kept for {MAX_WINDOW_DAYS} days: use a shorter window"
        fields.unjudged("duration", f"a window of {text}", mend)
    if calendar is None:
        return TimeWindow(seconds)
    start, where = calendar
    return TimeWindow(seconds, Calendar(*shorthand(text), start=start, zone=where))


def _calendar(fields: Fields) -> tuple[datetime, str] | None:
    """Start and zone of a calendar window; None where the window rolls, or is wrong, which is told."""
    errors_before = fields.report.errors
    rolling, given = fields.flag("isRolling"), fields.has("calendar")
    calendar = _start_and_zone(fields.mapping("calendar")) if given and not rolling else None
    if fields.report.errors == errors_before:
        if rolling and given:
            fields.error("calendar", "is not allowed in a rolling window", "remove it, or isRolling")
        elif not rolling and not given:
            fields.error("isRolling", "must be true, or a calendar be given", f"use {_WINDOW}")
    return calendar


def _start_and_zone(calendar: Fields) -> tuple[datetime, str] | None:
    text = calendar.text("startTime", mend="such as 2026-01-01 00:00:00")
    start = _start(text)
    where = zone(calendar, "timeZone")
    if text and start is None:
        calendar.error("startTime", f"{text!r} is not a date and time", "write it as YYYY-MM-DD hh:mm:ss")
    elif start is not None and not FIRST_YEAR <= start.year <= LAST_YEAR:
        mend = "write a day that is near: windows before and after it follow from it"
        calendar.unjudged("startTime", f"a startTime that is not between {FIRST_YEAR} and {LAST_YEAR}", mend)
    elif start is not None and start.second:
        calendar.unjudged("startTime", "a startTime within a minute", "end it with :00, since minutes are counted")
    calendar.close()
    return None if start is None else (start, where)


def _start(text: str) -> datetime | None:
    try:
        start = datetime.strptime(text, _START)  # noqa: DTZ007 -- its zone is a field of its own
    except ValueError:
        return None
    return start if start.strftime(_START) == text else None
