"""Latencies of windows that end together, exact to the minute: each cell is read once for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maibo.semconv import ABANDONED
from maibo_slo.store.arrays import groups, values
from maibo_slo.store.histogram import BINS, Histogram
from maibo_slo.store.selection import CellFilter, Window, require_dimensions, where
from maibo_slo.store.tables import TIERS, Tier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from maibo_slo.store.client import Store


def histograms(
    store: Store, end: int, lengths: Sequence[int], which: CellFilter, *, by: Sequence[str] = ()
) -> dict[tuple[str, ...], tuple[Histogram, ...]]:
    """Of windows that end together: by group, one for each of `lengths`, in their order. A group without events in the longest is absent.

    Exact to the minute: `end` (unix s) and `lengths` (s) are multiples of 60, the longest at most 35 days. Of every outcome but abandoned, or of those
    that `which` names. ValueError for other windows and for an unknown dimension.

    A window is the next shorter one and a ring around it, and the whole hours of a ring are read as hours: each cell is read once.
    """
    require_dimensions(by)
    ascending = sorted(set(lengths))
    _require_minutes(end, ascending)
    spans = _spans(end, ascending)
    begin = end - ascending[-1]
    condition, parameters = where(Window(begin, end), which)
    if "outcome" not in which.where:
        condition, parameters = (
            f"{condition} AND outcome != {{abandoned:String}}",
            {**parameters, "abandoned": ABANDONED},
        )
    sources = [
        f"FROM {tier.table} AS c WHERE {condition} AND ("
        + " OR ".join(f"c.t >= {first} AND c.t < {after}" for first, after in within)
        + ")"
        for tier, within in spans.items()
    ]
    # Arrays only as wide as what is in them: a third of the memory, and of its time, where journeys are alike.
    bounds = store.rows(
        " UNION ALL ".join(f"SELECT min(bin), max(bin) {source} HAVING count() > 0" for source in sources), parameters
    )
    if not bounds:
        return {}
    bins = slice(min(int(low) for low, _ in bounds), max(int(high) for _, high in bounds) + 1)
    ring = "multiIf(" + "".join(f"c.t >= {end - length}, {place}, " for place, length in enumerate(ascending)) + "0)"
    keys = "".join(f"{name}, " for name in by)
    rings: dict[tuple[str, ...], NDArray[np.uint64]] = {}
    for source in sources:
        table = store.arrow(
            f"SELECT {keys}toUInt8({ring}) AS ring, sumResample({bins.start}, {bins.stop}, 1)(n, bin) AS counts "
            f"{source} GROUP BY {keys}ring",
            parameters,
        )
        counts = values(table["counts"]).reshape(-1, bins.stop - bins.start)
        for row, (group, place) in enumerate(groups(table, by, "ring")):
            if group not in rings:
                rings[group] = np.zeros((len(ascending), counts.shape[1]), np.uint64)
            rings[group][place] += counts[row]
    places = [ascending.index(length) for length in lengths]
    return {group: _nested(rings[group], bins, places) for group in sorted(rings)}


def _require_minutes(end: int, ascending: Sequence[int]) -> None:
    tier = TIERS[1]
    if any(each % tier.seconds for each in (end, *ascending)):
        raise ValueError(f"windows to the minute end and begin with one, not {ascending} s before {end}")
    if not ascending or ascending[0] <= 0 or ascending[-1] > tier.retention_seconds:
        raise ValueError(
            f"minutes are kept for {tier.retention_seconds} s, so windows are no longer, not {ascending} s"
        )


def _spans(end: int, ascending: Sequence[int]) -> dict[Tier, list[tuple[int, int]]]:
    """Of the rings of these windows, what is read as hours, and what before and after these as minutes: [begin, end)."""
    minutes, hours = TIERS[1:]
    spans: dict[Tier, list[tuple[int, int]]] = {minutes: [], hours: []}
    after = end
    for length in ascending:
        begin = end - length
        first, last = -(-begin // hours.seconds) * hours.seconds, after // hours.seconds * hours.seconds
        if first < last:
            spans[hours].append((first, last))
            spans[minutes] += [edge for edge in ((begin, first), (last, after)) if edge[0] < edge[1]]
        else:
            spans[minutes].append((begin, after))
        after = begin
    return {tier: within for tier, within in spans.items() if within}


def _nested(rings: NDArray[np.uint64], bins: slice, places: Sequence[int]) -> tuple[Histogram, ...]:
    """Each ring, of these bins, with those within it, in the order asked for."""
    windows = np.zeros((len(rings), BINS), np.uint64)
    rings.cumsum(axis=0, out=windows[:, bins])
    return tuple(Histogram(windows[place]) for place in places)
