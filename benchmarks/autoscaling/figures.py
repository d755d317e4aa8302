"""What a strategy's replays of one trace come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.engine.lifetimes import quantiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.autoscaling.replay import Outcome

HOUR = 3_600
LEVELS = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Figures:
    calls: float
    missed: float
    """Over the SLO's threshold, lost ones among them."""
    lost: float
    unserved: float
    """Calls that came while the ready replicas could not serve as many; most are served later."""
    utilisation: float
    """Of what was ready."""
    pod_hours: float
    pool_hours: float
    """Of room that a burst pool held free."""
    node_hours: float
    """In pods' places: what nodes cost, full or not."""
    changes: int
    scale_ups: int
    scale_up_seconds: tuple[float | None, float | None, float | None]
    """P50, P90, P99 from decision until serving, Kaplan-Meier, since some were superseded. None: too few came to their end."""

    @property
    def missed_share(self) -> float:
        return self.missed / self.calls

    @property
    def lost_share(self) -> float:
        return self.lost / self.calls

    @property
    def unserved_share(self) -> float:
        return self.unserved / self.calls

    @property
    def paid_hours(self) -> float:
        """Pods, and the room kept for them."""
        return self.pod_hours + self.pool_hours


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """Of all windows of a trace together."""
    ups = [each for outcome in outcomes for each in outcome.scale_ups]
    busy = sum(float(outcome.busy.sum()) for outcome in outcomes)
    ready = sum(float(outcome.ready.sum()) for outcome in outcomes)
    return Figures(
        calls=sum(float(each.calls.sum()) for each in outcomes),
        missed=sum(float(each.missed.sum()) for each in outcomes),
        lost=sum(float(each.lost.sum()) for each in outcomes),
        unserved=sum(float(each.unserved.sum()) for each in outcomes),
        utilisation=busy / ready if ready else 0.0,
        pod_hours=sum(float(each.pods.sum()) for each in outcomes) / HOUR,
        pool_hours=sum(float(each.pool.sum()) for each in outcomes) / HOUR,
        node_hours=sum(float(each.slots.sum()) for each in outcomes) / HOUR,
        changes=sum(each.changes for each in outcomes),
        scale_ups=len(ups),
        scale_up_seconds=_latencies([each.lasted for each in ups], [each.seconds is not None for each in ups]),
    )


def _latencies(lasted: list[float], done: list[bool]) -> tuple[float | None, float | None, float | None]:
    if not lasted:
        return None, None, None
    p50, p90, p99 = quantiles(lasted, done, LEVELS)
    return p50, p90, p99
