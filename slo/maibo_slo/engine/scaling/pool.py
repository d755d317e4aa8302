"""The burst pool: room kept free for the next scale-up, as much as demand grew within a lead time.

Not "20 %": how much demand grows while a scale-up is under way differs from one workload to the next by a factor of forty. So the pool is
the quantile of that growth, of minutes that were busy, times what runs now.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from maibo_slo.engine import lifetimes
from maibo_slo.engine.forecasting.gate import gaps, short
from maibo_slo.engine.forecasting.series import lead_minutes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from maibo_slo.store.scaleups import ScaleUp


LEAST_RATE: Final = 1e-6
"""A call in eleven days: of less, growth tells nothing."""


def growth(history: NDArray[np.float64], lead_seconds: float, level: float) -> float:
    """Quantile of demand after the lead time over demand before it, of the minutes that were busy (at least the median).

    `history`: calls a second by the minute, NaN is not known; `level` in [0, 1]. 1.0 where no two minutes are that far apart: nothing is known
    to grow. Never below 1.0.

    >>> growth(np.array([10.0, 10.0, 20.0, 30.0]), 60, 1.0)
    1.5
    """
    minutes = lead_minutes(lead_seconds)
    if len(history) <= minutes or np.isnan(history).all():
        return 1.0
    before, after = history[:-minutes], history[minutes:]
    busy = (before >= np.nanmedian(history)) & (before > LEAST_RATE) & ~np.isnan(after)
    if not busy.any():
        return 1.0
    return max(1.0, float(np.quantile(after[busy] / before[busy], level)))


def growth_refusal(history: NDArray[np.float64], lead_seconds: float) -> str:
    """Why this history is too short, or has too many gaps, to tell growth from; '' when it is not. A forecast asks for as much."""
    known = ~np.isnan(history)
    if not known.any():
        return "no demand is known yet"
    return short(known, lead_minutes(lead_seconds)) or gaps(known)


def pool_size(current: int, growth: float, most: int | None = None) -> int:
    """Pods to keep free beside `current` ones, so that they may grow by `growth`: ceil((growth - 1) x current), `most` at most.

    `most`: of the pool's own bound and the room below that of the replicas, the lesser; below 0 is none.

    >>> pool_size(20, 1.26), pool_size(39, 6.574, 60 - 39)
    (6, 21)
    """
    # 1.1 x 10 is no 12th pod: what floats leave over is none.
    wanted = max(0, ceil((growth - 1) * current - 1e-9))
    return wanted if most is None else max(0, min(wanted, most))


def pool_percentage(growth: float) -> int:
    """The same of whatever runs, in whole percents: what a CapacityBuffer keeps to by itself, as replicas come and go.

    >>> pool_percentage(1.26), pool_percentage(1.035), pool_percentage(1.0)
    (26, 4, 0)
    """
    return max(0, ceil(100 * (growth - 1) - 1e-9))


@dataclass(frozen=True, slots=True)
class PoolHeld:
    """So many pods' room, for so long."""

    begin: float
    end: float
    """Unix s."""
    pods: int


@dataclass(frozen=True, slots=True)
class PoolReport:
    """What a pool was good for, and what it cost."""

    scale_ups: int
    """That ended."""
    warm: int
    """None of whose pods had to wait for a new node."""
    warm_share: float | None
    """None without any scale-up."""
    pod_hours: float
    """Of room held free."""


def pool_report(scale_ups: Sequence[ScaleUp], held: Sequence[PoolHeld]) -> PoolReport:
    """Of a period: its scale-ups, and what was held during it."""
    warmth = lifetimes.warmth(scale_ups)
    return PoolReport(
        warmth.ended,
        warmth.warm,
        warmth.share,
        sum((each.end - each.begin) * each.pods for each in held) / 3600,
    )
