"""Demand by the minute as models see it: without known events, in logarithms, asked for by windows of minutes.

Everything that models know of a minute is a difference of two such windows' means, so growth and not size; a window without any known
minute makes the difference 0: it says nothing, and what is not known never becomes a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from maibo_slo.documents.scaling_kinds import ExpectedLoad

MINUTE: Final = 60
DAY_MINUTES: Final = 1440
MOST_LEAD_SECONDS: Final = 12 * 3600
"""The same hour of yesterday must be over at now + lead: no scale-up takes so long."""
STALE_MINUTES: Final = 3
"""So many minutes at the end may be unknown yet; the newest known stands for them."""
_LEAST_CALLS: Final = 1.0
"""In a minute: what is added before taking logarithms is no less, so that a night without calls is no abyss."""
_SHARE_OF_MEDIAN: Final = 0.02


def lead_minutes(lead_seconds: float) -> int:
    """Whole minutes ahead, at least one. ValueError for less than 0 s or more than `MOST_LEAD_SECONDS`."""
    if not 0 <= lead_seconds <= MOST_LEAD_SECONDS:
        raise ValueError(f"a lead time is between 0 s and {MOST_LEAD_SECONDS} s, not {lead_seconds} s")
    return max(1, ceil(lead_seconds / MINUTE))


def factor_at(expected: Sequence[ExpectedLoad], at: float) -> float:
    """Of the known events at this moment: the one that is farthest from 1; 1.0 without any."""
    factors = [each.factor for each in expected if each.begin <= at < each.end and each.factor > 0]
    return max(factors, key=lambda factor: abs(np.log(factor)), default=1.0)


def without_expected(
    history: NDArray[np.float64], *, now: float, expected: Sequence[ExpectedLoad]
) -> NDArray[np.float64]:
    """What would have been without known events: minutes inside one are divided by its factor. A minute is where its middle is."""
    begin = now - MINUTE * len(history)
    touching = [each for each in expected if each.end > begin and each.begin < now]
    if not touching:
        return history
    plain = history.copy()
    edges = sorted({_index(edge, begin, len(history)) for each in touching for edge in (each.begin, each.end)})
    for low, high in pairwise(edges):
        plain[low:high] /= factor_at(touching, begin + MINUTE * (low + 0.5))
    return plain


def _index(moment: float, begin: float, minutes: int) -> int:
    """The first minute whose middle is not before the moment."""
    return min(max(ceil((moment - begin) / MINUTE - 0.5), 0), minutes)


@dataclass(frozen=True, slots=True, eq=False)
class Logs:
    """Logarithms of rates, and sums from which any window's mean is had at once."""

    values: NDArray[np.float64]
    """log(rate + offset); NaN is not known."""
    offset: float
    _sums: NDArray[np.float64]
    _known: NDArray[np.int64]

    @classmethod
    def of(cls, rates: NDArray[np.float64], offset: float) -> Logs:
        values = np.log(rates + offset)
        known = ~np.isnan(values)
        return cls(
            values,
            offset,
            np.concatenate(([0.0], np.cumsum(np.where(known, values, 0.0)))),
            np.concatenate(([0], np.cumsum(known))),
        )

    def mean(self, at: NDArray[np.int64], minutes: int, back: int = 0) -> NDArray[np.float64]:
        """Of the `minutes` that end with the one `back` before each of `at`; NaN where none of them is known."""
        last = np.clip(at - back + 1, 0, len(self.values))
        first = np.clip(at - back + 1 - minutes, 0, len(self.values))
        known = self._known[last] - self._known[first]
        return np.where(known > 0, (self._sums[last] - self._sums[first]) / np.maximum(known, 1), np.nan)


def offset_of(rates: NDArray[np.float64]) -> float:
    """What is added to rates before taking logarithms."""
    known = rates[~np.isnan(rates)]
    return (
        max(_LEAST_CALLS / MINUTE, _SHARE_OF_MEDIAN * float(np.median(known))) if len(known) else _LEAST_CALLS / MINUTE
    )
