"""The ledger: for each objective and minute, counts of good and bad events. Budgets, burn rates and reports read nothing else.

`sli(slo, objective, grp, t, good, bad, expected, source, version)`; a later version of an interval replaces the earlier, so
the running minute may be written again and again and a late minute once more. An interval without events is no data:
neither good nor bad.

What is good or bad is what its objective counts: events; slices, in the last minute of each; or millionths of slices. Where that is not the
minutes' events as they came, these are *raw rows* beside them, of an objective whose name has `RAW` before it: for reports of events,
and to be judged again. No window's sum has them.

Exact under replacement: reading takes the highest version of each interval, merged or not. Of two writes of one interval
under the same version (unix ms) either may win.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from maibo_slo.store.client import dictionary

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from maibo_slo.store.client import Store

MINUTE: Final = 60
HOUR: Final = 3600
RAW: Final = "~"
"""Before the name of the objective that raw rows are of."""
AT_ONCE: Final = 200
"""Objectives and groups whose history is read in one query, but always all of an SLO: three days of minutes of 200 are 20 MB in memory."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One minute of one objective."""

    slo: str
    objective: str
    group: str
    """'' without group-by."""
    t: int
    """Begin of the minute, unix s."""
    good: int
    bad: int
    expected: int
    """Events the source says there should have been. Journeys say good + bad: nobody tells a service which ones will come."""
    source: str


def append(store: Store, intervals: Sequence[Interval], *, version: int) -> None:
    """Write intervals; a later version (unix ms) of the same (slo, objective, group, t) replaces the earlier."""
    if not intervals:
        return
    store.insert(
        "sli",
        {
            "slo": dictionary([interval.slo for interval in intervals]),
            "objective": dictionary([interval.objective for interval in intervals]),
            "grp": dictionary([interval.group for interval in intervals]),
            "t": np.array([interval.t for interval in intervals], dtype=np.uint32),
            "good": np.array([interval.good for interval in intervals], dtype=np.uint64),
            "bad": np.array([interval.bad for interval in intervals], dtype=np.uint64),
            "expected": np.array([interval.expected for interval in intervals], dtype=np.uint64),
            "source": dictionary([interval.source for interval in intervals]),
            "version": np.full(len(intervals), version, dtype=np.uint64),
        },
        # Writing a value again after another must count, so equal blocks are not "duplicates" here.
        settings={"insert_deduplicate": 0},
    )


@dataclass(frozen=True, slots=True)
class WindowSum:
    """An objective's counts in one window."""

    slo: str
    objective: str
    group: str
    window_seconds: int
    good: int
    bad: int
    observed_minutes: int
    """Minutes with good + bad > 0; the others are no data."""
    last_t: int | None
    """Begin of the newest minute with data, unix s."""


