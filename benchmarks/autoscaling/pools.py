"""The burst pool, as somebody makes it of what ``/v1/burst-pools`` tells, once a day at noon by the trace's clock.

Either a percentage, which the cluster's autoscaler keeps to as replicas come and go (a CapacityBuffer), or a number of pods (a balloon), which stays until the next
noon.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from benchmarks.autoscaling.leads import ASSUMED, measured
from benchmarks.autoscaling.traces import DAY

from maibo_slo.documents.scaling_kinds import BurstPool
from maibo_slo.engine.scaling.inputs import Lead
from maibo_slo.engine.scaling.learning import ASSUMED_LEAD_SECONDS
from maibo_slo.engine.scaling.pool import pool_percentage, pool_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.autoscaling.world import World

APPLIED_AT: Final = DAY // 2
FOLLOWS_SECONDS: Final = 30
"""So often Karpenter counts a CapacityBuffer's pods anew; Cluster Autoscaler does more often."""


@dataclass(slots=True)
class Pool:
    """Of one replay."""

    spec: BurstPool
    most: int
    """Replicas, of the target."""
    begin: int
    """Of the replay, unix s."""
    growth: Callable[[int, float, float], float | None]
    """Of the history up to a minute of the replay, over so many seconds, at a level; None where it is refused."""
    follows: bool = True
    """A percentage."""
    every_seconds: int = DAY
    """So often what is told is applied."""
    fixed: int | None = None
    """Whatever is told: the percentage, or the pods."""
    refill: Lead = ASSUMED
    percentage: int = field(init=False, default=0)
    pods: int = field(init=False, default=0)
    """Slots to be kept free."""

    def before(self, needed: Callable[[int], int]) -> None:
        """What was applied last before the replay. `needed`: replicas, by the second."""
        if self.fixed is not None:
            self.percentage, self.pods = (self.fixed, 0) if self.follows else (0, self.fixed)
        since = self._since_applied(0)
        if since:
            self._apply(-since, needed(-since))
        self._follow(needed(0))

    def at(self, world: World) -> int:
        """Slots to be kept free now."""
        if self._since_applied(world.now) == 0:
            self._apply(world.now, world.ready)
        if world.now % FOLLOWS_SECONDS == 0:
            self._follow(world.ready)
        return self.pods

    def measure(self, world: World, said_seconds: int | None) -> None:
        """As `Learner.refill` does: of the scale-ups that waited for a node."""
        if said_seconds is not None:
            self.refill = Lead(float(said_seconds), "said")
            return
        lasted = [(each.lasted, each.seconds is not None) for each in world.scale_ups if each.cold]
        lasted += [(float(world.now - each.decided_at), False) for each in world.scaling_up if each.cold]
        found = measured(lasted, "scale-ups that waited for a node")
        if found is not None:
            self.refill = Lead(max(found.seconds, ASSUMED_LEAD_SECONDS), found.why)

    def _since_applied(self, now: int) -> int:
        return (self.begin + now - APPLIED_AT) % self.every_seconds

    def _apply(self, now: int, ready: int) -> None:
        """Where nothing is told, what was held stays."""
        if self.fixed is not None:
            return
        grown = self.growth(now // 60, self.refill.seconds, self.spec.quantile)
        if grown is None:
            return
        self.percentage = pool_percentage(grown)
        if not self.follows:
            room = self.most - ready
            self.pods = pool_size(ready, grown, room if self.spec.most is None else min(room, self.spec.most))

    def _follow(self, ready: int) -> None:
        """Karpenter's rounding: up, and one at least."""
        if self.follows:
            self.pods = math.ceil(ready * self.percentage / 100)
