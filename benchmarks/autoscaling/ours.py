"""maibo's own engine, called as the service calls it: its estimator of demand, its forecasts, its decisions, its burst pool's size.

It knows what the service would: counts of 10 s buckets that arrived `FRESHNESS_SECONDS` ago at the latest, minutes that are over, pods as they are now.
What it decides reaches ``/scale`` as it does in a cluster: pulled by the HPA at its sync, through the ScaledObject that `maibo generate keda` makes, with
the HPA's tolerance; or, upwards, by the fast lane at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from benchmarks.autoscaling import hpa, keda, proposals
from benchmarks.autoscaling.world import Act, Setting, World

from maibo_slo.documents.scaling_kinds import BurstPool, CapacitySpec, FastLaneSpec, ForecastSpec, ScalingTarget
from maibo_slo.engine.forecasting.forecast import LEVELS, forecast, gate_of
from maibo_slo.engine.scaling.decide import Memory, decide
from maibo_slo.engine.scaling.demand import BUCKET_SECONDS, LOOK_BACK_SECONDS, DemandEstimator
from maibo_slo.engine.scaling.inputs import Capacity, Demand, Forecast, Inputs, Replicas
from maibo_slo.engine.scaling.pool import growth, pool_size
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from maibo_slo.engine.forecasting.gate import Gate

FRESHNESS_SECONDS: Final = 2
"""From a call's end until it is counted: the SDK's batch of a second and the collector's half, in whole seconds."""
COLD_SECONDS: Final = 135
"""Lead time where a node may have to come: P90 of the start-up model."""
WARM_SECONDS: Final = 20
"""Lead time with a pool: the HPA's sync and a start on a warm node."""
GATE_SECONDS: Final = 3 * 3_600
HISTORY_MINUTES: Final = 15 * 1_440
POOL_SECONDS: Final = 300
"""The pool's size is looked at so often."""
DOWN_WINDOW_SECONDS: Final = 60
LOOK_AGAIN_SECONDS: Final = 5
"""The service decides at every tick; here only when demand is another, and so often, which comes to the same but for seconds on the way down."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Which of the engine's parts are on."""

    predictive: bool = False
    fast_lane: bool = False
    pool: bool = False
    image_ahead: bool = False
    """The pool's nodes pull the workload's image: a balloon of that image, or a DaemonSet that pulls."""


def target_of(setting: Setting, parts: Parts) -> ScalingTarget:
    """A ScalingTarget as one would write it: everything at the product's defaults, capacity as load tests found it."""
    capacity = setting.per_replica * setting.safe_load
    return ScalingTarget(
        name="replayed", display_name="", description="", workload=Workload("replay", "Deployment", "replayed"),
        services=("replayed",), journeys=(), slos=(), environments=(),
        capacity=CapacitySpec(fixed=capacity), least=setting.least, most=setting.most,
        forecast=ForecastSpec(enabled=parts.predictive, lead_seconds=WARM_SECONDS if parts.pool else COLD_SECONDS),
        fast_lane=FastLaneSpec() if parts.fast_lane else None,
        burst_pool=BurstPool() if parts.pool else None,
    )  # fmt: skip


