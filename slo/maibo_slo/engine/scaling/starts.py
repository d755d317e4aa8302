"""Feed-forward: starts of journeys tell every workload on their path what is coming, in the same look, instead of hop by hop.

Calls per start are measured: the calls that a workload got for a journey in the last half an hour, by the journeys that began in it. Where nobody
tells that journeys begin, nothing is fed forward, and demand is what is counted where it comes.

Starts are counted by the minute, but a minute that is over tells nothing of now. So it is what the running minute grew by, from look to look, that is
told, and taken for the least that it may be: where starts are steady, counted calls know better, and when a crowd is gone, its starts are gone before
its calls. Nobody knows before looks have gone on for `LONGEST_SECONDS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_slo.engine.scaling import poisson
from maibo_slo.engine.scaling.arrivals import Arrivals
from maibo_slo.engine.scaling.demand import LIKELY_Z, SURE_Z
from maibo_slo.engine.scaling.inputs import Demand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.engine.scaling.arrivals import Span
    from maibo_slo.store.demand import Calls, CallsKey

Begun = tuple[str, str]
"""Environment and journey."""
MEASURED_SECONDS: Final = 1_800
FEWEST_STARTS: Final = 30
"""In that time, for calls per start to be known."""
LONGEST_SECONDS: Final = 30.0
SURGE_SPANS: Final = (6.0, 12.0)
"""Starts are counted by the minute, whose counts are behind those of 10 s by some seconds and come in larger steps."""
STEP_SECONDS: Final = 5.0
"""Such a step, where too few come to measure it."""
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
        self._arrivals: dict[Begun, Arrivals] = {}
        self._told_at: dict[Begun, float] = {}
        self._now: dict[Begun, Demand] = {}

    def look(self, now: float, counts: Mapping[Begun, Mapping[int, int]]) -> None:
        """`counts`: minute (unix s) -> journeys begun in it, of the last minutes, as they are known now."""
        self._told_at |= dict.fromkeys(counts, now)
        self._told_at = {name: at for name, at in self._told_at.items() if abs(now - at) <= MEASURED_SECONDS}
        self._arrivals = {name: self._arrivals.get(name) or Arrivals(_MINUTE, STEP_SECONDS) for name in self._told_at}
        self._now = {}
        for name, arrivals in self._arrivals.items():
            arrivals.take(now, counts.get(name, {}))
            demand = _lately(arrivals)
            if demand is not None:
                self._now[name] = demand

    def fed(self, per_start: Mapping[Begun, float]) -> Demand | None:
        """The demand that starts now bring to a workload with so many calls per start; None: none of its journeys told any lately."""
        known = ((self._now.get(name), factor) for name, factor in per_start.items())
        found = [(demand, factor) for demand, factor in known if demand is not None]
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


def _lately(arrivals: Arrivals) -> Demand | None:
    """By the longest span, or by a shorter one where they are surely more. None: not known, or none came."""
    longest = arrivals.span(LONGEST_SECONDS, 0.0)
    if longest is None or not longest.calls or arrivals.came_at is None:
        return None
    rate = longest.calls / longest.seconds
    longest = arrivals.span(LONGEST_SECONDS, rate) or longest
    settled = _least(longest, LIKELY_Z)
    known = Demand(settled, arrivals.came_at, longest.calls, longest.seconds)
    spans = [span for span in (arrivals.span(seconds, rate) for seconds in SURGE_SPANS) if span is not None]
    if not spans or any(_least(span, SURE_Z) <= rate for span in spans):
        return known
    best = max(spans, key=lambda span: _least(span, LIKELY_Z))
    return Demand(_least(best, LIKELY_Z), arrivals.came_at, best.calls, best.seconds, surge=True, settled=settled)


def _least(span: Span, z: float) -> float:
    """A second."""
    return poisson.lower(span.calls, z) / (span.seconds + span.timing)
