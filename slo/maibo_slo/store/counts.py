"""What collectors count, as columns: inserted under one deduplication token into every table that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from maibo.semconv import ABANDONED, FAILURE, SUCCESS
from maibo_slo.store import served
from maibo_slo.store.client import dictionary
from maibo_slo.store.columns import coded, fixed_array, numbers, texts
from maibo_slo.store.exemplars import Why
from maibo_slo.store.tables import CELLS, DIMENSIONS, EXEMPLARS, FLOW_KEYS, REASONS, TIERS
from maibo_slo.store.tables import FLOW as FLOW_1M
from maibo_slo.store.tables import SAMPLED as SAMPLED_1M
from maibo_slo.store.tables import SKEWED as SKEWED_1M
from maibo_slo.store.tables import STARTS as STARTS_10S

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from maibo_slo.store.client import Store
    from maibo_slo.store.served import Served
    from maibo_slo.store.tables import Table

CELL: Final = np.dtype([("t", "<u4"), ("series", "<u4"), ("bin", "<u2"), ("n", "<u8")])
"""t: 10 s bucket of the end (unix s); series: place in `Counts.series`; n: weighted."""
FLOW: Final = np.dtype([("t", "<u4"), ("series", "<u4"), ("started", "<u8"), ("ended", "<u8")])
"""t: 10 s in which the journeys began; the series' outcome says how they ended."""
SAMPLED: Final = np.dtype([("t", "<u4"), ("series", "<u4"), ("n", "<u8"), ("spans", "<u8")])
"""t: 10 s bucket; how many events (n) so many spans stand for, where that is not one each."""
SKEWED: Final = np.dtype([("t", "<u4"), ("series", "<u4"), ("n", "<u8")])
"""t: 10 s bucket; events that end before they start: in no cell."""
EXEMPLAR: Final = np.dtype(
    [
        ("end_ns", "<u8"),
        ("series", "<u4"),
        ("bin", "<u2"),
        ("why", "u1"),
        ("duration_ns", "<u8"),
        ("trace_id", "V16"),
        ("span_id", "V8"),
    ]
)
"""A trace worth looking at; end_ns: of its span (unix ns); why: a `Why`."""

_KEYS: Final = frozenset({"t", "series", "bin"})
_BIN_BITS: Final = 11
_SERIES_BITS: Final = 24
"""Of a key of 64: a batch of 64 MiB cannot name 16 million series, and 29 bits are left for the time in tens of seconds."""

_NAMES: Final = (*DIMENSIONS, "outcome")
SeriesKey = tuple[str, str, str, str, str, str, str, str, str, str]
"""journey, step, environment, service, version, cluster, region, tier, variant, outcome: `CellKey` without t and bin."""


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """n failures for this reason in a series in a minute."""

    t: int
    series: int
    reason: str
    n: int


@dataclass(frozen=True, slots=True)
class Counts:
    """A batch. Rows refer to series by their place; rows of one key are summed already."""

    series: Sequence[SeriesKey] = ()
    cells: NDArray[np.void] = field(default_factory=lambda: np.empty(0, CELL))
    flow: NDArray[np.void] = field(default_factory=lambda: np.empty(0, FLOW))
    sampled: NDArray[np.void] = field(default_factory=lambda: np.empty(0, SAMPLED))
    skewed: NDArray[np.void] = field(default_factory=lambda: np.empty(0, SKEWED))
    reasons: Sequence[ReasonCount] = ()
    exemplars: NDArray[np.void] = field(default_factory=lambda: np.empty(0, EXEMPLAR))
    served: Sequence[Served] = ()
    """Pods that served some of it."""


def insert(store: Store, counts: Counts, *, token: str) -> None:
    """Insert all that a batch comes to, under a deduplication token: the same token again changes nothing, in any table.

    The token wins over the content: other counts under a token that is in already are dropped. Where there are no rows, no insert.
    A death between two of the tables is mended by inserting again. ValueError for an empty token.
    """
    insert_cells(store, counts, token=token)
    insert_minutes(store, counts, token=token)


def insert_cells(store: Store, counts: Counts, *, token: str) -> None:
    """What is of 10 s: cells, and starts of journeys; as `insert`."""
    series = _Series(counts.series)
    _insert(store, ((CELLS[0], _cells(counts.cells, series)), (STARTS_10S, _starts(counts.flow, series))), token)


