"""Durations as Prometheus spells them: ``5m``, ``1d12h``, ``4w``."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"y": 365 * 86_400, "w": 7 * 86_400, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_WHOLE: Final = frozenset("yw")
"""Units that Prometheus uses only where nothing is left over: 28 days are ``4w``, 30 days are ``30d``."""
_TEXT: Final = re.compile("".join(f"(?:([0-9]+){unit})?" for unit in _UNITS))


def duration(seconds: int) -> str:
    """As Prometheus itself writes it, which is how metrics are named after their windows.

    >>> duration(30 * 86400), duration(28 * 86400), duration(129600)
    ('30d', '4w', '1d12h')
    """
    text = ""
    for unit, size in _UNITS.items():
        if seconds < size or (unit in _WHOLE and seconds % size):
            continue
        text += f"{seconds // size}{unit}"
        seconds %= size
    return text or "0s"


def seconds_of(text: str) -> int:
    """What `duration` wrote, or a person. ValueError when it is none, or nothing.

    >>> seconds_of("36h") == seconds_of("1d12h") == 129600
    True
    """
    found = _TEXT.fullmatch(text)
    total = (
        sum(int(number or 0) * size for number, size in zip(found.groups(), _UNITS.values(), strict=True))
        if found
        else 0
    )
    if not total:
        raise ValueError(text)
    return total


def spoken(window_seconds: int) -> str:
    """For people.

    >>> spoken(28 * 86400), spoken(3600), spoken(1800)
    ('28 days', '1 hours', '30 minutes')
    """
    for unit, seconds in (("days", 86_400), ("hours", 3_600)):
        if window_seconds % seconds == 0:
            return f"{window_seconds // seconds} {unit}"
    return f"{window_seconds // 60} minutes"
