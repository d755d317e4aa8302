"""maibo's own engine, called as the service calls it: its estimator of demand, its forecasts, its decisions, its fast lane, its burst pool's size.

It knows what the service would: demand and forecasts (`foreseen`), scale-ups that a recorder saw, pods as they are now. What it decides reaches ``/scale`` as it does in a cluster: pulled by the HPA at its sync, through the ScaledObject
that `maibo generate keda` makes, with the HPA's tolerance; or, upwards, by the fast lane at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from benchmarks.autoscaling import hpa, keda, proposals
from benchmarks.autoscaling.leads import ASSUMED, measured
from benchmarks.autoscaling.pools import Pool
from benchmarks.autoscaling.traces import DAY
from benchmarks.autoscaling.world import Act

from maibo_slo.documents.scaling_kinds import BurstPool, CapacitySpec, FastLaneSpec, ForecastSpec, ScalingTarget
from maibo_slo.engine.forecasting import Asked
from maibo_slo.engine.scaling.decide import Memory, decide
from maibo_slo.engine.scaling.inputs import Capacity, Inputs, Lead, Replicas
from maibo_slo.engine.scaling.learning import LEAD_EVERY
from maibo_slo.engine.scaling.loop import SETTLED_SECONDS
from maibo_slo.engine.scaling.signal import ScalingSignal
from maibo_slo.signals.behavior import CALM_SECONDS
from maibo_slo.signals.fast_lane.lane import Raised, Running, step
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from benchmarks.autoscaling.foreseen import Foreseen
    from benchmarks.autoscaling.world import Setting, World

    from maibo_slo.engine.scaling.inputs import Decision, Demand

LOOK_AGAIN_SECONDS: Final = 10
"""The service decides at every tick; here when demand is another, and so often, which comes to the same but for seconds on the way down."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Which of the engine's parts are on."""

    predictive: bool = False
    fast_lane: bool = False
    pool: bool = False
    pods_alone: bool = False
    """The pool is a number of pods, and not a percentage that the cluster's autoscaler keeps to."""
    image_ahead: bool = False
    """The pool's nodes pull the workload's image: a balloon of that image, or a DaemonSet that pulls."""


def target_of(setting: Setting, parts: Parts) -> ScalingTarget:
    """A ScalingTarget as one would write it: everything at the product's defaults, capacity as load tests found it."""
    capacity = setting.per_replica * setting.safe_load
    return ScalingTarget(
        name="replayed", display_name="", description="", workload=Workload("replay", "Deployment", "replayed"),
        services=("replayed",), journeys=(), slos=(), environments=(),
        capacity=CapacitySpec(fixed=capacity), least=setting.least, most=setting.most,
        forecast=ForecastSpec(enabled=parts.predictive),
        fast_lane=FastLaneSpec() if parts.fast_lane else None,
        burst_pool=BurstPool() if parts.pool else None,
    )  # fmt: skip


