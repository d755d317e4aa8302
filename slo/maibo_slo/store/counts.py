"""What collectors count, as columns: inserted under one deduplication token into every table that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from maibo.semconv import ABANDONED, FAILURE, SUCCESS
from maibo_slo.store.client import dictionary
from maibo_slo.store.tables import CELLS, DIMENSIONS, EXEMPLARS, FLOW_KEYS, REASONS
from maibo_slo.store.tables import FLOW as FLOW_1M
from maibo_slo.store.tables import SAMPLED as SAMPLED_1M
from maibo_slo.store.tables import SKEWED as SKEWED_1M

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from maibo_slo.store.client import Store

CELL: Final = np.dtype([("t", "<u4"), ("series", "<u4"), ("bin", "<u2"), ("n", "<u8")])
"""t: 10 s bucket of the end (unix s); series: place in `Counts.series`; n: weighted."""
FLOW: Final = np.dtype([("t", "<u4"), ("series", "<u4"), ("started", "<u8"), ("ended", "<u8")])
"""t: minute in which the journeys began; the series' outcome says how they ended."""
SAMPLED: Final = np.dtype([("t", "<u4"), ("series", "<u4"), ("n", "<u8"), ("spans", "<u8")])
"""t: 10 s bucket; how many events (n) so many spans stand for, where that is not one each."""
SKEWED: Final = np.dtype([("t", "<u4"), ("series", "<u4"), ("n", "<u8")])
"""t: 10 s bucket; events that end before they start: in no cell."""

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
class ExemplarRow:
    """A trace worth looking at."""

    t: int
    """10 s bucket of the span's end, unix s."""
    series: int
    bin: int
    why: int
    """0 failed, 1 over the journey's threshold, 2 the slowest of its series in its minute."""
    duration_us: int
    trace_id: bytes
    span_id: bytes


@dataclass(frozen=True, slots=True)
class Counts:
    """A batch. Rows refer to series by their place; rows of one key are summed already."""

    series: Sequence[SeriesKey] = ()
    cells: NDArray[np.void] = field(default_factory=lambda: np.empty(0, CELL))
    flow: NDArray[np.void] = field(default_factory=lambda: np.empty(0, FLOW))
    sampled: NDArray[np.void] = field(default_factory=lambda: np.empty(0, SAMPLED))
    skewed: NDArray[np.void] = field(default_factory=lambda: np.empty(0, SKEWED))
    reasons: Sequence[ReasonCount] = ()
    exemplars: Sequence[ExemplarRow] = ()


def insert(store: Store, counts: Counts, *, token: str) -> None:
    """Insert under a deduplication token: the same token again changes nothing, in any table.

    The token wins over the content: other counts under a token that is in already are dropped. Where there are no rows, no insert.
    A death between two of the tables is mended by inserting again. ValueError for an empty token.
    """
    if not token:
        raise ValueError("counts are inserted under a token, or a replay would count them twice")
    series = _Series(counts.series)
    settings: dict[str, str | int] = {
        "insert_deduplication_token": token,
        # Rows are summed already; summing them again on insert, in each of the tables, costs a fifth of it.
        "optimize_on_insert": 0,
    }
    for table, columns in (
        (CELLS[0], _cells(counts.cells, series)),
        (FLOW_1M, _flow(counts.flow, series)),
        (REASONS, _reasons(counts.reasons, series)),
        (EXEMPLARS, _exemplars(counts.exemplars, series)),
        (SAMPLED_1M, _sampled(counts.sampled, series)),
        (SKEWED_1M, _skewed(counts.skewed, series)),
    ):
        if len(columns["t"]):
            store.insert(table.name, columns, settings=settings)


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
        return {name: pa.DictionaryArray.from_arrays(self._codes[name][places], self._values[name]) for name in names}

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
    return np.array(codes, dtype=np.int32), pa.array(list(places), type=pa.string())


def _cells(rows: NDArray[np.void], series: _Series) -> Columns:
    return {
        "t": _times(rows["t"]),
        **series.columns(_NAMES, rows["series"]),
        "bin": pa.array(np.ascontiguousarray(rows["bin"])),
        "n": pa.array(np.ascontiguousarray(rows["n"])),
    }


def _flow(rows: NDArray[np.void], series: _Series) -> Columns:
    outcomes = np.array([key[-1] for key in series.keys], dtype=object)[rows["series"]]
    ended = {
        name: np.where(outcomes == outcome, rows["ended"], np.uint64(0))
        for name, outcome in (("succeeded", SUCCESS), ("failed", FAILURE), ("abandoned", ABANDONED))
    }
    return _summed(rows["t"], FLOW_KEYS, rows["series"], {"started": rows["started"], **ended}, series)


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
        columns[name] = pa.array(sums)
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
        "n": pa.array(sums.values(), type=pa.uint64()),
    }


def _exemplars(exemplars: Sequence[ExemplarRow], series: _Series) -> Columns:
    # A trace that cannot be looked up is of no use, and must not keep a batch from being counted.
    rows = [row for row in exemplars if len(row.trace_id) == 16 and len(row.span_id) == 8]
    return {
        "t": _times([row.t // 60 * 60 for row in rows]),
        **series.columns(_NAMES, np.array([row.series for row in rows], dtype=np.intp)),
        "bin": pa.array([row.bin for row in rows], type=pa.uint16()),
        "why": pa.array([row.why for row in rows], type=pa.uint8()),
        "duration_us": pa.array([row.duration_us for row in rows], type=pa.uint64()),
        "trace_id": pa.array([row.trace_id for row in rows], type=pa.binary(16)),
        "span_id": pa.array([row.span_id for row in rows], type=pa.binary(8)),
        "at": _times([row.t for row in rows]),
    }


def _times(seconds: Any) -> pa.Array:
    return pa.array(np.array(seconds, dtype=np.uint32))


def _minutes(t: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return t // np.uint32(60) * np.uint32(60)
