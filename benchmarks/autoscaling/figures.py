"""What a strategy's replays of one trace come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.autoscaling.replay import WARM_UP_SECONDS
from benchmarks.autoscaling.startup import COLD_SECONDS

from maibo_slo.engine.lifetimes import quantiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.autoscaling.replay import Outcome
    from benchmarks.autoscaling.world import ScaleUp

HOUR = 3_600
LEVELS = (0.5, 0.9, 0.99)
ROOM_LEVEL = 0.9


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
    room: float
    """Pods that nine in ten scale-ups, each with those of the `COLD_SECONDS` before it, asked for at the most: what must be free for them to be warm."""
    room_share: float
    """Of the pod-hours, if so much were always free."""

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
    pods = sum(float(each.pods.sum()) for each in outcomes)
    asked = [_asked(each, outcome) for outcome in outcomes for each in outcome.scale_ups]
    room = float(np.quantile(asked, ROOM_LEVEL, method="higher")) if asked else 0.0
    return Figures(
        calls=sum(float(each.calls.sum()) for each in outcomes),
        missed=sum(float(each.missed.sum()) for each in outcomes),
        lost=sum(float(each.lost.sum()) for each in outcomes),
        unserved=sum(float(each.unserved.sum()) for each in outcomes),
        utilisation=busy / ready if ready else 0.0,
        pod_hours=pods / HOUR,
        pool_hours=sum(float(each.pool.sum()) for each in outcomes) / HOUR,
        node_hours=sum(float(each.slots.sum()) for each in outcomes) / HOUR,
        changes=sum(each.changes for each in outcomes),
        scale_ups=len(ups),
        scale_up_seconds=_latencies([each.lasted for each in ups], [each.seconds is not None for each in ups]),
        room=room,
        room_share=room * sum(len(each.pods) for each in outcomes) / pods,
    )


def _asked(scale_up: ScaleUp, outcome: Outcome) -> float:
    """Beyond the fewest replicas of the `COLD_SECONDS` before: room that was taken since then is not there again."""
    at = int(scale_up.decided_at) - WARM_UP_SECONDS
    before = outcome.wanted[max(0, at - COLD_SECONDS) : max(1, at)]
    return max(0.0, scale_up.to - float(before.min()))


def _latencies(lasted: list[float], done: list[bool]) -> tuple[float | None, float | None, float | None]:
    if not lasted:
        return None, None, None
    p50, p90, p99 = quantiles(lasted, done, LEVELS)
    return p50, p90, p99
