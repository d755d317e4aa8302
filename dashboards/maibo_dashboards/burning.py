"""The burn rates that alerts go by, as `maibo_slo.engine.burn` fits them to an SLO; the tests hold the two together.

A pair of windows says "so many percent of the budget went within the long one, and over the short one it still goes". Its factor is scaled
to the SLO's own window, so that it stays true of every length, and kept at 1 or above, and within reach of the target.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from maibo_slo.documents import Objective

HOUR: Final = 3600
_SHARES: Final = (
    (HOUR, 300, 2, "page"),
    (6 * HOUR, 1800, 5, "page"),
    (24 * HOUR, 2 * HOUR, 10, "ticket"),
    (72 * HOUR, 6 * HOUR, 10, "ticket"),
)
"""Long and short window, percent of the budget, and what comes of it."""
_REACHABLE: Final = 0.9
"""A pair is reached at the latest when nine events of ten are bad."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Reached when the burn over both windows is above the factor."""

    long_seconds: int
    short_seconds: int
    factor: float
    severity: str


def pairs(window_seconds: int, objective: Objective) -> tuple[Pair, ...]:
    """Of an SLO's window, pages first; none whose long window is longer."""
    return tuple(
        Pair(long, short, _factor(percent * window_seconds / (100 * long), objective), severity)
        for long, short, percent, severity in _SHARES
        if long <= window_seconds
    )


def error_budget(objective: Objective) -> float:
    """The share of events that may be bad, exact in decimal: 0.001 for 0.999, where floats say 0.0010000000000000009."""
    return float(1 - Decimal(repr(objective.target)))


def spoken(seconds: int) -> str:
    """A window in the largest unit that fits.

    >>> spoken(1800), spoken(7200), spoken(28 * 86400)
    ('30 m', '2 h', '28 d')
    """
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size and not seconds % size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _factor(scaled: float, objective: Objective) -> float:
    return max(1.0, min(scaled, _REACHABLE / error_budget(objective)))
