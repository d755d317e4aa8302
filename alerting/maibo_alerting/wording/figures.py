"""Numbers and times as people read them: two or three digits that matter, units beside them, the zone beside a time."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

    from maibo_alerting.wording.phrases import Phrases

_LEAST_PERCENT = Decimal("0.0001")


def count(n: int) -> str:
    return f"{n:,}"


def exact_percent(ratio: float, phrases: Phrases) -> str:
    """A target, as it was written: 99.95 %, never 99.94999999999999 %."""
    return phrases.percent.format(n=_digits(Decimal(repr(ratio)) * 100))


def percent(ratio: float, phrases: Phrases) -> str:
    """Two digits that matter, of the ratio or of what it lacks to 1: 0.21 %, 12 %, 99.95 %. Nothing short of all reads 100 %."""
    value = Decimal(repr(ratio)) * 100
    smaller = min(abs(value), abs(100 - value))
    if 0 < smaller < _LEAST_PERCENT:
        shown = f"< {_LEAST_PERCENT}" if value < 1 else f"> {100 - _LEAST_PERCENT}"
        return phrases.percent.format(n=shown)
    places = 0 if value > 100 or smaller == 0 else max(0, 1 - smaller.adjusted())
    return phrases.percent.format(n=_digits(round(value, places)))


def rate(times: float) -> str:
    """12.4, 0.25, 1,200: three digits from 10 on, two below."""
    if times == 0:
        return "0"
    if times >= 100:
        return f"{times:,.0f}"
    return _digits(round(Decimal(repr(times)), max(0, (2 if times >= 10 else 1) - math.floor(math.log10(abs(times))))))


def duration(seconds: float, phrases: Phrases) -> str:
    """The two largest units: 3 h 20 min, 2 d, 45 s."""
    left = max(0, round(seconds))
    if left >= 3_600:
        left = (left + 30) // 60 * 60  # seconds are not shown: they round the minutes
    if left >= 86_400:
        left = (left + 1_800) // 3_600 * 3_600
    parts: list[str] = []
    for size, unit in ((86_400, phrases.days), (3_600, phrases.hours), (60, phrases.minutes), (1, phrases.seconds)):
        whole, left = divmod(left, size)
        if whole:
            parts.append(unit.format(n=whole))
    return " ".join(parts[:2]) or phrases.seconds.format(n=0)


def latency(seconds: float, phrases: Phrases) -> str:
    """340 ms, 1.2 s, 12 s; two digits, as exact as a percentile of a histogram is. From 1000 s on as `duration`."""
    if seconds >= 999.5:
        return duration(seconds, phrases)
    if seconds < 0.9995:
        return phrases.milliseconds.format(n=_significant(seconds * 1_000))
    return phrases.seconds.format(n=_significant(seconds))


def moment(unix: float, zone: tzinfo) -> str:
    """2026-11-23 03:14 (UTC+08:00): an offset, since an abbreviation such as CST is three zones'."""
    at = datetime.fromtimestamp(unix, UTC).astimezone(zone)
    offset = at.strftime("%z")
    name = "UTC" if at.utcoffset() in (None, UTC.utcoffset(None)) else f"UTC{offset[:3]}:{offset[3:5]}"
    return f"{at:%Y-%m-%d %H:%M} ({name})"


def _significant(value: float) -> str:
    if value <= 0:
        return "0"
    exact = Decimal(repr(value))
    step = Decimal(1).scaleb(min(0, exact.adjusted() - 2))
    return _digits(exact.quantize(step, rounding=ROUND_HALF_UP))


def _digits(value: Decimal) -> str:
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
