"""What the recorder tells of itself on ``/metrics``."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client.core import Metric

    from maibo_collectors.kubernetes.recorder import Recorder
    from maibo_collectors.kubernetes.scaleups.assembly import Assembly
    from maibo_collectors.kubernetes.watch import Watch


class RecorderMetrics(Collector):
    """Read from the watches and the recorder when somebody asks; by kind of object, over all namespaces."""

    def __init__(
        self,
        watches: Sequence[Watch],
        recorder: Recorder,
        assembly: Assembly,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._watches: dict[str, list[Watch]] = defaultdict(list)
        for watch in watches:
            self._watches[watch.watched.plural].append(watch)
        self._recorder = recorder
        self._assembly = assembly
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        yield from self._of_watches()
        recorder = self._recorder
        yield GaugeMetricFamily(
            "maibo_kubernetes_changes_waiting", "Changes heard of and not looked at yet", value=recorder.waiting()
        )
        yield GaugeMetricFamily(
            "maibo_kubernetes_rows_waiting", "Scale-ups and samples not in the store yet", value=recorder.unwritten()
        )
        yield CounterMetricFamily(
            "maibo_kubernetes_rows_dropped",
            "Scale-ups and samples that were too many to wait for the store",
            value=recorder.dropped,
        )
        yield CounterMetricFamily(
            "maibo_kubernetes_store_failures", "Writes that the store did not take at once", value=recorder.failures
        )
        yield CounterMetricFamily(
            "maibo_kubernetes_changes_failed",
            "Changes that could not be made sense of",
            value=recorder.not_understood + self._assembly.unreadable,
        )
        causes = CounterMetricFamily(
            "maibo_kubernetes_pods_made", "Pods that no scale-up made, by why they were made", labels=["cause"]
        )
        for cause, pods in sorted(self._assembly.pods_by_cause.copy().items()):
            causes.add_metric([cause], pods)
        yield causes

    def _of_watches(self) -> Iterator[Metric]:
        labels = ["resource"]
        seen = GaugeMetricFamily("maibo_kubernetes_watching", "Watches that see", labels=labels)
        objects = GaugeMetricFamily("maibo_kubernetes_objects", "Objects known to be there", labels=labels)
        age = GaugeMetricFamily(
            "maibo_kubernetes_last_event_age_seconds",
            "Since the newest change or bookmark; a bookmark comes each minute or so",
            labels=labels,
        )
        counters = {
            "restarts": CounterMetricFamily(
                "maibo_kubernetes_watch_restarts", "Watches taken up again after an error", labels=labels
            ),
            "relists": CounterMetricFamily(
                "maibo_kubernetes_relists", "Lists after a gap that the server no longer knew", labels=labels
            ),
            "malformed": CounterMetricFamily(
                "maibo_kubernetes_malformed", "Lines of watches that are none", labels=labels
            ),
            "changes": CounterMetricFamily("maibo_kubernetes_changes", "Changes heard of", labels=labels),
        }
        for plural, watches in self._watches.items():
            seen.add_metric([plural], sum(watch.seen for watch in watches))
            objects.add_metric([plural], sum(len(watch) for watch in watches))
            heard = [each for watch in watches if (each := watch.figures.last_heard) is not None]
            if heard:
                age.add_metric([plural], max(0.0, self._clock() - max(heard)))
            for name, family in counters.items():
                family.add_metric([plural], sum(getattr(watch.figures, name) for watch in watches))
        yield from (seen, objects, age, *counters.values())
