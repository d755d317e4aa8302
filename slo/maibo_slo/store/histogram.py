"""The decimal log-linear histogram: one table of bin edges for every latency that maibo counts.

160 bins a decade from 1 us to 10^12 us: the mantissa steps by 0.02 in [1, 2), 0.05 in [2, 5) and 0.1 in [5, 10). Bins are
``(lower, upper]``, so an edge means "at most", as Prometheus' ``le`` does. Bin 0 is everything up to 1 us, the last bin
everything over 10^12 us.

Guarantees: edges are integers (ns) and no float decides a bin, so the count of durations within a threshold that is an edge
is exact, at every window and grouping; adding histograms loses nothing; no quantile between 1 us and 10^12 us is off by more
than 1.235 % (half a bin of the widest, at 2.00 to 2.05).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Self, overload

import numpy as np

from maibo_slo.store import edges
from maibo_slo.store.edges import NS_PER_US

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def _edges_ns() -> NDArray[np.int64]:
    table = np.array(edges.EDGES_NS, dtype=np.int64)
    table.setflags(write=False)
    return table


EDGES_NS: Final = _edges_ns()
"""Upper edges of bins 0 to 1920 in ns, ascending; shape (1921,)."""
BINS: Final = len(EDGES_NS) + 1


def _middles_us() -> NDArray[np.float64]:
    """What a bin's events are taken to have lasted: its harmonic middle, whose relative error is the same at both edges."""
    edges_us = EDGES_NS / NS_PER_US
    lower, upper = edges_us[:-1], edges_us[1:]
    middles = np.concatenate(([edges_us[0]], 2 * lower * upper / (lower + upper), [edges_us[-1]]))
    middles.setflags(write=False)
    return middles


MIDDLES_US: Final = _middles_us()


@overload
def bin_of(duration_ns: int) -> int: ...
@overload
def bin_of(duration_ns: NDArray[np.int64]) -> NDArray[np.uint16]: ...
def bin_of(duration_ns: NDArray[np.int64] | int) -> NDArray[np.uint16] | int:
    """The bin of a duration in ns, or of each of an array of them. Nothing lasts less than 0; what does is in bin 0."""
    found = np.searchsorted(EDGES_NS, duration_ns, side="left")
    return found.astype(np.uint16) if isinstance(found, np.ndarray) else int(found)


def bounds_us(index: int) -> tuple[float, float]:
    """``(lower, upper]`` of a bin in us; the last bin's upper bound is infinite."""
    if not 0 <= index < BINS:
        raise ValueError(f"bin {index} is not one of 0 to {BINS - 1}")
    lower = float(EDGES_NS[index - 1]) / NS_PER_US if index else 0.0
    upper = float(EDGES_NS[index]) / NS_PER_US if index < BINS - 1 else float("inf")
    return lower, upper


def on_grid(threshold_us: int) -> bool:
    """Whether "at most this long" can be counted exactly."""
    found = bin_of(threshold_us * NS_PER_US)
    return found < len(EDGES_NS) and int(EDGES_NS[found]) == threshold_us * NS_PER_US


def nearest_on_grid(threshold_us: int) -> tuple[int, int]:
    """The thresholds on the grid, in whole us, next below and above; both are the threshold itself if it is on the grid."""
    whole = EDGES_NS[EDGES_NS % NS_PER_US == 0] // NS_PER_US
    below = max(int(np.searchsorted(whole, threshold_us, side="right")) - 1, 0)
    above = min(int(np.searchsorted(whole, threshold_us, side="left")), len(whole) - 1)
    return int(whole[below]), int(whole[above])