def window_sums(store: Store, *, now: int, windows: Mapping[str, Sequence[int]]) -> list[WindowSum]:
    """Sums over each SLO's windows, in one query of the whole history: for any moment, and for comparing. The engine keeps its own (`engine.sums`).

    `windows`: SLO name -> lengths in seconds, multiples of 60. A window is the length/60 minutes that end with the running
    one; what has passed of a calendar's period is as long as that is by now. An objective or group that has no interval in an SLO's longest window is absent; one that has, but none in a
    shorter window, has zeros there.
    """
    lengths = sorted({length for wanted in windows.values() for length in wanted})
    if not lengths:
        return []
    for length in lengths:
        if length <= 0 or length % MINUTE:
            raise ValueError(f"a window is a multiple of {MINUTE} s, not {length} s")
    end = now // MINUTE * MINUTE + MINUTE
    # Windows end together, so each is the next shorter one and a ring around it: every row is read and summed once.
    ring = (
        "multiIf("
        + "".join(f"s.t >= {end - length}, {index}, " for index, length in enumerate(lengths))
        + f"{len(lengths)})"
    )
    rows = store.rows(
        f"SELECT slo, objective, grp, {ring} AS ring, sum(good), sum(bad), countIf(good + bad > 0), "  # noqa: S608 -- integers
        "toUnixTimestamp(maxIf(s.t, good + bad > 0)) FROM sli AS s FINAL "
        "WHERE s.t >= toDateTime({begin:UInt32}, 'UTC') AND s.t < toDateTime({end:UInt32}, 'UTC') "
        "AND slo IN {slos:Array(String)} AND NOT startsWith(objective, {raw:String}) GROUP BY slo, objective, grp, ring "
        "SETTINGS do_not_merge_across_partitions_select_final = 1",
        {"begin": max(end - lengths[-1], 0), "end": end, "slos": list(windows), "raw": RAW},
    )
    rings: dict[tuple[str, str, str], dict[int, tuple[int, int, int, int]]] = {}
    for slo, objective, group, index, *sums in rows:
        good, bad, observed, last = map(int, sums)
        rings.setdefault((slo, objective, group), {})[int(index)] = (good, bad, observed, last)
    return [
        answer
        for (slo, objective, group), sums_by_ring in sorted(rings.items())
        for answer in _sums(slo, objective, group, lengths, sums_by_ring, set(windows[slo]))
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Minutes:
    """Some minutes of an objective's group, each once, in no order; those without an interval are absent."""

    slo: str
    objective: str
    group: str
    t: NDArray[np.int64]
    """Begins, unix s."""
    good: NDArray[np.uint64]
    bad: NDArray[np.uint64]


def minutes(
    store: Store,
    slos: Collection[str],
    begin: int,
    end: int,
    *,
    groups: Collection[str] | None = None,
    raw: bool = False,
) -> Iterator[Minutes]:
    """What the ledger holds of these SLOs in [begin, end), by objective and group; one without any interval there is absent.

    `slos` may name an SLO once for each of its objectives and groups, so that no query answers with too many. `groups`: of these alone, or
    None for all. `raw`: raw rows, and no others.
    """
    for table in _histories(
        store,
        "SELECT slo, objective, grp, groupArray(toUnixTimestamp(s.t)) AS ts, groupArray(good) AS goods, groupArray(bad) AS bads "
        "FROM sli AS s FINAL WHERE {condition} GROUP BY slo, objective, grp",
        slos,
        {"begin": begin, "end": end},
        groups=groups,
        raw=raw,
    ):
        yield from (Minutes(*row) for row in _arrays(table, "ts", "goods", "bads"))


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """Some hours of an objective's group, each once, in no order; those without an interval are absent."""

    slo: str
    objective: str
    group: str
    t: NDArray[np.int64]
    """Begins, unix s."""
    good: NDArray[np.uint64]
    bad: NDArray[np.uint64]
    observed: NDArray[np.uint8]
    """Minutes with good + bad > 0: at most 60."""
    last: NDArray[np.uint8]
    """Which minute of the hour was the newest of these, from 1; 0 when there is none."""


def hours(
    store: Store,
    slos: Collection[str],
    wanted: Collection[int],
    *,
    groups: Collection[str] | None = None,
    raw: bool = False,
) -> Iterator[Hours]:
    """Sums of these SLOs over the hours that begin at `wanted`; the rest as of `minutes`."""
    if not wanted:
        return
    begin, end = min(wanted), max(wanted) + HOUR
    # A year's hours are a hundred kB of numbers: they are only named where some are left out.
    only = "" if len(set(wanted)) * HOUR == end - begin else "AND hour IN {hours:Array(UInt32)} "
    for table in _histories(
        store,
        "SELECT slo, objective, grp, groupArray(hour) AS ts, groupArray(goods) AS goods, groupArray(bads) AS bads, "  # noqa: S608 -- fixed texts
        "groupArray(observed) AS observed, groupArray(last) AS last FROM ("
        "SELECT slo, objective, grp, intDiv(toUnixTimestamp(s.t), 3600) * 3600 AS hour, sum(good) AS goods, sum(bad) AS bads, "
        "toUInt8(countIf(good + bad > 0)) AS observed, "
        "toUInt8(maxIf(intDiv(toUnixTimestamp(s.t) - hour, 60) + 1, good + bad > 0)) AS last "
        f"FROM sli AS s FINAL WHERE {{condition}} {only}GROUP BY slo, objective, grp, hour"
        ") GROUP BY slo, objective, grp",
        slos,
        {"begin": begin, "end": end, **({"hours": sorted(wanted)} if only else {})},
        groups=groups,
        raw=raw,
    ):
        yield from (Hours(*row) for row in _arrays(table, "ts", "goods", "bads", "observed", "last"))


def groups(store: Store, slos: Collection[str], begin: int, end: int) -> dict[tuple[str, str], set[str]]:
    """For each (slo, objective) with data in [begin, end), raw rows' too, the groups that have some."""
    rows = store.rows(
        "SELECT slo, objective, groupUniqArray(grp) FROM sli AS s FINAL "
        "WHERE s.t >= toDateTime({begin:UInt32}, 'UTC') AND s.t < toDateTime({end:UInt32}, 'UTC') "
        "AND slo IN {slos:Array(String)} AND good + bad > 0 "
        "GROUP BY slo, objective SETTINGS do_not_merge_across_partitions_select_final = 1",
        {"begin": begin, "end": end, "slos": sorted(set(slos))},
    )
    return {(slo, objective): set(found) for slo, objective, found in rows}


def _histories(
    store: Store,
    sql: str,
    slos: Collection[str],
    parameters: Mapping[str, object],
    *,
    groups: Collection[str] | None,
    raw: bool = False,
) -> Iterator[pa.Table]:
    """The query's answers for some SLOs at a time; ``{condition}`` in it is which rows they are about."""
    condition = (
        "s.t >= toDateTime({begin:UInt32}, 'UTC') AND s.t < toDateTime({end:UInt32}, 'UTC') "
        f"AND slo IN {{slos:Array(String)}} AND {'' if raw else 'NOT '}startsWith(objective, {{raw:String}})"
    )
    parameters = {**parameters, "raw": RAW}
    if groups is not None:
        condition += " AND grp IN {groups:Array(String)}"
        parameters["groups"] = sorted(groups)
    sql = sql.replace("{condition}", condition) + " SETTINGS do_not_merge_across_partitions_select_final = 1"
    for names in _some_at_once(slos):
        yield store.arrow(sql, {**parameters, "slos": names})


def _some_at_once(slos: Collection[str]) -> Iterator[list[str]]:
    """Each SLO once. In order, so that those asked about at once lie side by side in the table."""
    names: list[str] = []
    size = 0
    for slo, times in sorted(Counter(slos).items()):
        if names and size + times > AT_ONCE:
            yield names
            names, size = [], 0
        names.append(slo)
        size += times
    if names:
        yield names


def _arrays(table: pa.Table, *lists: str) -> Iterator[tuple[Any, ...]]:
    """Row by row: SLO, objective, group, and the list columns as arrays."""
    columns = [[np.from_dlpack(each.values) for chunk in table[name].chunks for each in chunk] for name in lists]
    return zip(*(table[name].to_pylist() for name in ("slo", "objective", "grp")), *columns, strict=True)


def minutes_from_elsewhere(
    store: Store, sources: Mapping[tuple[str, str], str], begin: int, end: int
) -> dict[tuple[str, str, str], set[int]]:
    """For each (slo, objective), the minutes in [begin, end) whose counts do not come from the source given for it; in one query.

    By slo, objective and group; those without such minutes are absent.
    """
    rows = store.rows(
        "SELECT slo, objective, grp, groupUniqArray(toUnixTimestamp(s.t)) FROM sli AS s FINAL "
        "WHERE s.t >= toDateTime({begin:UInt32}, 'UTC') AND s.t < toDateTime({end:UInt32}, 'UTC') "
        "AND slo IN {slos:Array(String)} AND good + bad > 0 "
        "AND (slo, objective) IN arrayZip({slos:Array(String)}, {objectives:Array(String)}) "
        "AND (slo, objective, source) NOT IN "
        "arrayZip({slos:Array(String)}, {objectives:Array(String)}, {sources:Array(String)}) "
        "GROUP BY slo, objective, grp SETTINGS do_not_merge_across_partitions_select_final = 1",
        {
            "begin": begin,
            "end": end,
            "slos": [slo for slo, _ in sources],
            "objectives": [objective for _, objective in sources],
            "sources": list(sources.values()),
        },
    )
    return {(slo, objective, group): set(map(int, minutes)) for slo, objective, group, minutes in rows}


def raw_minutes_since(store: Store, slos: Collection[str], begin: int, *, version: int) -> dict[str, set[int]]:
    """For each SLO, the minutes from `begin` (unix s) on whose raw rows were written under a later version than this, blank ones too."""
    if not slos:
        return {}
    rows = store.rows(
        "SELECT slo, groupUniqArray(toUnixTimestamp(s.t)) FROM sli AS s "
        "WHERE s.t >= toDateTime({begin:UInt32}, 'UTC') AND slo IN {slos:Array(String)} "
        "AND startsWith(objective, {raw:String}) AND version > {version:UInt64} GROUP BY slo",
        {"begin": max(begin, 0), "slos": sorted(set(slos)), "raw": RAW, "version": version},
    )
    return {slo: set(map(int, minutes)) for slo, minutes in rows}


def _sums(
    slo: str,
    objective: str,
    group: str,
    lengths: Sequence[int],
    rings: Mapping[int, tuple[int, int, int, int]],
    wanted: set[int],
) -> list[WindowSum]:
    answers = []
    good = bad = observed = last = 0
    for index, length in enumerate(lengths):
        more_good, more_bad, more_observed, newest = rings.get(index, (0, 0, 0, 0))
        good, bad, observed, last = good + more_good, bad + more_bad, observed + more_observed, max(last, newest)
        if length in wanted:
            answers.append(WindowSum(slo, objective, group, length, good, bad, observed, last or None))
    longest = max(wanted, default=0)
    has_any = any(lengths[index] <= longest for index in rings)
    return answers if has_any else []
