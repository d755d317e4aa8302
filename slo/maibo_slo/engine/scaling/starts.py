"""Feed-forward: starts of journeys tell every workload on their path what is coming, in the same look, instead of hop by hop.

Calls per start are measured: the calls that a workload got for a journey in the last half an hour, by the journeys that began in it. Where nobody
tells that journeys begin, nothing is fed forward, and demand is what is counted where it comes.

How many begin now is told as demand is (`DemandEstimator`), from counts of the 10 s of their begins: by whole buckets, and at once when a surge is on.
It is taken for the least that it may be: where starts are steady, counted calls know better. Starts that are told late (a journey that is one block tells of
its begin when it ends) land in older buckets, and raise nothing by themselves. A bucket in which others were heard and no start came had none, so what
was fed forward is gone 30 s after a crowd's last start.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from maibo_slo.engine.scaling import poisson
from maibo_slo.engine.scaling.demand import LIKELY_Z, DemandEstimator
from maibo_slo.engine.scaling.inputs import Demand

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from maibo_slo.store.demand import Begun, Calls, CallsKey

MEASURED_SECONDS: Final = 1_800
FEWEST_STARTS: Final = 30
"""In that time, for calls per start to be known."""


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

    def look(
        self,
        now: float,
        counts: Mapping[Begun, Mapping[int, int]],
        *,
        of: Collection[Begun],
        heard: Mapping[int, int],
    ) -> None:
        """`counts`: begin of a 10 s bucket (unix s) -> journeys begun in it, of the last `LOOK_BACK_SECONDS`, as they are known now. `of`: those that
        are asked for. `heard`: all that anybody sent, by the same buckets.
        """
        self._estimators = {name: self._estimators.get(name) or DemandEstimator() for name in of}
        self._now = {}
        for name, estimator in self._estimators.items():
            begun = counts.get(name, {})
            told = {t: heard.get(t, 0) + begun.get(t, 0) for t in heard.keys() | begun.keys()}
            demand = estimator.look(now, begun, heard=told)
            if demand is not None and demand.calls:
                self._now[name] = _least(demand)

    def fed(self, per_start: Mapping[Begun, float]) -> Demand | None:
        """The demand that starts now bring to a workload with so many calls per start; None: none of its journeys told any lately."""
        found = [(self._now[name], factor) for name, factor in per_start.items() if name in self._now]
        if not found:
            return None
        return Demand(
            rate=sum(demand.rate * factor for demand, factor in found),
            observed_at=max(demand.observed_at for demand, _ in found),
            calls=sum(demand.calls for demand, _ in found),
            seconds=max(demand.seconds for demand, _ in found),
            surge=any(demand.surge for demand, _ in found),
            settled=sum(
                (demand.rate if demand.settled is None else demand.settled) * factor for demand, factor in found
            ),
        )


def _least(demand: Demand) -> Demand:
    """A surge is told so already."""
    if demand.surge:
        return demand
    return replace(demand, rate=demand.rate * poisson.lower(demand.calls, LIKELY_Z) / demand.calls)