def insert_minutes(store: Store, counts: Counts, *, token: str) -> None:
    """All else: what is of minutes and hours; as `insert`."""
    series = _Series(counts.series)
    cells = counts.cells
    coarser: list[tuple[Table, Columns]] = []
    for tier, table in zip(TIERS[1:], CELLS[1:], strict=True):
        cells = summed(cells, unit=tier.seconds)
        coarser.append((table, _cells(cells, series)))
    tables = (
        *coarser,
        (FLOW_1M, _flow(counts.flow, series)),
        (REASONS, _reasons(counts.reasons, series)),
        (EXEMPLARS, _exemplars(counts.exemplars, series)),
        (SAMPLED_1M, _sampled(counts.sampled, series)),
        (SKEWED_1M, _skewed(counts.skewed, series)),
    )
    _insert(store, tables, token)
    served.insert(store, counts.served)  # without the token: twice is as good as once


def _insert(store: Store, tables: Sequence[tuple[Table, Columns]], token: str) -> None:
    if not token:
        raise ValueError("counts are inserted under a token, or a replay would count them twice")
    settings: dict[str, str | int] = {
        "insert_deduplication_token": token,
        # Rows are summed already; summing them again on insert costs a fifth of it.
        "optimize_on_insert": 0,
    }
    for table, columns in tables:
        if len(columns["t"]):
            store.insert(table.name, columns, settings=settings)


