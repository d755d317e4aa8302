"""Journeys on ``/metrics``: how many ended and how long they took, as counters that Prometheus can sum, divide and ask for quantiles.

The store counts by the time of events, Prometheus by the time of scrapes; so the counters go up when events come, from 0 at the first scrape: after a
restart Prometheus adds whatever a counter then has, so what was there before would be added twice. What comes more than `LATE_SECONDS` after its time is
in the store and not here.

Declared journeys are told from the first scrape on, at 0: the increase of a series that is born at 7 is nothing. Of others the first `OTHERS` are,
the busiest first. Each costs `len(EDGES_US)` + 7 series, and one more where its threshold is no edge.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from maibo.semconv import OUTCOMES
from maibo_slo.errors import StoreError
from maibo_slo.store import cells
from maibo_slo.store.cells import CellFilter, Distribution, Window
from maibo_slo.store.histogram import MIDDLES_US, Histogram, last_bin_within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from maibo_slo.documents import Catalogue
    from maibo_slo.store import Store

LATE_SECONDS: Final = 3600
"""For how long after its time an event may come to be counted here."""
SETTLED_SECONDS: Final = 600
"""How much is settled at once: what is older than `LATE_SECONDS` is read no more."""
FRESH_SECONDS: Final = 4.0
"""The store is read at most so often, however many ask."""
OTHERS: Final = 50
"""Journeys that no document declares."""
EDGES_US: Final = tuple(
    step * 10**decade // 10 for decade in range(3, 10) for step in (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)
)
"""From 1 ms to 8000 s, ten a decade, on the histogram's grid: each bucket is counted, not interpolated."""


class JourneyCollector(Collector):
    """Whole journeys, of all dimensions together."""

    def __init__(
        self, store: Store, catalogue: Callable[[], Catalogue], *, now: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._now = now
        self._lock = threading.Lock()
        self._since: int | None = None
        """Begin of what is read anew each time; what is before it is in `_settled`."""
        self._end = 0
        """How far was read: a clock that is set back takes nothing back."""
        self._before: dict[str, Distribution] = {}
        """What was there at the first look."""
        self._settled: dict[str, Distribution] = {}
        self._told: dict[str, Distribution] = {}
        self._read_at = float("-inf")

    def collect(self) -> Iterable[Metric]:
        now = self._now()
        try:
            with self._lock:
                told = self._counted(now)
        except StoreError:
            return  # absent rather than wrong; the engine's part says that the store fails
        thresholds = {name: journey.threshold_us for name, journey in self._catalogue().journeys.items()}
        yield from _families(told, thresholds, now=now)

    def _counted(self, now: float) -> Mapping[str, Distribution]:
        if not 0 <= now - self._read_at < FRESH_SECONDS:
            is_first = self._since is None
            if self._since is None:
                self._since = _grid(now - LATE_SECONDS)
            self._end = max(self._end, int(now) + 1)
            names = self._names(now)
            read = self._between(self._since, self._end, names, now)
            if is_first:
                self._before = read
            self._told = {name: self._since_first(name, read.get(name)) for name in names}
            self._read_at = now
            self._settle(names, now)
        return self._told

    def _since_first(self, name: str, read: Distribution | None) -> Distribution:
        found = Distribution.of(part for part in (self._settled.get(name), read) if part is not None)
        return _without(found, self._before[name]) if name in self._before else found

    def _names(self, now: float) -> list[str]:
        """Once told, always told: a counter that goes away and comes back has been reset."""
        declared = self._catalogue().journeys.keys()
        room = OTHERS - len(self._told.keys() - declared)
        if room <= 0:
            return sorted({*declared, *self._told})
        window = Window(self._since or 0, self._end)
        busiest, _ = cells.busiest(self._store, window, CellFilter(), limit=room + len(declared) + OTHERS, now=int(now))
        others = [name for name in busiest if name not in declared and name not in self._told]
        return sorted({*declared, *self._told, *others[:room]})

    def _settle(self, names: Iterable[str], now: float) -> None:
        edge = _grid(now - LATE_SECONDS)
        if self._since is None or edge - self._since < SETTLED_SECONDS:
            return
        for name, found in self._between(self._since, edge, names, now).items():
            self._settled[name] = Distribution.of([self._settled[name], found] if name in self._settled else [found])
        self._since = edge

    def _between(self, begin: int, end: int, names: Iterable[str], now: float) -> dict[str, Distribution]:
        which = CellFilter(where={"journey": list(names)})
        found = cells.distributions(self._store, Window(begin, end), which, by=("journey",), now=int(now))
        return {one.group[0]: one for one in found}


def _grid(t: float) -> int:
    return int(t) // 10 * 10


def _without(found: Distribution, before: Distribution) -> Distribution:
    """Its newest event stays, whenever that was."""
    outcomes = {
        outcome: counts - np.minimum(counts, before.outcomes[outcome]) if outcome in before.outcomes else counts
        for outcome, counts in found.outcomes.items()
    }
    return replace(found, outcomes=outcomes)


def _families(
    told: Mapping[str, Distribution], thresholds: Mapping[str, int | None], *, now: float
) -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "maibo_journey_ended", "Journeys that ended, by what became of them.", labels=("journey", "outcome")
    )
    lasted = HistogramMetricFamily(
        "maibo_journey_duration_seconds",
        "How long journeys took that succeeded or failed. Buckets are exact, the declared threshold is one; the sum is of bins' middles.",
        labels=("journey",),
    )
    age = GaugeMetricFamily(
        "maibo_journey_age_seconds", "Time since the newest event of a journey, of the last hour.", labels=("journey",)
    )
    for name, found in told.items():
        events = found.events()
        for outcome in OUTCOMES:
            ended.add_metric((name, outcome), events.get(outcome, 0))
        histogram = found.histogram()
        lasted.add_metric((name,), list(_buckets(histogram, thresholds.get(name))), _sum_seconds(histogram))
        if found.last_event is not None:
            age.add_metric((name,), max(0.0, now - found.last_event))
    yield from (ended, lasted, age)


def _buckets(histogram: Histogram, threshold_us: int | None) -> Iterator[tuple[str, float]]:
    cumulative = histogram.counts.cumsum()
    edges = {*EDGES_US} if threshold_us is None else {*EDGES_US, threshold_us}
    for edge in sorted(edges):
        yield str(edge / 1e6), float(cumulative[last_bin_within(edge)])
    yield "+Inf", float(histogram.total)


def _sum_seconds(histogram: Histogram) -> float:
    return float(np.dot(histogram.counts, MIDDLES_US)) / 1e6
