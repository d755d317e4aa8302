"""Other people's histograms in our bins: OTLP's explicit and exponential buckets, subtracted as sent, then counted in bins.

Cumulative histograms are subtracted bucket by bucket as they were sent, and only the difference goes into bins: mapping is not linear
(it rounds to whole events), subtraction is. That is why the state of a stream holds raw buckets.

A bucket ``(lower, upper]`` gives its events to the bins that it overlaps, as if they lay there uniformly on a logarithmic scale (from 0:
on a linear one), rounded so that every event is counted once. An open last bucket gives them to the first bin above its lower bound. The
shortest and the longest event, where they are told, narrow the outermost buckets.

Guarantees: the number of events is preserved; "at most T" is exact for every T that is both a bound of the buckets and an edge of a
bin, as events never leave their bucket by more than the bins that lie across its bounds. A quantile is off by at most its bucket's
relative width (``upper / lower - 1``) plus 1.235 % (`maibo_slo.store.histogram`): of an exponential histogram of scale s that is
``2 ** 2 ** -s - 1``: 4.4 % at scale 4, 1.1 % at 6, 0.3 % at 8. Of an open bucket it is not bounded, unless the longest is told.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from functools import lru_cache
from math import exp2, inf, log, log2
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from maibo_slo.store.edges import EDGES_NS

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET_LIMIT: Final = 10_000
SCALES: Final = range(-10, 21)
"""As OpenTelemetry's SDKs use them."""

_ONE: Final = 2**40
"""Shares of a bucket's events are whole parts of this, so that rounding them needs no floats."""
_LONGEST_NS: Final = 10.0**18
"""Beyond every bin."""
_EXPONENTS: Final = (-100.0, 100.0)
"""Bounds of exponential buckets beyond these powers of two, in ns, are all the same to our bins."""


