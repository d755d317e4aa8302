"""Cells, the whole telemetry model: ``(time bucket, dimensions, outcome, bin) -> n``.

Collectors insert them, the engine and the service read them, all through the typed functions below. Times are unix
seconds (int, UTC). Each answer is made of counts that may be added; rates, shares and quantiles come from counts alone.

A query reads one of three tiers, 10 s, 1 min or 1 h, and widens its window outwards to that tier's grid; `covered` tells
the window that an answer is really about.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, cast

import numpy as np

from maibo.semconv import ABANDONED
from maibo_slo.store.arrays import groups, joined, values
from maibo_slo.store.counts import CELL, Counts, SeriesKey
from maibo_slo.store.counts import insert as insert_counts
from maibo_slo.store.histogram import BINS, Histogram, sparse_quantiles
from maibo_slo.store.selection import CellFilter, Window, require_dimensions, where
from maibo_slo.store.tables import DIMENSIONS, TIERS, Tier

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from maibo_slo.store.client import Store

__all__ = [
    "DIMENSIONS",
    "CellFilter",
    "CellKey",
    "Distribution",
    "Slice",
    "Window",
    "busiest",
    "cells_of_minutes",
    "covered",
    "distributions",
    "insert_cells",
    "last_events",
    "series",
    "tier_of",
    "with_steps",
]


STEPS_BY: Final = ("step", "service", "version")
"""A step's version is that of the service that does it."""


class CellKey(NamedTuple):
    """Which cell an event falls in; step '' is the journey as a whole; t is the 10 s bucket of the span's END (unix s)."""

    t: int
    journey: str
    step: str
    environment: str
    service: str
    version: str
    cluster: str
    region: str
    tier: str
    variant: str
    outcome: str
    bin: int


def insert_cells(store: Store, cells: Mapping[CellKey, int], *, token: str) -> None:
    """Insert a few cells, as `counts.insert` does it: for demonstrations, measurements and tests."""
    series: dict[tuple[str, ...], int] = {}
    rows = [(key.t, series.setdefault(key[1:-1], len(series)), key.bin, n) for key, n in cells.items()]
    counts = Counts(cast("list[SeriesKey]", list(series)), np.array(rows, CELL))
    insert_counts(store, counts, token=token)


def tier_of(window: Window, *, now: int | None = None) -> Tier:
    """The tier that answers for a window: the finest that is meant for its length and still holds its begin.

    10 s up to 6 h, 1 min up to 35 d, else 1 h. `now` is the present if it is not given. A window from `covered` keeps its tier.
    """
    if window.tier is not None:
        return window.tier
    age = (int(time.time()) if now is None else now) - window.begin
    for tier in TIERS:
        if window.seconds <= tier.longest_window_seconds and age <= tier.retention_seconds:
            return tier
    return TIERS[-1]


def covered(window: Window, *, now: int | None = None) -> Window:
    """The window that `distributions` and what is made of it really count: widened to its tier's grid."""
    tier = tier_of(window, now=now)
    return replace(window.widened(tier.seconds), tier=tier)


@dataclass(frozen=True, slots=True)
class Distribution:
    """One group's counts."""

    group: tuple[str, ...]
    """group[i] is the value of the i-th dimension asked for."""
    outcomes: Mapping[str, NDArray[np.uint64]]
    """outcome -> counts by bin, shape (BINS,)"""
    last_event: int | None
    """End of the newest 10 s bucket with data in the window, unix s; for windows read from a coarser tier whose last
    hour has no data, the end of that tier's newest bucket."""

    @classmethod
    def of(cls, groups: Iterable[Distribution]) -> Self:
        """Some groups together, as one without a name."""
        outcomes: dict[str, NDArray[np.uint64]] = {}
        newest: list[int] = []
        for one in groups:
            newest += [] if one.last_event is None else [one.last_event]
            for outcome, counts in one.outcomes.items():
                outcomes[outcome] = outcomes[outcome] + counts if outcome in outcomes else counts
        return cls((), outcomes, max(newest, default=None))

    def histogram(self, *outcomes: str) -> Histogram:
        """Of these outcomes, or of all but abandoned journeys, whose end nobody saw: what every latency and share is about."""
        chosen = outcomes or tuple(outcome for outcome in self.outcomes if outcome != ABANDONED)
        return Histogram.of([self.outcomes[outcome] for outcome in chosen if outcome in self.outcomes])

    def events(self) -> dict[str, int]:
        """How many, by outcome."""
        return {outcome: int(counts.sum()) for outcome, counts in self.outcomes.items()}