class Foreseen:
    """What is known before each second of a replay; the same for all that ask, so made once: demand looked at, minutes, forecasts."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.demands = _demands(setting)
        self._minutes = _minutes(setting)
        self._gates: dict[tuple[int, int], Gate] = {}
        self._forecasts: dict[tuple[int, int], Forecast] = {}

    def history(self, minute: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Calls a second by the minute, up to the begin of this minute of the replay."""
        end = len(self._minutes) - self.setting.seconds // 60 + minute
        return self._minutes[max(0, end - HISTORY_MINUTES) : end]

    def forecast(self, now: int, lead_seconds: int) -> Forecast:
        """Made at the begin of the minute; models are chosen anew every few hours."""
        minute = (now - FRESHNESS_SECONDS) // 60
        found = self._forecasts.get((minute, lead_seconds))
        if found is None:
            found = self._forecasts[minute, lead_seconds] = forecast(
                self.history(minute),
                now=self.setting.begin + 60 * minute,
                lead_seconds=lead_seconds,
                gate=self._gate(minute * 60, lead_seconds),
            )
        return found

    def _gate(self, now: int, lead_seconds: int) -> Gate:
        which = (now // GATE_SECONDS, lead_seconds)
        if which not in self._gates:
            at = now // GATE_SECONDS * GATE_SECONDS // 60
            self._gates[which] = gate_of(
                self.history(at), now=self.setting.begin + 60 * at, lead_seconds=lead_seconds, levels=LEVELS
            )
        return self._gates[which]


def _demands(setting: Setting) -> list[Demand | None]:
    """Looked at once a second."""
    estimator = DemandEstimator()
    calls = setting.calls.tolist()
    counts: dict[int, int] = {}
    found: list[Demand | None] = []
    begin = int(setting.begin)
    for now in range(setting.seconds):
        arrived = now - FRESHNESS_SECONDS - 1
        if arrived >= 0:
            bucket = (begin + arrived) // BUCKET_SECONDS * BUCKET_SECONDS
            counts[bucket] = counts.get(bucket, 0) + calls[arrived]
            counts.pop(bucket - LOOK_BACK_SECONDS, None)
        found.append(estimator.look(begin + now, counts))
    return found


def _minutes(setting: Setting) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Of the trace before the replay, then what the replay itself counted. NaN where nothing was recorded."""
    trace = setting.trace
    before = trace.by_minute(setting.begin, HISTORY_MINUTES)
    ends = setting.begin - 60 * np.arange(len(before) - 1, -1, -1)
    places = ((ends - 30 - trace.begin) // trace.step_seconds).astype(int)
    before = np.where(trace.known[places], before, np.nan)
    counted = setting.calls[: setting.seconds // 60 * 60].reshape(-1, 60).mean(axis=1)
    return np.concatenate((before, counted))


@dataclass(slots=True)
class Ours:
    foreseen: Foreseen
    target: ScalingTarget
    tolerance: proposals.Tolerance = proposals.DEFAULT
    image_ahead: bool = False
    memory: Memory = field(default_factory=Memory)
    state: hpa.State = field(default_factory=hpa.State)
    desired: int | None = None
    decided_rate: float = -1.0
    written_at: float = -1e9
    pool: int | None = None

    def act(self, world: World) -> Act | None:
        setting, now = self.foreseen.setting, world.now
        demand = self.foreseen.demands[now]
        if demand is None:
            return None
        if demand.rate != self.decided_rate or now % LOOK_AGAIN_SECONDS == 0:
            self.desired, self.decided_rate = self._decided(world, demand), demand.rate
        write = self._by_hpa(world) if not (now + setting.seed) % keda.SYNC_SECONDS else None
        if write is None:
            write = self._by_fast_lane(world)
        pool = None
        if self.target.burst_pool is not None and (self.pool is None or now % POOL_SECONDS == 0):
            pool = self.pool = self._pool(world)
        return Act(write, self.desired, pool, self.image_ahead)

    def _decided(self, world: World, demand: Demand) -> int:
        at = self.foreseen.setting.begin + world.now
        spec = self.target.forecast
        foretold = self.foreseen.forecast(world.now, spec.lead_seconds or COLD_SECONDS) if spec.enabled else None
        fixed = self.target.capacity.fixed or 0.0
        inputs = Inputs(
            now=at,
            demand=demand,
            capacity=Capacity(fixed, fixed, fixed, learned=False, why="fixed"),
            forecast=foretold,
            replicas=Replicas(world.wanted, world.ready, at),
        )
        decision, self.memory = decide(self.target, inputs, self.memory)
        return decision.desired

    def _by_hpa(self, world: World) -> int:
        """As `maibo generate keda` sets it up: AverageValue 1, upwards in one step, downwards after a minute."""
        up = hpa.Rules((hpa.Policy("Pods", self.target.most, keda.SYNC_SECONDS),))
        down = hpa.Rules((hpa.Policy("Percent", 100, keda.SYNC_SECONDS),), window_seconds=DOWN_WINDOW_SECONDS)
        spec = hpa.Spec(max(1, self.target.least), self.target.most, hpa.Behavior(up, down))
        found = proposals.by_external_average(world.wanted, [1000 * (self.desired or 0)], 1000, self.tolerance)
        return hpa.reconcile(spec, self.state, world.wanted, [found and found[0]], world.now)

    def _by_fast_lane(self, world: World) -> int | None:
        lane = self.target.fast_lane
        if lane is None or self.desired is None or self.desired < world.wanted + lane.step:
            return None
        if world.now - self.written_at < lane.every_seconds:
            return None
        self.written_at = world.now
        return min(self.desired, world.wanted + lane.most)

    def _pool(self, world: World) -> int:
        """By how much demand grew within a cold start, when it was busy."""
        spec = self.target.burst_pool
        assert spec is not None
        history = self.foreseen.history(world.now // 60)
        return pool_size(world.wanted, growth(history, COLD_SECONDS, spec.quantile), spec.most)


CHANGEABLE: Final = (
    "utilisation",
    "dead_band",
    "scale_down_seconds",
    "quantile",
    "pool_quantile",
    "lane_every_seconds",
    "lane_most",
    "tolerance",
)


def with_target(foreseen: Foreseen, parts: Parts, changes: Mapping[str, float]) -> Ours:
    """`changes`: of the target, by name, and of the HPA's ``tolerance``; see `CHANGEABLE`."""
    target = target_of(foreseen.setting, parts)
    target = replace(
        target,
        capacity=replace(target.capacity, utilisation=changes.get("utilisation", target.capacity.utilisation)),
        forecast=replace(target.forecast, quantile=changes.get("quantile", target.forecast.quantile)),
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
    return Ours(foreseen, target, tolerance, parts.image_ahead)
