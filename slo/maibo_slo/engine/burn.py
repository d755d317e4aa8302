"""Burn rates from counts, and the pairs of windows by which a burn is judged (`burning`).

``burn(w) = (bad(w) / events(w)) / (1 - target)``: 1 spends exactly the budget over the SLO's window. A burn is judged over a
pair of windows, as the SRE Workbook does: the long one says that enough has been spent, the short one that it goes on.

The factor of a pair is scaled to the SLO's own window P, ``k = share x P / long``, so that "2 % of the budget in an hour" stays
true for every P (14.4 belongs to 30 days alone), and then kept
* at 1 or above: a burn below 1 ends the window inside its budget, however short the window;
* at most 0.9 / (1 - target): with a target of 90 %, 13.44 would need more bad events than there are events.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_slo.engine.budget import error_budget

if TYPE_CHECKING:
    from collections.abc import Mapping

HOUR: Final = 3600
BURN_WINDOWS: Final[Mapping[str, int]] = {
    "5m": 300,
    "30m": 1800,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "6h": 6 * HOUR,
    "1d": 24 * HOUR,
    "3d": 72 * HOUR,
}


class Share(NamedTuple):
    """So many percent of the budget within the long window, and it still goes over the short one."""

    long: str
    short: str
    percent: float


FAST: Final = (Share("1h", "5m", 2), Share("6h", "30m", 5))
"""Worth waking somebody: ``burning_fast``."""
SLOW: Final = (Share("1d", "2h", 10), Share("3d", "6h", 10))
"""Worth a ticket."""

MIN_BAD_EVENTS: Final = 3
"""In a pair's long window. At 99.9 % one failure among a new service's first ten requests is a burn of 100: noise, no news."""

REACHABLE: Final = 0.9
"""A pair is reached at the latest when nine events of ten are bad."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Good and bad events of one window, and how many of its minutes had any.

    Of an SLO whose budget is one of slices, slices: those of RatioTimeslices are good in part.
    """

    good: float
    bad: float
    observed_minutes: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Reached when the burn over both windows is above the factor."""

    long_seconds: int
    short_seconds: int
    factor: float


def burn_rate(good: float, bad: float, *, target: float) -> float | None:
    """How fast the budget burns; None without events.

    >>> burn_rate(985, 15, target=0.999)
    15.0
    """
    events = good + bad
    return None if events == 0 else bad / events / error_budget(target)


@lru_cache(maxsize=1024)
def fast_pairs(window_seconds: int, *, target: float) -> tuple[Pair, ...]:
    """2 % of the budget within 1 h (and still over 5 min), 5 % within 6 h (and still over 30 min)."""
    return tuple(_fitted(share, window_seconds, target=target) for share in FAST)


@lru_cache(maxsize=1024)
def alerted_pairs(window_seconds: int, *, target: float) -> Mapping[str, Pair]:
    """Those that alerts go by, by the name of their long window; none whose long window is longer than the SLO's."""
    fitting = (share for share in (*FAST, *SLOW) if BURN_WINDOWS[share.long] <= window_seconds)
    return {share.long: _fitted(share, window_seconds, target=target) for share in fitting}


def slow_pair() -> Pair:
    """Faster than the budget lasts, over 6 h and still over 30 min."""
    return Pair(6 * HOUR, 1800, 1.0)


def _fitted(share: Share, window_seconds: int, *, target: float) -> Pair:
    long_seconds = BURN_WINDOWS[share.long]
    scaled = share.percent * window_seconds / (100 * long_seconds)
    return Pair(long_seconds, BURN_WINDOWS[share.short], max(1.0, min(scaled, REACHABLE / error_budget(target))))
