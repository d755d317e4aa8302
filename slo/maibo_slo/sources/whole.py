"""Whole counts from fractional ones.

A Prometheus extrapolates what it saw of an interval to its ends, so an increase is rarely whole: 0.4 events a minute, rounded one by one,
would be none in an hour. So sums since the full hour are rounded, and what is counted of a minute is what its sum is more than the one
before: an hour's count is off by half an event at most, whichever of its minutes are asked for.
"""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

HOUR: Final = 3600


def whole(counts: Mapping[int, float]) -> dict[int, int]:
    """By time (unix s), not below 0; each hour that there are counts of must be told from its begin.

    >>> whole({0: 0.4, 60: 0.4, 120: 0.4, 3600: 0.4})
    {0: 0, 60: 1, 120: 0, 3600: 0}
    """
    told: dict[int, int] = {}
    hour, total, counted = 0, 0.0, 0
    for t in sorted(counts):
        if t // HOUR != hour:
            hour, total, counted = t // HOUR, 0.0, 0
        total += counts[t]
        told[t] = floor(total + 0.5) - counted
        counted += told[t]
    return told
