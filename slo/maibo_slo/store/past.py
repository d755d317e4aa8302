"""The ledger over long times: one objective's counts as arrays, and every objective's by day. What reports and what-ifs are made of.

Exact under replacement, like all of `ledger`: the highest version of each minute counts, merged or not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from maibo_slo.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from maibo_slo.store.client import Store

MINUTE: Final = 60
DAY: Final = 86_400
AT_ONCE: Final = 1_000_000
"""Rows of one answer: 24 MB."""
_TIMEOUT_EXCEEDED: Final = 159
_LISTS: Final = ("ts", "goods", "bads")
_FINAL: Final = "SETTINGS do_not_merge_across_partitions_select_final = 1"
_NAMES: Final = "arrayZip({slos:Array(String)}, {objectives:Array(String)}, {groups:Array(String)})"
_ANY: Final = (
    "slo IN {slos:Array(String)} AND objective IN {objectives:Array(String)} AND grp IN {groups:Array(String)}"
)
_EACH: Final = f" AND (slo, objective, grp) IN {_NAMES}"
_PLACE: Final = f"toUInt16(indexOf({_NAMES}, (toString(slo), toString(objective), toString(grp))))"
_WITHIN: Final = "s.t >= toDateTime({begin:UInt32}, 'UTC') AND s.t < toDateTime({end:UInt32}, 'UTC')"


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Intervals with data, oldest first; those without are absent: neither good nor bad."""

    t: NDArray[np.int64]
    """Begins, unix s."""
    good: NDArray[np.int64]
    bad: NDArray[np.int64]


class Whose(NamedTuple):
    """An objective, or one group of it."""

    slo: str
    objective: str
    group: str


def series(store: Store, slo: str, objective: str, group: str, begin: int, end: int, *, step: int = 60) -> Series:
    """An objective's counts in [begin, end), in steps of `step` seconds, a multiple of 60."""
    [found] = several(store, [Whose(slo, objective, group)], begin, end, step=step)
    return found


def several(store: Store, whose: Sequence[Whose], begin: int, end: int, *, step: int = 60) -> list[Series]:
    """Of each in their order, as `series` tells one, in one query: for a few that somebody waits for."""
    if not whose:
        return []
    # Minutes are rows, each once by then: to group and sort them here takes a third of the time.
    counts = "s.good AS goods, s.bad AS bads" if step == MINUTE else "sum(s.good) AS goods, sum(s.bad) AS bads"
    table = store.arrow(
        f"SELECT {_PLACE if len(whose) > 1 else 'toUInt16(1)'} AS place, "  # noqa: S608 -- fixed text
        f"toInt64(intDiv(toUnixTimestamp(s.t), {{step:UInt32}}) * {{step:UInt32}}) AS at, {counts} FROM sli AS s FINAL "
        f"WHERE {_WITHIN} AND {_whose(whose)} AND s.good + s.bad > 0{'' if step == MINUTE else ' GROUP BY place, at'} {_FINAL}",
        {"begin": begin, "end": end, "step": step, **_named(whose)},
    )
    place = _array(table["place"])
    t, good, bad = (_array(table[name]) for name in ("at", "goods", "bads"))
    return [_ascending(t[own], good[own], bad[own]) for own in (place == 1 + index for index in range(len(whose)))]


def groups(store: Store, slo: str, objective: str) -> list[str]:
    """Every group of an objective that ever had data, by name."""
    rows = store.rows(
        "SELECT DISTINCT grp FROM sli WHERE slo = {slo:String} AND objective = {objective:String} AND good + bad > 0 ORDER BY grp",
        {"slo": slo, "objective": objective},
    )
    return [str(group) for (group,) in rows]


