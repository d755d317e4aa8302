"""Every journey's counts in a window and in slices of it, of one reading of the cells: a page that lists all journeys asks for both every few seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from maibo.semconv import ABANDONED
from maibo_slo.store import cells
from maibo_slo.store.cells import Distribution, Slice
from maibo_slo.store.histogram import BINS, sparse_quantiles
from maibo_slo.store.selection import CellFilter, where
from maibo_slo.store.tables import TIERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from maibo_slo.store.client import Store
    from maibo_slo.store.selection import Window

    Numbers = NDArray[Any]

MOST_ROWS: Final = 1_000_000
"""Of an answer about all journeys: 40 MB."""
_FINEST: Final = TIERS[0]


def by_few_journeys(
    store: Store, window: Window, *, slice_seconds: int, most: int, now: int
) -> tuple[list[Distribution], list[Slice]] | None:
    """As `by_journey`, of every journey that had events, read only as far as they are few. None where they are more than `most` or fill more than
    `MOST_ROWS`, and of windows of a coarser tier: of these the names must be known first.
    """
    if not _is_fine(window, slice_seconds, now=now):
        return None
    bound = f", max_rows_to_group_by = {MOST_ROWS}, group_by_overflow_mode = 'any'"
    table = _read(store, window, CellFilter(), slice_seconds, bound)
    if not table.num_rows:
        return [], []
    few = table.num_rows <= MOST_ROWS and len(np.unique(_coded(table, "journey")[0])) <= most
    return _told(table) if few else None


def by_journey(
    store: Store, window: Window, which: CellFilter, *, slice_seconds: int, now: int
) -> tuple[list[Distribution], list[Slice]]:
    """What `cells.distributions` and `cells.series` say by journey, the slices in no order; and their errors.

    Windows of a coarser tier are read twice: their newest events are another query in any case.
    """
    if _is_fine(window, slice_seconds, now=now):
        return _told(_read(store, window, which, slice_seconds))
    found = cells.distributions(store, window, which, by=("journey",), now=now)
    return found, cells.series(store, window, which, slice_seconds=slice_seconds, by=("journey",), now=now)


def _is_fine(window: Window, slice_seconds: int, *, now: int) -> bool:
    return cells.tier_of(window, now=now) is _FINEST and slice_seconds % _FINEST.seconds == 0


def _read(store: Store, window: Window, which: CellFilter, slice_seconds: int, settings: str = "") -> pa.Table:
    wide = window.widened(_FINEST.seconds)
    condition, parameters = where(window.widened(slice_seconds), which)
    within = f"c.t >= {wide.begin} AND c.t < {wide.end}"
    # Names as places in a dictionary: there are a hundred thousand rows at six hours.
    return store.arrow(
        "SELECT toInt64(intDiv(toUnixTimestamp(c.t), {slice:UInt32}) * {slice:UInt32}) AS slice, journey, outcome, bin, "  # noqa: S608 -- integers
        f"sum(n) AS total, sumIf(n, {within}) AS inside, toInt64(toUnixTimestamp(maxIf(c.t, {within}))) AS newest "
        f"FROM {_FINEST.table} AS c WHERE {condition} GROUP BY slice, journey, outcome, bin "
        f"SETTINGS output_format_arrow_low_cardinality_as_dictionary = 1{settings}",
        {**parameters, "slice": slice_seconds},
    )


def _told(table: pa.Table) -> tuple[list[Distribution], list[Slice]]:
    if not table.num_rows:
        return [], []
    (journey, journeys), (outcome, outcomes) = _coded(table, "journey"), _coded(table, "outcome")
    bins, inside, newest = _numbers(table, "bin"), _numbers(table, "inside"), _numbers(table, "newest")
    counts = np.zeros((len(journeys), len(outcomes), BINS), np.uint64)
    np.add.at(counts, (journey, outcome, bins), inside)
    last = np.zeros(len(journeys), np.int64)
    np.maximum.at(last, journey, newest)
    distributions = [
        Distribution(
            (name,),
            {each: counts[at, place] for place, each in enumerate(outcomes) if counts[at, place].any()},
            int(last[at]) + _FINEST.seconds,
        )
        for at, name in sorted(enumerate(journeys), key=lambda each: each[1])
        if last[at]
    ]
    return distributions, list(_slices(table, journey, journeys, outcome, outcomes, bins))


def _slices(
    table: pa.Table, journey: Numbers, journeys: Sequence[str], outcome: Numbers, outcomes: Sequence[str], bins: Numbers
) -> Iterator[Slice]:
    n = _numbers(table, "total")
    begins, place = np.unique(_numbers(table, "slice"), return_inverse=True)
    owners = journey.astype(np.intp) * len(begins) + place.reshape(-1)
    owned = len(journeys) * len(begins)
    events = np.zeros((owned, len(outcomes)), np.uint64)
    np.add.at(events, (owners, outcome), n)
    timed = outcome != (outcomes.index(ABANDONED) if ABANDONED in outcomes else -1)
    quantiles = sparse_quantiles(owners[timed], bins[timed], n[timed], 0.5, 0.9, 0.99, owned=owned)
    known = events.tolist()
    ts, groups = begins.tolist(), [(name,) for name in journeys]
    for owner in np.unique(owners).tolist():
        at, t = divmod(owner, len(ts))
        ended = {each: number for each, number in zip(outcomes, known[owner], strict=True) if number}
        yield Slice(ts[t], groups[at], ended, *quantiles[owner])


def _coded(table: pa.Table, name: str) -> tuple[Numbers, list[str]]:
    """A dictionary's column: places, and the values there."""
    column = table[name].unify_dictionaries().combine_chunks()
    return np.from_dlpack(column.indices), column.dictionary.to_pylist()


def _numbers(table: pa.Table, name: str) -> Numbers:
    return np.from_dlpack(table[name].combine_chunks())
