"""The ledger over long times: one objective's counts as arrays, and every objective's by day. What reports and what-ifs are made of.

Exact under replacement, like all of `ledger`: the highest version of each minute counts, merged or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from maibo_slo.store.client import Store

DAY: Final = 86_400
_FINAL: Final = "SETTINGS do_not_merge_across_partitions_select_final = 1"
_WITHIN: Final = "s.t >= toDateTime({begin:UInt32}, 'UTC') AND s.t < toDateTime({end:UInt32}, 'UTC')"


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Intervals with data, oldest first; those without are absent: neither good nor bad."""

    t: NDArray[np.int64]
    """Begins, unix s."""
    good: NDArray[np.int64]
    bad: NDArray[np.int64]


def series(store: Store, slo: str, objective: str, group: str, begin: int, end: int, *, step: int = 60) -> Series:
    """An objective's counts in [begin, end), in steps of `step` seconds, a multiple of 60."""
    table = store.arrow(
        "SELECT toInt64(intDiv(toUnixTimestamp(s.t), {step:UInt32}) * {step:UInt32}) AS at, "  # noqa: S608 -- fixed text
        "toInt64(sum(s.good)) AS goods, toInt64(sum(s.bad)) AS bads FROM sli AS s FINAL "
        f"WHERE {_WITHIN} AND slo = {{slo:String}} AND objective = {{objective:String}} AND grp = {{grp:String}} "
        f"AND s.good + s.bad > 0 GROUP BY at ORDER BY at {_FINAL}",
        {"begin": begin, "end": end, "step": step, "slo": slo, "objective": objective, "grp": group},
    )
    return series_of(table)


def series_of(table: pa.Table) -> Series:
    """From columns at, goods and bads."""
    return Series(*(_array(table[name]) for name in ("at", "goods", "bads")))


def days(store: Store, slos: Collection[str], begin: int, end: int) -> pd.DataFrame:
    """Sums of [begin, end) by UTC day of every objective and group of these SLOs, raw rows (``~``) among them.

    Columns slo, objective, grp (str), day (begin, unix s), good, bad, minutes (those with data; all int64). A day without data has no row.
    """
    table = store.arrow(
        "SELECT slo, objective, grp, toInt64(intDiv(toUnixTimestamp(s.t), 86400) * 86400) AS day, "  # noqa: S608 -- fixed text
        "toInt64(sum(s.good)) AS good, toInt64(sum(s.bad)) AS bad, toInt64(count()) AS minutes FROM sli AS s FINAL "
        f"WHERE {_WITHIN} AND slo IN {{slos:Array(String)}} AND s.good + s.bad > 0 "
        f"GROUP BY slo, objective, grp, day ORDER BY slo, objective, grp, day {_FINAL}",
        {"begin": begin, "end": end, "slos": sorted(slos)},
    )
    frame: pd.DataFrame = table.to_pandas()
    return frame.astype({"slo": str, "objective": str, "grp": str})


def _array(column: pa.ChunkedArray) -> NDArray[np.int64]:
    parts = [np.from_dlpack(chunk) for chunk in column.chunks if len(chunk)]
    return np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)