def summed(rows: NDArray[np.void], *, unit: int) -> NDArray[np.void]:
    """One row for each (t, series and, where there is one, bin), in that order; times are whole units of so many seconds."""
    if not len(rows):
        return rows
    names = rows.dtype.names or ()
    key = (rows["t"] // np.uint32(unit)).astype(np.uint64) << np.uint64(_SERIES_BITS) | rows["series"]
    if "bin" in names:
        key = key << np.uint64(_BIN_BITS) | rows["bin"]
    order = np.argsort(key)
    key = key[order]
    first = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    result = rows[order[first]]
    result["t"] -= result["t"] % np.uint32(unit)
    for measure in names:
        if measure not in _KEYS:
            result[measure] = np.add.reduceat(rows[measure][order], first)
    return result


def chosen(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Of failed and slow ones the first of each minute, series and bin; of the slowest, the longest of each minute and series.

    One for each minute, series and bin: the slowest only where there is no other.
    """
    of_series = (rows["end_ns"] // np.uint64(60 * 10**9)) << np.uint64(_SERIES_BITS) | rows["series"]
    of_bin = of_series << np.uint64(_BIN_BITS) | rows["bin"]
    is_slowest = rows["why"] == Why.SLOWEST
    slowest = np.flatnonzero(is_slowest)
    slowest = slowest[np.argsort(~rows["duration_ns"][slowest], kind="stable")]  # the longest first
    candidates = np.concatenate((np.flatnonzero(~is_slowest), slowest[_firsts(of_series[slowest])]))
    return rows[candidates[_firsts(of_bin[candidates])]]


def _firsts(keys: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Where each distinct key comes first."""
    return np.unique(keys, return_index=True)[1]


Columns = dict[str, "pa.Array"]


class _Series:
    """The series' values by dimension, each distinct one once: rows are given theirs by one look-up into small arrays."""

    def __init__(self, series: Sequence[SeriesKey]) -> None:
        self.keys = series
        self._codes: dict[str, NDArray[np.int32]] = {}
        self._values: dict[str, pa.Array] = {}
        for name, values in zip(_NAMES, zip(*series, strict=True) if series else [()] * len(_NAMES), strict=True):
            self._codes[name], self._values[name] = _coded(values)

    def columns(self, names: Sequence[str], places: NDArray[np.integer[Any]]) -> Columns:
        """Of each of these series, the values of these dimensions."""
        return {name: coded(self._codes[name][places], self._values[name]) for name in names}

    def groups(self, names: Sequence[str]) -> NDArray[np.uint32]:
        """For each series, the first one that is the same in these dimensions."""
        at = [_NAMES.index(name) for name in names]
        first: dict[tuple[str, ...], int] = {}
        return np.array(
            [first.setdefault(tuple(key[i] for i in at), place) for place, key in enumerate(self.keys)], dtype=np.uint32
        )


def _coded(values: Sequence[str]) -> tuple[NDArray[np.int32], pa.Array]:
    """The place of each value in an array of the distinct ones, and that array."""
    places: dict[str, int] = {}
    codes = [places.setdefault(value, len(places)) for value in values]
    return np.array(codes, dtype=np.int32), texts(list(places))


def _cells(rows: NDArray[np.void], series: _Series) -> Columns:
    return {
        "t": _times(rows["t"]),
        **series.columns(_NAMES, rows["series"]),
        "bin": numbers(rows["bin"]),
        "n": numbers(rows["n"]),
    }


def _flow(rows: NDArray[np.void], series: _Series) -> Columns:
    outcomes = np.array([key[-1] for key in series.keys], dtype=object)[rows["series"]]
    ended = {
        name: np.where(outcomes == outcome, rows["ended"], np.uint64(0))
        for name, outcome in (("succeeded", SUCCESS), ("failed", FAILURE), ("abandoned", ABANDONED))
    }
    return _summed(_minutes(rows["t"]), FLOW_KEYS, rows["series"], {"started": rows["started"], **ended}, series)


def _starts(rows: NDArray[np.void], series: _Series) -> Columns:
    rows = rows[rows["started"] > 0]
    names = ("journey", "environment")
    return _summed(rows["t"], names, rows["series"], {"started": rows["started"]}, series)


def _sampled(rows: NDArray[np.void], series: _Series) -> Columns:
    return _summed(_minutes(rows["t"]), _NAMES, rows["series"], {name: rows[name] for name in ("n", "spans")}, series)


def _skewed(rows: NDArray[np.void], series: _Series) -> Columns:
    names = ("journey", "step", "service", "version")
    return _summed(_minutes(rows["t"]), names, rows["series"], {"n": rows["n"]}, series)


def _summed(
    t: NDArray[np.uint32],
    names: Sequence[str],
    places: NDArray[np.uint32],
    measures: dict[str, NDArray[np.uint64]],
    series: _Series,
) -> Columns:
    """One row for each time and combination of these dimensions."""
    keys = t.astype(np.uint64) << np.uint64(32) | series.groups(names)[places]
    distinct, at = np.unique(keys, return_inverse=True)
    columns = {
        "t": _times(distinct >> np.uint64(32)),
        **series.columns(names, (distinct & np.uint64(0xFFFFFFFF)).astype(np.intp)),
    }
    for name, measure in measures.items():
        sums = np.zeros(len(distinct), dtype=np.uint64)
        np.add.at(sums, at, measure)
        columns[name] = numbers(sums)
    return columns


def _reasons(reasons: Sequence[ReasonCount], series: _Series) -> Columns:
    names = ("journey", "step", "environment", "service", "version", "tier", "variant")
    groups = series.groups(names)
    sums: dict[tuple[int, int, str], int] = {}
    for each in reasons:
        key = (each.t // 60 * 60, int(groups[each.series]), each.reason)
        sums[key] = sums.get(key, 0) + each.n
    return {
        "t": _times([t for t, _, _ in sums]),
        **series.columns(names, np.array([place for _, place, _ in sums], dtype=np.intp)),
        "reason": dictionary([reason for _, _, reason in sums]),
        "n": numbers(np.fromiter(sums.values(), np.uint64)),
    }


def _exemplars(rows: NDArray[np.void], series: _Series) -> Columns:
    at = (rows["end_ns"] // np.uint64(10**9)).astype(np.uint32)
    return {
        "t": _times(_minutes(at)),
        **series.columns(_NAMES, rows["series"]),
        "bin": numbers(rows["bin"]),
        "why": numbers(rows["why"]),
        "duration_us": numbers(rows["duration_ns"] // np.uint64(1_000)),
        "trace_id": fixed_array(rows["trace_id"]),
        "span_id": fixed_array(rows["span_id"]),
        "at": _times(at),
    }


def _times(seconds: Any) -> pa.Array:
    return numbers(np.array(seconds, dtype=np.uint32))


def _minutes(t: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return t // np.uint32(60) * np.uint32(60)
