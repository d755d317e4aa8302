"""The two spellings of time in documents.

OpenSLO's duration-shorthand (``28d``, ``1M``) is for windows, ours (``300ms``, ``1.5s``, ``30m``) for how long something takes. In both
``m`` is minutes; a month is ``M``.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from maibo_slo.store import histogram

if TYPE_CHECKING:
    from maibo_slo.documents.fields import Fields

_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 30 * 86_400, "Q": 90 * 86_400, "Y": 365 * 86_400}
"""A month is 30 days, a quarter 90, a year 365, as in OpenSLO's own SDK."""
_MICROSECONDS: Final = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_SHORTHAND: Final = re.compile(r"([0-9]{1,9})([mhdwMQY])")
_ZERO: Final = re.compile(r"0{1,9}[mhdwMQY]")
_NONE: Final = re.compile(r"0{1,9}(?:ms|s|m|h|d)")
_ELAPSED: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(us|ms|s|m|h|d)")


def window_seconds(text: str) -> int:
    """``28d`` -> 2_419_200. ValueError when it is not a positive duration-shorthand.

    >>> window_seconds("4w") == window_seconds("28d")
    True
    """
    count, unit = shorthand(text)
    return count * _SECONDS[unit]


def shorthand(text: str) -> tuple[int, str]:
    """``28d`` as count and unit. ValueError when it is not a positive duration-shorthand.

    >>> shorthand("28d")
    (28, 'd')
    """
    found = _SHORTHAND.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise ValueError(text)
    return int(found[1]), found[2]


def shorthand_seconds(
    fields: Fields, name: str, *, example: str = "28d", required: bool = True, zero: bool = False
) -> int:
    """A duration-shorthand in a field; 0 when absent, wrong, or allowed to be that."""
    text = fields.text(name, default=None if required else "", mend=f"such as {example}")
    if not text or (zero and _ZERO.fullmatch(text)):
        return 0
    try:
        return window_seconds(text)
    except ValueError:
        mend = f"write a whole number above 0 and one of m (minutes), h, d, w, M (months), Q, Y: such as {example}"
        fields.error(name, f"{text!r} is not an OpenSLO duration", mend)
        return 0


def elapsed_us(text: str) -> int:
    """``1.5s`` -> 1_500_000. ValueError when it is not a whole number of microseconds from 1 to 10^12 (11.5 days).

    >>> elapsed_us("300ms")
    300000
    """
    found = _ELAPSED.fullmatch(text)
    if found is None:
        raise ValueError(text)
    microseconds = Decimal(found[1]) * _MICROSECONDS[found[2]]
    if not 1 <= microseconds <= 10**12 or microseconds != int(microseconds):
        raise ValueError(text)
    return int(microseconds)


def elapsed_text(microseconds: int) -> str:
    """The shortest spelling that `elapsed_us` reads back: 1_500_000 -> ``1.5s``.

    >>> elapsed_text(335_000), elapsed_text(1_800_000_000), elapsed_text(61_500_000)
    ('335ms', '30m', '61.5s')
    """
    unit = next(unit for unit, size in reversed(_MICROSECONDS.items()) if microseconds >= size)
    if unit in "mhd":  # a fraction of an hour or day is hard to read
        unit = next(unit for unit, size in reversed(_MICROSECONDS.items()) if microseconds % size == 0 or unit == "s")
    return f"{(Decimal(microseconds) / _MICROSECONDS[unit]).normalize():f}{unit}"


def latency_us(fields: Fields, name: str) -> int | None:
    """A latency threshold in an optional field, which must be an edge of the histogram so that its counts are exact."""
    microseconds = time_us(fields, name, example="300ms")
    if microseconds is None or histogram.on_grid(microseconds):
        return microseconds
    below, above = histogram.nearest_on_grid(microseconds)
    near = " or ".join(dict.fromkeys(map(elapsed_text, (below, above))))
    fields.error(name, f"{fields.text(name)!r} is not one of the latencies that are counted exactly", f"use {near}")
    return None


def whole_seconds(fields: Fields, name: str, default: int, *, example: str, zero: bool = False) -> int:
    """How long something takes, in an optional field; 0 where that is allowed."""
    mend = f"write it as {example!r}; units are s, m (minutes), h, d"
    text = fields.text(name, default="", mend=mend)
    if zero and _NONE.fullmatch(text):
        return 0
    microseconds = _elapsed(fields, name, text, least="0s" if zero else "1s", mend=mend)
    if microseconds is None:
        return default
    if microseconds % 1_000_000:
        fields.error(name, "must be whole seconds", f"write it as {example!r}")
        return default
    return microseconds // 1_000_000


def time_us(fields: Fields, name: str, *, example: str) -> int | None:
    """How long something takes, in an optional field."""
    mend = f"write it as {example!r}; units are us, ms, s, m (minutes), h, d"
    return _elapsed(fields, name, fields.text(name, default="", mend=mend), least="1us", mend=mend)


def _elapsed(fields: Fields, name: str, text: str, *, least: str, mend: str) -> int | None:
    """None when it is absent or wrong, which is told: once, since the text was read once."""
    if not text:
        return None
    try:
        return elapsed_us(text)
    except ValueError:
        fields.error(name, f"{text!r} is not a duration from {least} to 11d", mend)
        return None
