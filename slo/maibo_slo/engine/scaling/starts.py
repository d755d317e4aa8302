"""Feed-forward: starts of journeys tell every workload on their path what is coming, in the same tick, instead of hop by hop.

Calls per start are measured: the calls that a workload got for a journey in the last half an hour, by the journeys that began in it. Where nobody
tells that journeys begin, nothing is fed forward, and demand is what is counted where it comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_slo.engine.scaling.demand import DemandEstimator
from maibo_slo.engine.scaling.inputs import Demand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.store.demand import Calls, CallsKey

Begun = tuple[str, str]
"""Environment and journey."""
MEASURED_SECONDS: Final = 1_800
FEWEST_STARTS: Final = 30
"""In that time, for calls per start to be known."""
SURGE_SPANS: Final = (6.0, 12.0)
"""Starts are counted by the minute, whose counts are behind those of 10 s by some seconds and come in larger steps."""
_MINUTE: Final = 60


def calls_per_start(which: Calls, calls: Mapping[CallsKey, int], begun: Mapping[Begun, int]) -> dict[Begun, float]:
    """Of one workload, from what was counted in the same time."""
    sums: dict[Begun, int] = {}
    for key, n in calls.items():
        if which.has(key):
            sums[key.environment, key.journey] = sums.get((key.environment, key.journey), 0) + n
    return {name: n / begun[name] for name, n in sums.items() if begun.get(name, 0) >= FEWEST_STARTS}


class Starts:
    """How many journeys begin now. Not for several threads."""

    def __init__(self) -> None:
        self._estimators: dict[Begun, DemandEstimator] = {}
        self._now: dict[Begun, Demand] = {}

    def look(self, now: float, counts: Mapping[Begun, Mapping[int, int]]) -> None:
        """`counts`: minute (unix s) -> journeys begun in it, of the last minutes, as they are known now."""
        self._now = {}
        for name, minutes in counts.items():
            estimator = self._estimators.get(name)
            if estimator is None:
                estimator = DemandEstimator(bucket_seconds=_MINUTE, whole_buckets=1, surge_spans=SURGE_SPANS)
                self._estimators[name] = estimator
            demand = estimator.look(now, minutes)
            if demand is not None:
                self._now[name] = demand
        for gone in self._estimators.keys() - counts.keys():
            del self._estimators[gone]

    def fed(self, per_start: Mapping[Begun, float], *, since: float) -> Demand | None:
        """The demand that starts now bring to a workload with so many calls per start; None: none of its journeys told any `since` (unix s)."""
        known = ((self._now.get(name), factor) for name, factor in per_start.items())
        found = [(demand, factor) for demand, factor in known if demand is not None and demand.observed_at >= since]
        if not found:
            return None
        return Demand(
            rate=sum(demand.rate * factor for demand, factor in found),
            observed_at=max(demand.observed_at for demand, _ in found),
            calls=sum(demand.calls for demand, _ in found),
            seconds=max(demand.seconds for demand, _ in found),
            surge=any(demand.surge for demand, _ in found),
        )
