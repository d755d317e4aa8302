"""The latency bins' edges as plain integers: for processes that must stay small, and load no numpy. See `histogram`."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

NS_PER_US: Final = 1_000
DECADES: Final = 12


def _edges_ns() -> tuple[int, ...]:
    hundredths = (*range(100, 200, 2), *range(200, 500, 5), *range(500, 1000, 10))
    edges = [hundredth * 10 * 10**decade for decade in range(DECADES) for hundredth in hundredths]
    return (*edges, NS_PER_US * 10**DECADES)


EDGES_NS: Final = _edges_ns()
"""Upper edges of bins 0 to 1920 in ns, ascending."""


def bin_of(duration_ns: int) -> int:
    """The bin of a duration in ns; bins are ``(lower, upper]``."""
    return bisect_left(EDGES_NS, duration_ns)