@dataclass(slots=True)
class Ours:
    foreseen: Foreseen
    target: ScalingTarget
    tolerance: proposals.Tolerance = proposals.DEFAULT
    image_ahead: bool = False
    pool: Pool | None = None
    lead: Lead = ASSUMED
    memory: Memory = field(default_factory=Memory)
    state: hpa.State = field(default_factory=hpa.State)
    signal: ScalingSignal | None = None
    decided_rate: float = -1.0
    raised: tuple[Raised, ...] = ()
    _held: int = 0

    def __post_init__(self) -> None:
        if self.pool is not None:
            self.pool.before(self._needed_at)

    def act(self, world: World) -> Act | None:
        setting, now = self.foreseen.setting, world.now
        if now % LEAD_EVERY == 0:
            self._measure(world)
        demand = self.foreseen.demands[now]
        if demand is None:
            return None
        if self.signal is None or demand.rate != self.decided_rate or now % LOOK_AGAIN_SECONDS == SETTLED_SECONDS:
            self.signal, self.decided_rate = self._decided(world, demand), demand.rate
        write = self._by_hpa(world, self.signal) if not (now + setting.seed) % keda.SYNC_SECONDS else None
        if write is None or write == world.wanted:
            write = self._by_fast_lane(world, self.signal)
        return Act(write, self.signal.desired_replicas, self._hold(world), self.image_ahead)

    def _hold(self, world: World) -> int | None:
        """None: what was held."""
        held = self._held
        self._held = 0 if self.pool is None else self.pool.at(world)
        return None if self._held == held else self._held

    def _measure(self, world: World) -> None:
        """As `Learner` does: what the recorder saw, from the engine's decision until as many pods served."""
        said = self.target.forecast.lead_seconds
        if self.pool is not None:
            self.pool.measure(world, said)
        if said is not None:
            self.lead = Lead(float(said), "said")
            return
        lasted = [(each.lasted, each.seconds is not None) for each in world.scale_ups]
        lasted += [(float(world.now - each.decided_at), False) for each in world.scaling_up]
        self.lead = measured(lasted) or self.lead

    def _decided(self, world: World, demand: Demand) -> ScalingSignal:
        at = self.foreseen.setting.begin + world.now
        asked = Asked(self.target, self.lead.seconds, self.lead.why)
        fixed = self.target.capacity.fixed or 0.0
        inputs = Inputs(
            now=at,
            demand=demand,
            capacity=Capacity(fixed, fixed, fixed, learned=False, why="fixed"),
            forecast=self.foreseen.forecast(world.now, asked) if self.target.forecast.enabled else None,
            replicas=Replicas(world.wanted, world.ready, at),
            lead=self.lead,
        )
        decision, self.memory = decide(self.target, inputs, self.memory)
        return _signal(self.target, inputs, demand, decision)

    def _by_hpa(self, world: World, signal: ScalingSignal) -> int:
        """As `maibo generate keda` sets it up: AverageValue 1, upwards in one step, downwards after a minute."""
        up = hpa.Rules((hpa.Policy("Pods", self.target.most, keda.SYNC_SECONDS),))
        down = hpa.Rules((hpa.Policy("Percent", 100, keda.SYNC_SECONDS),), window_seconds=CALM_SECONDS)
        spec = hpa.Spec(max(1, self.target.least), self.target.most, hpa.Behavior(up, down))
        found = proposals.by_external_average(world.wanted, [1000 * signal.desired_replicas], 1000, self.tolerance)
        return hpa.reconcile(spec, self.state, world.wanted, [found and found[0]], world.now)

    def _by_fast_lane(self, world: World, signal: ScalingSignal) -> int | None:
        """The HPA reads the same number, so nothing that is written is taken back."""
        lane = self.target.fast_lane
        if lane is None or signal.desired_replicas <= world.wanted:
            return None
        found = step(signal, lane, Running(world.wanted), raised=self.raised, now=world.now)
        if found.after is not None:
            added = Raised(world.now, found.after - world.wanted)
            self.raised = (*(each for each in self.raised if world.now - each.at < lane.every_seconds), added)
        return found.after

    def _needed_at(self, now: int) -> int:
        """Before the replay, nothing ran: what demand of that minute needs."""
        minutes = self.foreseen.history(now // 60)
        if not len(minutes) or math.isnan(minutes[-1]):
            return self.target.least
        planned = (self.target.capacity.fixed or 0.0) * self.target.capacity.utilisation
        return min(max(math.ceil(float(minutes[-1]) / planned), self.target.least), self.target.most)


def _signal(target: ScalingTarget, inputs: Inputs, demand: Demand, decision: Decision) -> ScalingSignal:
    return ScalingSignal(
        target=target.name, workload=target.workload,
        desired_replicas=decision.desired, lower=decision.lower, upper=decision.upper, least=target.least, most=target.most,
        reason=decision.reason, observed_at=demand.observed_at, decided_at=inputs.now, max_age_seconds=target.max_age_seconds,
        decision=decision, inputs=inputs,
    )  # fmt: skip


CHANGEABLE: Final = (
    "utilisation",
    "dead_band",
    "scale_down_seconds",
    "quantile",
    "lead_seconds",
    "pool_quantile",
    "pool_seconds",
    "pool_percentage",
    "pool_pods",
    "lane_every_seconds",
    "lane_most",
    "tolerance",
)


def with_target(foreseen: Foreseen, parts: Parts, changes: Mapping[str, float]) -> Ours:
    """`changes`: of the target, by name, of the HPA's ``tolerance``, of the pool; see `CHANGEABLE`."""
    target = target_of(foreseen.setting, parts)
    lead = changes.get("lead_seconds")
    target = replace(
        target,
        capacity=replace(target.capacity, utilisation=changes.get("utilisation", target.capacity.utilisation)),
        forecast=replace(
            target.forecast,
            quantile=changes.get("quantile", target.forecast.quantile),
            lead_seconds=None if lead is None else int(lead),
        ),
        dead_band=changes.get("dead_band", target.dead_band),
        scale_down_seconds=int(changes.get("scale_down_seconds", target.scale_down_seconds)),
    )
    if target.burst_pool is not None and "pool_quantile" in changes:
        target = replace(target, burst_pool=replace(target.burst_pool, quantile=changes["pool_quantile"]))
    if target.fast_lane is not None:
        lane = replace(
            target.fast_lane,
            every_seconds=int(changes.get("lane_every_seconds", target.fast_lane.every_seconds)),
            most=int(changes.get("lane_most", target.fast_lane.most)),
        )
        target = replace(target, fast_lane=lane)
    asked = changes.get("tolerance")
    tolerance = proposals.DEFAULT if asked is None else proposals.Tolerance(asked, asked)
    return Ours(foreseen, target, tolerance, parts.image_ahead, _pool(foreseen, target, parts, changes))


def _pool(foreseen: Foreseen, target: ScalingTarget, parts: Parts, changes: Mapping[str, float]) -> Pool | None:
    spec = target.burst_pool
    if spec is None:
        return None
    pods = changes.get("pool_pods")
    follows = not parts.pods_alone and pods is None
    fixed = changes.get("pool_percentage") if follows else pods
    return Pool(
        spec,
        target.most,
        int(foreseen.setting.begin),
        foreseen.growth,
        follows=follows,
        every_seconds=int(changes.get("pool_seconds", DAY)),
        fixed=None if fixed is None else int(fixed),
    )
