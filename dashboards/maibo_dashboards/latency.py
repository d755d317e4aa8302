"""The store's decimal log-linear histogram, as SQL over its bin numbers.

A query that names latencies begins with `FUNCTIONS` and then says `middle_us(...)` or `edge_ns(...)`. They answer as
`maibo_slo.store.histogram` does, and the tests hold them to it: an edge is an integer of ns, so "at or under a threshold" is exact; a
quantile is the nearest rank's bin, told by its harmonic middle, off by 1.24 % at most. Lambdas in ``WITH`` need ClickHouse 24.3.
"""

from __future__ import annotations

from typing import Final

BINS_PER_BAR: Final = 8
"""A drawn distribution has 20 bars a decade where the store has 160 bins."""

FUNCTIONS: Final = """\
  i -> toUInt64(multiIf(
    i % 160 < 50, 100 + 2 * (i % 160),
    i % 160 < 110, 5 * (i % 160) - 50,
    10 * (i % 160) - 600
  )) * 10 * intExp10(intDiv(i, 160)) AS edge_ns,
  b -> multiIf(
    b = 0, 1.,
    b > 1920, 1e12,
    2e-3 * edge_ns(b) * (edge_ns(b - 1) / (edge_ns(b - 1) + edge_ns(b)))
  ) AS middle_us"""
"""``edge_ns(i)``: the upper edge of bin i, in ns. ``middle_us(b)``: what an event of bin b is taken to have lasted."""


def quantile_us(level: float) -> str:
    """An aggregate: the nearest-rank quantile, in us, of the group's successes and failures; NULL without any.

    Abandoned journeys have no end that a customer waited for.
    """
    finished = "outcome != 'abandoned'"
    return f"if(sumIf(n, {finished}) = 0, NULL, middle_us(quantileExactWeightedIf({level})(bin, n, {finished})))"


def within(threshold_us: int) -> str:
    """A condition: this bin is at or under the threshold. Exact for thresholds on the grid."""
    return f"edge_ns(bin) <= {threshold_us * 1000}"