def distributions(
    store: Store,
    window: Window,
    which: CellFilter,
    *,
    by: Sequence[str] = (),
    now: int | None = None,
    to_10s: bool = True,
    without: Window | None = None,
) -> list[Distribution]:
    """Counts by bin, outcome and the dimensions of `by`, in one query, ordered by group. Empty list = no data.

    Where the window's tier is a coarser one, a second query finds the newest events `to_10s`. What lies in `without`, on the tier's grid, is left out.
    ValueError for an unknown dimension.
    """
    require_dimensions(by)
    tier = tier_of(window, now=now)
    wide = window.widened(tier.seconds)
    counted = _Groups(tier)
    for outcome, counts, t, *group in _dense(store, tier, [*by], where(wide, which), without):
        counted.add(tuple(group), outcome, counts, t)
    newest = _newest_10s(store, tier, wide, which, by=by) if to_10s and counted.outcomes else {}
    return counted.told(newest)


def with_steps(
    store: Store,
    window: Window,
    which: CellFilter,
    *,
    by: Sequence[str],
    now: int | None = None,
    to_10s: bool = True,
    without: Window | None = None,
) -> tuple[list[Distribution], list[Distribution]]:
    """As `distributions` of a journey, or of one step of it; and of all its steps by `STEPS_BY`, told to the tier's grid. Cells are read once for both."""
    require_dimensions(by)
    tier = tier_of(window, now=now)
    wide = window.widened(tier.seconds)
    chosen = which.step or ""
    condition, parameters = where(wide, {**which.where, "journey": [which.journey or ""]})
    keys = [
        "step",
        *(f"if(step = '', '', {name}) AS step_{name}" for name in STEPS_BY[1:]),
        *(f"if(step = {{chosen:String}}, {name}, '') AS by_{name}" for name in by),
    ]
    selected = (f"{condition} AND step != ''" if chosen else condition), {**parameters, "chosen": chosen}
    counted, of_steps = _Groups(tier), _Groups(tier)
    for outcome, counts, t, step, service, version, *group in _dense(store, tier, keys, selected, without):
        if step == chosen:
            counted.add(tuple(group), outcome, counts, t)
        if step:
            of_steps.add((step, service, version), outcome, counts, t)
    newest = _newest_10s(store, tier, wide, which, by=by) if to_10s and counted.outcomes else {}
    return counted.told(newest), of_steps.told({})


def last_events(
    store: Store, window: Window, which: CellFilter, *, by: Sequence[str] = (), now: int | None = None
) -> dict[tuple[str, ...], int]:
    """By group, the end of the newest bucket with data of the window's tier, unix s; groups without data are absent."""
    require_dimensions(by)
    tier = tier_of(window, now=now)
    condition, parameters = where(window.widened(tier.seconds), which)
    keys = "".join(f"{name}, " for name in by) + "outcome"
    rows = store.rows(
        f"SELECT {keys}, toUnixTimestamp(max(c.t)) FROM {tier.table} AS c WHERE {condition} GROUP BY {keys}",  # noqa: S608 -- fixed names
        parameters,
    )
    newest: dict[tuple[str, ...], int] = {}
    for *group, _, t in rows:
        newest[tuple(group)] = max(newest.get(tuple(group), 0), int(t) + tier.seconds)
    return newest


