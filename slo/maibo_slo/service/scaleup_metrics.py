"""Scale-ups on ``/metrics``: how many ended, what became of them, and how long they took.

Counted once, when they are over; those that were over before the start are not. One that never got there is in no bucket but the last: it took longer
than any. Workloads of scaling targets are told from the first scrape on, at 0; of others `OTHERS` are told apart, the rest together.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from maibo.semconv import OVERFLOW
from maibo_slo.engine import lifetimes
from maibo_slo.errors import StoreError
from maibo_slo.store import events, scaleups
from maibo_slo.store.scaleups import KIND, ScaleUp, ScaleUpState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from maibo_slo.documents import Catalogue
    from maibo_slo.store import Store

LONGEST_SECONDS: Final = 7200
"""Scale-ups decided longer ago than this, and over, are not looked for; one takes minutes."""
MOST: Final = 1000
"""Read at once, the newest."""
OTHERS: Final = 50
"""Workloads without a scaling target."""
STATES: Final = (ScaleUpState.COMPLETE, ScaleUpState.CENSORED)
EDGES_SECONDS: Final = (1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0)


class ScaleUpCollector(Collector):
    """What the recorder wrote to the store since the start."""

    def __init__(
        self, store: Store, catalogue: Callable[[], Catalogue], *, now: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._now = now
        self._lock = threading.Lock()
        self._seen: set[str] | None = None
        """Ids of those that are over; None before the first look."""
        self._ended: Counter[tuple[str, ScaleUpState, bool]] = Counter()
        self._buckets: defaultdict[str, Counter[float]] = defaultdict(Counter)
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._running: Counter[str] = Counter()
        self._told: set[str] = set()

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            try:
                self._look(self._now())
            except StoreError:
                return []  # absent rather than wrong; the engine's part says that the store fails
            return self._families()

    def _look(self, now: float) -> None:
        targets = self._catalogue().scaling_targets.values()
        self._told |= {str(target.workload) for target in targets}
        found = events.briefs(self._store, [KIND], now - LONGEST_SECONDS, now + 1, fields=("state",), newest=MOST)
        over = {brief.id for brief in found if brief.end is not None}
        self._running = Counter(self._named(brief.subject) for brief in found if brief.end is None)
        if self._seen is None:
            self._seen = over
        for id_ in sorted(over - self._seen):
            if (scaleup := scaleups.find(self._store, id_)) is not None:
                self._count(scaleup)
            self._seen.add(id_)
        self._seen &= {brief.id for brief in found}

    def _count(self, scaleup: ScaleUp) -> None:
        workload = self._named(str(scaleup.workload))
        self._ended[workload, scaleup.state, lifetimes.is_warm(scaleup)] += 1
        took = lifetimes.latency(scaleup)
        edge = next((each for each in EDGES_SECONDS if took.upper <= each), float("inf"))
        self._buckets[workload][edge if took.observed else float("inf")] += 1
        self._seconds[workload] += took.upper

    def _named(self, workload: str) -> str:
        if workload not in self._told and len(self._told) >= OTHERS + len(self._catalogue().scaling_targets):
            return OVERFLOW
        self._told.add(workload)
        return workload

    def _families(self) -> list[Metric]:
        ended = CounterMetricFamily(
            "maibo_scaleups",
            "Scale-ups that are over: as many pods as were added serve, or never will; warm where no pod waited for a new node.",
            labels=("workload", "state", "warm"),
        )
        took = HistogramMetricFamily(
            "maibo_scaleup_duration_seconds",
            "From the trigger, where known, or the decision, to as many pods in rotation as were added, at the longest; what never got there is in the last bucket alone.",
            labels=("workload",),
        )
        running = GaugeMetricFamily("maibo_scaleups_running", "Scale-ups that are not over.", labels=("workload",))
        for workload in sorted(self._told | {one for one, _, _ in self._ended} | self._running.keys()):
            for state in STATES:
                for warm in (True, False):
                    ended.add_metric(
                        (workload, state.value, "yes" if warm else "no"), self._ended[workload, state, warm]
                    )
            took.add_metric((workload,), self._cumulative(workload), self._seconds[workload])
            running.add_metric((workload,), self._running[workload])
        return [ended, took, running]

    def _cumulative(self, workload: str) -> list[tuple[str, float]]:
        found, below, told = self._buckets[workload], 0, []
        for edge in (*EDGES_SECONDS, float("inf")):
            below += found[edge]
            told.append(("+Inf" if edge == float("inf") else str(edge), float(below)))
        return told
