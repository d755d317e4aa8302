"""How sure a rate is that was counted: Poisson's interval by Wilson and Hilferty's cube root, good to a percent from three events on."""

from __future__ import annotations

import math


def lower(events: float, z: float) -> float:
    """What so many events were expected to be at the least: the lower end at `z` standard deviations.

    >>> round(lower(100, 1.645), 1)
    84.1
    """
    if events <= 0:
        return 0.0
    return events * max(0.0, 1 - 1 / (9 * events) - z / (3 * math.sqrt(events))) ** 3


def upper(events: float, z: float) -> float:
    """At the most.

    >>> round(upper(0, 1.645), 1)
    3.0
    """
    more = events + 1
    return more * (1 - 1 / (9 * more) + z / (3 * math.sqrt(more))) ** 3