def last_bin_within(threshold_us: int) -> int:
    """The bin b for which "bin <= b" is exactly "duration <= threshold". ValueError if the threshold is off the grid."""
    if not on_grid(threshold_us):
        below, above = nearest_on_grid(threshold_us)
        raise ValueError(
            f"{threshold_us} us is not a bin edge, so it cannot be counted exactly; take {below} or {above} us"
        )
    return bin_of(threshold_us * NS_PER_US)


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts by bin: shape (BINS,), uint64. Add them, ask for quantiles and shares."""

    counts: NDArray[np.uint64]

    def __post_init__(self) -> None:
        if self.counts.shape != (BINS,) or self.counts.dtype != np.uint64:
            raise ValueError(
                f"counts are uint64 of shape ({BINS},), not {self.counts.dtype} of shape {self.counts.shape}"
            )

    @classmethod
    def empty(cls) -> Self:
        return cls(np.zeros(BINS, dtype=np.uint64))

    @classmethod
    def from_durations_ns(cls, durations_ns: ArrayLike) -> Self:
        """Count durations, whole ns."""
        durations = np.asarray(durations_ns, dtype=np.int64)
        return cls(np.bincount(bin_of(durations), minlength=BINS).astype(np.uint64))

    @classmethod
    def from_bins(cls, bins: ArrayLike, n: ArrayLike) -> Self:
        """From pairs of bin and count; a bin may come several times."""
        counts = np.zeros(BINS, dtype=np.uint64)
        np.add.at(counts, np.asarray(bins, dtype=np.intp), np.asarray(n, dtype=np.uint64))
        return cls(counts)

    @classmethod
    def of(cls, parts: Sequence[NDArray[np.uint64]]) -> Self:
        """The sum of counts by bin, e.g. of several outcomes; no parts make an empty histogram."""
        return cls(np.asarray(np.sum(parts, axis=0, dtype=np.uint64))) if parts else cls.empty()

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(self.counts + other.counts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and bool(np.array_equal(self.counts, other.counts))

    __hash__ = None  # type: ignore[assignment]  # it holds an array

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def quantile(self, q: float) -> float | None:
        """The duration in us that a share q of the events did not exceed; None without events.

        Nearest rank (the ceil(q * total)-th shortest), as numpy's ``method="inverted_cdf"``; the answer is the middle of
        that event's bin. Beyond the grid it is the grid's end.
        """
        return self.quantiles(q)[0]

    def quantiles(self, *q: float) -> tuple[float | None, ...]:
        """Several quantiles for the price of one."""
        if not all(0 <= each <= 1 for each in q):
            raise ValueError(f"a quantile is between 0 and 1, not {q}")
        cumulative = self.counts.cumsum()
        total = int(cumulative[-1])
        if total == 0:
            return (None,) * len(q)
        ranks = np.array([max(ceil(each * total), 1) for each in q], dtype=np.uint64)
        return tuple(float(middle) for middle in MIDDLES_US[np.searchsorted(cumulative, ranks, side="left")])

    def within(self, threshold_us: int) -> int:
        """How many events lasted at most this long: exact. ValueError if the threshold is off the grid."""
        return int(self.counts[: last_bin_within(threshold_us) + 1].sum())


def sparse_quantiles(
    owners: NDArray[np.intp], bins: NDArray[Any], n: NDArray[Any], *q: float, owned: int
) -> list[tuple[float | None, ...]]:
    """As `Histogram.quantiles`, of many small histograms at once: for each of `owned` owners, 0 and up.

    Row by row whose histogram it is, bin and count; a bin may come several times. 20 times as quick as one by one.
    """
    order = np.lexsort((bins, owners))
    owners, middles_us, cumulative = owners[order], MIDDLES_US[bins[order]], n[order].astype(np.uint64).cumsum()
    below = np.concatenate([np.zeros(1, np.uint64), cumulative])
    begins, ends = (np.searchsorted(owners, np.arange(owned), side=side) for side in ("left", "right"))
    base, totals = below[begins], below[ends] - below[begins]
    found = []
    for each in q:
        ranks = np.maximum(np.ceil(each * totals.astype(np.float64)), 1).astype(np.uint64)
        places = np.minimum(np.searchsorted(cumulative, base + ranks, side="left"), max(len(cumulative) - 1, 0))
        found.append(middles_us[places].tolist() if len(cumulative) else [0.0] * owned)
    return [
        of if total else (None,) * len(q) for of, total in zip(zip(*found, strict=True), totals.tolist(), strict=True)
    ]