@dataclass(frozen=True, slots=True)
class _Groups:
    """What `Distribution` tells, as it is added up."""

    tier: Tier
    outcomes: dict[tuple[str, ...], dict[str, NDArray[np.uint64]]] = field(default_factory=dict)
    newest: dict[tuple[str, ...], int] = field(default_factory=dict)

    def add(self, group: tuple[str, ...], outcome: str, counts: NDArray[np.uint64], t: int) -> None:
        mine = self.outcomes.setdefault(group, {})
        mine[outcome] = mine[outcome] + counts if outcome in mine else counts
        self.newest[group] = max(self.newest.get(group, 0), t + self.tier.seconds)

    def told(self, newest: Mapping[tuple[str, ...], int]) -> list[Distribution]:
        """`newest`: what is known better."""
        return [
            Distribution(group, self.outcomes[group], newest.get(group, self.newest[group]))
            for group in sorted(self.outcomes)
        ]


def _dense(
    store: Store, tier: Tier, keys: Sequence[str], selected: tuple[str, Mapping[str, Any]], without: Window | None
) -> Iterator[tuple[Any, ...]]:
    """By keys (SQL) and outcome: the outcome, counts by bin, begin of the newest bucket and the keys."""
    condition, parameters = selected
    if without is not None:
        condition = f"{condition} AND (c.t < {without.begin} OR c.t >= {without.end})"
    names = [each.rpartition(" ")[2] for each in keys]
    # One dense array a group: 1.5 to 2.5 times as quick as grouping by bin, for 15 KiB a group that the answer holds anyway.
    table = store.arrow(
        f"SELECT {''.join(f'{each}, ' for each in keys)}outcome, sumResample(0, {BINS}, 1)(n, bin) AS counts, "  # noqa: S608 -- fixed names
        f"toInt64(toUnixTimestamp(max(c.t))) AS newest FROM {tier.table} AS c WHERE {condition} "
        f"GROUP BY {''.join(f'{each}, ' for each in names)}outcome",
        parameters,
    )
    counts = values(table["counts"]).reshape(-1, BINS)
    columns = (table[name].to_pylist() for name in ("newest", *names))
    return zip(table["outcome"].to_pylist(), counts, *columns, strict=True)


def busiest(
    store: Store, window: Window, which: CellFilter, *, limit: int, now: int | None = None
) -> tuple[list[str], int]:
    """The `limit` journeys with the most events, the busiest first, and how many have any: counted, not yet measured."""
    tier = tier_of(window, now=now)
    condition, parameters = where(window.widened(tier.seconds), which)
    rows = store.rows(
        f"SELECT journey, count() OVER () FROM (SELECT journey, sum(n) AS events FROM {tier.table} AS c "  # noqa: S608 -- fixed names
        f"WHERE {condition} GROUP BY journey) ORDER BY events DESC, journey LIMIT {{limit:UInt32}}",
        {**parameters, "limit": limit},
    )
    return [journey for journey, _ in rows], int(rows[0][1]) if rows else 0


@dataclass(frozen=True, slots=True)
class Slice:
    """One time slice of a group: begin (unix s), counts by outcome, quantiles in us of all its events but abandoned ones."""

    t: int
    group: tuple[str, ...]
    outcomes: Mapping[str, int]
    p50_us: float | None
    p90_us: float | None
    p99_us: float | None