class Explicit(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Bucket i is ``(bounds[i-1], bounds[i]]`` in the metric's unit; the first begins at 0, the last is open."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]


class Exponential(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Bucket i of `counts` is ``(base ** (offset + i), base ** (offset + i + 1)]``, base being ``2 ** 2 ** -scale``."""

    scale: int
    zero: int
    """Events of at most `zero_threshold`."""
    zero_threshold: float
    offset: int
    counts: tuple[int, ...]


Buckets = Explicit | Exponential


class _Bucket(NamedTuple):
    lower: float
    """In ns."""
    upper: float
    n: int


def total(buckets: Buckets) -> int:
    """Events in all buckets."""
    return sum(buckets.counts) + (buckets.zero if isinstance(buckets, Exponential) else 0)


def alike(one: Buckets, other: Buckets) -> bool:
    """Whether they can be subtracted; exponential ones of different scales can."""
    if isinstance(one, Explicit):
        return isinstance(other, Explicit) and one.bounds == other.bounds
    return isinstance(other, Exponential) and one.zero_threshold == other.zero_threshold


def minus(now: Buckets, before: Buckets) -> Buckets | None:
    """What came since; None when a count fell: they count from a new beginning. Both are `alike`."""
    if isinstance(now, Explicit):
        counts = tuple(a - b for a, b in zip(now.counts, before.counts, strict=True))
        return None if min(counts) < 0 else Explicit(now.bounds, counts)
    assert isinstance(before, Exponential)
    scale = min(now.scale, before.scale)
    now, before = _downscaled(now, scale), _downscaled(before, scale)
    left = list(now.counts)
    zero = now.zero - before.zero
    for at, n in enumerate(before.counts, before.offset - now.offset):
        if n and not 0 <= at < len(left):
            return None
        if n:
            left[at] -= n
    if zero < 0 or min(left, default=0) < 0:
        return None
    return Exponential(scale, zero, now.zero_threshold, now.offset, tuple(left))


def in_bins(
    buckets: Buckets, *, unit_ns: int, shortest: float | None = None, longest: float | None = None
) -> dict[int, int]:
    """Bin -> events, in ascending bins. `shortest` and `longest` (in the unit) bound all the events, where they are known."""
    found: dict[int, int] = {}
    for lower, upper, n in _held(buckets, unit_ns, shortest, longest):
        first_bin, shares = _spread(lower, upper)
        before = 0
        for index, share in enumerate(shares, first_bin):
            until = (n * share + _ONE // 2) // _ONE
            if until > before:
                found[index] = found.get(index, 0) + until - before
                before = until
    return found


def in_few_bins(
    buckets: Buckets, room: int, *, unit_ns: int, shortest: float | None = None, longest: float | None = None
) -> dict[int, int] | None:
    """The same with the events of each bucket in its last bin: what is guaranteed above holds, and there are no more bins than buckets.

    None where `in_bins` takes no more bins than `room`. What this costs depends on the buckets alone, not on what they span.
    """
    if total(buckets) <= room:
        return None
    across = [(*_across(lower, upper), n) for lower, upper, n in _held(buckets, unit_ns, shortest, longest)]
    if sum(min(n, last - first + 1) for first, last, n in across) <= room:
        return None
    found: dict[int, int] = {}
    for _, last, n in across:
        found[last] = found.get(last, 0) + n
    return found


def _held(buckets: Buckets, unit_ns: int, shortest: float | None, longest: float | None) -> list[_Bucket]:
    """Buckets with events, as narrow as is known."""
    held = list(_bounded(buckets, unit_ns))
    if held and shortest is not None:
        first = held[0]
        # Whole ns, and one less: a bucket is open below, and the shortest is in it.
        below = int(max(0.0, min(shortest * unit_ns, _LONGEST_NS))) - 1
        held[0] = first._replace(lower=max(first.lower, min(below, first.upper - 1)))
    if held and longest is not None:
        last = held[-1]
        held[-1] = last._replace(upper=min(last.upper, max(longest * unit_ns, last.lower + 1)))
    return held


def _bounded(buckets: Buckets, unit_ns: int) -> Iterator[_Bucket]:
    """Those with events, and their bounds in ns, ascending. Bounds of others are not worked out: ten thousand empty ones take no room in a body."""
    if isinstance(buckets, Explicit):
        bounds = buckets.bounds
        for at, n in enumerate(buckets.counts):
            if n:
                lower = _explicit_bound(bounds[at - 1], unit_ns) if at else 0.0
                yield _Bucket(lower, _explicit_bound(bounds[at], unit_ns) if at < len(bounds) else inf, n)
        return
    if buckets.zero:
        yield _Bucket(0.0, buckets.zero_threshold * unit_ns, buckets.zero)
    width, unit = 2.0**-buckets.scale, log2(unit_ns)
    for at, n in enumerate(buckets.counts, buckets.offset):
        if n:
            yield _Bucket(_exponential_bound(at * width + unit), _exponential_bound((at + 1) * width + unit), n)


def _explicit_bound(bound: float, unit_ns: int) -> float:
    """Bounds such as 0.005 s are whole ns but for a float's last digits; grid edges must be met exactly."""
    return float(round(max(0.0, min(bound * unit_ns, _LONGEST_NS))))


def _exponential_bound(exponent: float) -> float:
    least, most = _EXPONENTS
    return exp2(min(max(exponent, least), most))


@lru_cache(maxsize=4096)  # some 100 kB of what senders send; 60 MB if each were a bucket over all bins
def _spread(lower: float, upper: float) -> tuple[int, array[int]]:
    """The first bin that ``(lower, upper]`` ns overlaps, and for it and each that follows, what share of the events is up to there."""
    first, last = _across(lower, upper)
    if first == last:
        return first, array("Q", (_ONE,))
    inner = EDGES_NS[first:last]
    if lower > 0:
        whole = log(upper / lower)
        shares = [int(_ONE * log(edge / lower) / whole) for edge in inner]
    else:
        shares = [int(_ONE * edge / upper) for edge in inner]
    return first, array("Q", (*shares, _ONE))


def _across(lower: float, upper: float) -> tuple[int, int]:
    """The first and the last bin that ``(lower, upper]`` ns overlaps; of an open bucket the first alone."""
    first, last = bisect_right(EDGES_NS, lower), bisect_left(EDGES_NS, upper)
    if upper == inf or first >= last:
        first = last = min(first, last)
    return first, last


def _downscaled(buckets: Exponential, scale: int) -> Exponential:
    """At a scale that is not finer: each step down merges two neighbours, bucket i going to i >> 1."""
    shift = buckets.scale - scale
    if not shift:
        return buckets
    offset = buckets.offset >> shift
    counts = [0] * ((buckets.offset + len(buckets.counts) - 1 >> shift) - offset + 1) if buckets.counts else []
    for index, n in enumerate(buckets.counts, buckets.offset):
        counts[(index >> shift) - offset] += n
    return Exponential(scale, buckets.zero, buckets.zero_threshold, offset, tuple(counts))