def many_series(store: Store, whose: Collection[Whose], begin: int, end: int) -> Iterator[dict[Whose, Series]]:
    """Minutes of each in [begin, end), as `series` tells them; who has none there is absent.

    Some at a time, in the order of `whose`: as many as have `AT_ONCE` rows at most.
    """
    names = list(dict.fromkeys(whose))
    size = max(1, AT_ONCE * 60 // max(60, end - begin))
    for first in range(0, len(names), size):
        table = store.arrow(
            "SELECT slo, objective, grp, groupArray(toInt64(toUnixTimestamp(s.t))) AS ts, groupArray(toInt64(s.good)) AS goods, "  # noqa: S608 -- fixed text
            f"groupArray(toInt64(s.bad)) AS bads FROM sli AS s FINAL WHERE {_WITHIN} AND {_whose(names[first : first + size])} "
            f"AND s.good + s.bad > 0 GROUP BY slo, objective, grp {_FINAL}",
            {"begin": begin, "end": end, **_named(names[first : first + size])},
        )
        keys = zip(*(table[name].to_pylist() for name in ("slo", "objective", "grp")), strict=True)
        lists = ([np.from_dlpack(each.values) for chunk in table[name].chunks for each in chunk] for name in _LISTS)
        yield {Whose(*key): _ascending(*counts) for key, *counts in zip(keys, *lists, strict=True)}


def _whose(whose: Sequence[Whose]) -> str:
    """Compared one by one only where it must be: that takes a third of a query's time."""
    every = math.prod(len(set(each)) for each in zip(*whose, strict=True)) == len(set(whose))
    return _ANY if every else _ANY + _EACH


def _named(whose: Sequence[Whose]) -> dict[str, list[str]]:
    """Values of the parameters of `_ANY`, `_EACH` and `_PLACE`."""
    slos, objectives, groups = map(list, zip(*whose, strict=True))
    return {"slos": slos, "objectives": objectives, "groups": groups}


def _ascending(t: NDArray[np.int64], good: NDArray[np.int64], bad: NDArray[np.int64]) -> Series:
    order = np.argsort(t, kind="stable")  # it comes in runs: several times as quick
    return Series(t[order], good[order], bad[order])


def series_of(table: pa.Table) -> Series:
    """From columns at, goods and bads."""
    return Series(*(_array(table[name]) for name in ("at", "goods", "bads")))


class TooMuchError(StoreError):
    """More rows than can be summed while somebody waits."""


def days(store: Store, slos: Collection[str], begin: int, end: int, *, within_seconds: float) -> pd.DataFrame:
    """Sums of [begin, end) by UTC day of every objective and group of these SLOs, raw rows (``~``) among them.

    Columns slo, objective, grp (str), day (begin, unix s), good, bad, minutes (those with data; all int64). A day without data has no row.
    TooMuchError when it takes longer than `within_seconds`.
    """
    try:
        frame: pd.DataFrame = _days(store, slos, begin, end, within_seconds=within_seconds).to_pandas()
    except StoreError as error:
        if getattr(error.__cause__, "code", None) != _TIMEOUT_EXCEEDED:
            raise
        raise TooMuchError(
            f"the counts of {len(slos)} SLOs over {(end - begin) / DAY:.0f} days take longer than {within_seconds:.0f} s to sum: "
            "ask for a shorter period"
        ) from error
    return frame.astype({"slo": str, "objective": str, "grp": str})


def _days(store: Store, slos: Collection[str], begin: int, end: int, *, within_seconds: float) -> pa.Table:
    return store.arrow(
        "SELECT slo, objective, grp, toInt64(intDiv(toUnixTimestamp(s.t), 86400) * 86400) AS day, "  # noqa: S608 -- fixed text
        "toInt64(sum(s.good)) AS good, toInt64(sum(s.bad)) AS bad, toInt64(count()) AS minutes FROM sli AS s FINAL "
        f"WHERE {_WITHIN} AND slo IN {{slos:Array(String)}} AND s.good + s.bad > 0 "
        f"GROUP BY slo, objective, grp, day ORDER BY slo, objective, grp, day {_FINAL}, max_execution_time = {within_seconds}",
        {"begin": begin, "end": end, "slos": sorted(slos)},
    )


def _array(column: pa.ChunkedArray) -> NDArray[np.int64]:
    parts = [np.from_dlpack(chunk) for chunk in column.chunks if len(chunk)]
    return np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)