def series(
    store: Store,
    window: Window,
    which: CellFilter,
    *,
    slice_seconds: int,
    by: Sequence[str] = (),
    now: int | None = None,
) -> list[Slice]:
    """Slices on the epoch grid, oldest first; slices without data are absent (the caller decides how a gap is drawn).

    The window is widened to whole slices. ValueError if no tier that still holds the window has so fine a grid; what is older than
    the coarsest tier keeps is no data.
    """
    require_dimensions(by)
    tier = _tier_for_slices(window, slice_seconds, now=now)
    condition, parameters = where(window.widened(slice_seconds), which)
    keys = "".join(f"{name}, " for name in by) + "outcome"
    # Slices are many and sparse: bins and counts travel as two arrays.
    table = store.arrow(
        f"SELECT slice, {keys}, groupArray(bin) AS bins, groupArray(total) AS counts FROM ("  # noqa: S608 -- fixed names
        "SELECT toInt64(intDiv(toUnixTimestamp(c.t), {slice:UInt32}) * {slice:UInt32}) AS slice, "
        f"{keys}, bin, sum(n) AS total FROM {tier.table} AS c WHERE {condition} GROUP BY slice, {keys}, bin"
        f") GROUP BY slice, {keys}",
        {**parameters, "slice": slice_seconds},
    )
    bins, counts = values(table["bins"]), values(table["counts"])
    ends = np.cumsum(joined([each.value_lengths() for each in table["bins"].chunks]))
    totals = np.concatenate([np.zeros(1, np.uint64), counts.astype(np.uint64).cumsum()])
    slices: dict[tuple[int, tuple[str, ...]], dict[str, int]] = {}
    places: dict[tuple[int, tuple[str, ...]], int] = {}
    owners = np.empty(len(bins), np.intp)
    timed = np.zeros(len(bins), bool)
    begin = 0
    for end, (group, t, outcome) in zip(ends.tolist(), groups(table, by, "slice", "outcome"), strict=True):
        slices.setdefault((t, group), {})[outcome] = int(totals[end] - totals[begin])
        owners[begin:end] = places.setdefault((t, group), len(places))
        timed[begin:end] = outcome != ABANDONED
        begin = end
    quantiles = sparse_quantiles(owners[timed], bins[timed], counts[timed], 0.5, 0.9, 0.99, owned=len(places))
    return [Slice(t, group, slices[t, group], *quantiles[places[t, group]]) for t, group in sorted(slices)]


def cells_of_minutes(store: Store, minutes: Sequence[int], journeys: Collection[str]) -> pd.DataFrame:
    """All cells of these minutes (unix s) and journeys, from cells_1m, each once: the engine's input.

    Columns t (int64), DIMENSIONS and outcome (str), bin (uint16), n (uint64).
    """
    keys = ", ".join((*DIMENSIONS, "outcome"))
    wanted = sorted(set(minutes))
    table = store.arrow(
        f"SELECT toInt64(toUnixTimestamp(cells_1m.t)) AS t, {keys}, bin, sum(n) AS n FROM cells_1m "  # noqa: S608 -- fixed names
        "WHERE cells_1m.t BETWEEN toDateTime({first:UInt32}, 'UTC') AND toDateTime({last:UInt32}, 'UTC') "
        "AND toUnixTimestamp(cells_1m.t) IN {minutes:Array(UInt32)} AND journey IN {journeys:Array(String)} "
        f"GROUP BY t, {keys}, bin",
        {
            "first": wanted[0] if wanted else 0,
            "last": wanted[-1] if wanted else 0,
            "minutes": wanted,
            "journeys": sorted(journeys),
        },
    )
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _newest_10s(
    store: Store, tier: Tier, wide: Window, which: CellFilter, *, by: Sequence[str]
) -> dict[tuple[str, ...], int]:
    """By group, the end of the newest 10 s bucket of the window's last hour, where its tier does not tell it itself."""
    finest = TIERS[0]
    if tier is finest:
        return {}
    return last_events(store, Window(max(wide.begin, wide.end - 3_600), wide.end, finest), which, by=by)


def _tier_for_slices(window: Window, slice_seconds: int, *, now: int | None) -> Tier:
    """The window's own tier, or a finer one if the slices ask for it.

    Its own is never judged again: widened to that tier's grid, a window may begin a little before what the tier promises to hold.
    """
    wanted = tier_of(window, now=now)
    age = (int(time.time()) if now is None else now) - window.begin
    for tier in reversed(TIERS[: TIERS.index(wanted) + 1]):
        holds = tier is wanted or age <= tier.retention_seconds
        if slice_seconds > 0 and slice_seconds % tier.seconds == 0 and holds:
            return tier
    raise ValueError(
        f"slices of {slice_seconds} s: a window that begins {age} s ago is kept in steps of {wanted.seconds} s"
    )
