"""An SLO's ``timeWindow``: rolling, or by the calendar of a time zone."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Final
from zoneinfo import available_timezones

from maibo_slo.documents.durations import shorthand_seconds
from maibo_slo.documents.fields import meant

if TYPE_CHECKING:
    from maibo_slo.documents.fields import Fields

MAX_WINDOW_DAYS: Final = 400
"""Counts are kept that long."""
_WINDOW: Final = "timeWindow: [{duration: 28d, isRolling: true}]"
_ZONE: Final = "name an IANA zone such as Europe/Berlin"
_START: Final = "%Y-%m-%d %H:%M:%S"


def window(spec: Fields) -> int:
    """Seconds of the rolling window; 0 when it is none or wrong, which is told."""
    windows = spec.mappings("timeWindow", mend=f"add {_WINDOW}")
    if len(windows) > 1:
        spec.error("timeWindow", "must have exactly one item", "write one SLO for each window")
    seconds = [_seconds(each) for each in windows]
    return seconds[0] if seconds else 0


def _seconds(fields: Fields) -> int:
    _check_rolling(fields)
    seconds = shorthand_seconds(fields, "duration")
    fields.close()
    if not seconds:
        return 0
    text = fields.text("duration")
    if text.endswith("m"):
        fields.warning("duration", f"in {text!r}, m is minutes", f"write {text[:-1]}M if months are meant")
    if seconds > MAX_WINDOW_DAYS * 86_400:
        mend = f"counts are kept for {MAX_WINDOW_DAYS} days: use a shorter window"
        fields.unjudged("duration", f"a window of {text}", mend)
    return seconds


def _check_rolling(fields: Fields) -> None:
    errors_before = fields.report.errors
    rolling, calendar = fields.flag("isRolling"), fields.has("calendar")
    if calendar and not rolling:
        _check_calendar(fields.mapping("calendar"))
    if fields.report.errors > errors_before:
        return
    if rolling and calendar:
        fields.error("calendar", "is not allowed in a rolling window", "remove it, or isRolling")
    elif calendar:
        fields.unjudged("calendar", "a calendar window", f"use {_WINDOW}")
    elif not rolling:
        fields.error("isRolling", "must be true, or a calendar be given", f"use {_WINDOW}")


def _check_calendar(calendar: Fields) -> None:
    start = calendar.text("startTime", mend="such as 2026-01-01 00:00:00")
    if start and not _is_start(start):
        calendar.error("startTime", f"{start!r} is not a date and time", "write it as YYYY-MM-DD hh:mm:ss")
    zone = calendar.text("timeZone", mend=_ZONE)
    if zone and zone not in _zones():
        calendar.error("timeZone", f"there is no time zone {zone!r}", meant(zone, _zones()) or _ZONE)
    calendar.close()


def _is_start(text: str) -> bool:
    try:
        return datetime.strptime(text, _START).strftime(_START) == text  # noqa: DTZ007 -- its zone is a field of its own
    except ValueError:
        return False


@cache
def _zones() -> dict[str, None]:
    """Names of IANA zones."""
    return dict.fromkeys(available_timezones())
