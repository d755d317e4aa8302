"""The lane at work: looks at each new decision, and writes.

A decision is acted upon when it is made, not when somebody asks: 0.25 s to ready pods where the HPA's own look takes up to 15. Every write is told
to the log and to the table ``events`` (kind ``scale_write``, see audit.py), with its reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter

from maibo_slo.engine.scaling.signal import NoSignal, ScalingSignal, Signals
from maibo_slo.errors import StoreError
from maibo_slo.kubernetes import AUTO, WORKLOADS, Cluster, KubernetesError, KubernetesRefused
from maibo_slo.plugins import OFF
from maibo_slo.signals.fast_lane.audit import Audit
from maibo_slo.signals.fast_lane.lane import Held, Raised, Running, step
from maibo_slo.store.events import Event
from maibo_slo.store.writes import KIND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prometheus_client import CollectorRegistry

    from maibo_slo.documents import Catalogue
    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.plugins import Context

PART: Final = "fast-lane"
FACE: Final = "fast_lane"
LOOK_SECONDS: Final = 0.1
AGAIN_SECONDS: Final = 1.0
"""After a look that led to nothing, though more replicas are wished for: somebody else may write, or a rollout end."""
ASK_SECONDS: Final = 3.0
RECORD_SECONDS: Final = 1.0
FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 60.0
CONFLICT: Final = 409
log = logging.getLogger(__name__)


async def run(context: Context) -> None:
    """Until `Context.stopping`."""
    cluster_option = context.options.get("kubernetes", AUTO)
    cluster = Cluster(
        AUTO if cluster_option in OFF else cluster_option,
        context=context.options.get("kubernetes-context", ""),
    )
    audit = Audit(context.store, context.data_dir)
    lane = Lane(
        cluster,
        audit,
        context.catalogue,
        served=context.served,
        report=lambda problem: context.report(PART, None) if problem is None else context.warn(PART, problem),
        registry=context.registry,
        recalled=await asyncio.to_thread(audit.recall),
    )
    context.report(PART, None)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_record(context, audit))
            while not context.stopping.is_set():
                await asyncio.to_thread(lane.look, context.signals)
                await asyncio.sleep(LOOK_SECONDS)
    finally:
        lane.close()


async def _record(context: Context, audit: Audit) -> None:
    """Beside the lane: a store that hangs must not hold it up."""
    failing = False
    while True:
        last = context.stopping.is_set()
        try:
            await asyncio.to_thread(audit.record)
        except StoreError as error:
            if not failing or last:
                log.warning("writes of the fast lane are not recorded yet: %s", error)
            failing = True
        else:
            failing = False
        if last:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(context.stopping.wait(), RECORD_SECONDS)


@dataclass(slots=True)
class _Lane:
    """What is remembered of one target. Times by the lane's clock."""

    held: Held = field(default_factory=Held)
    raised: tuple[Raised, ...] = ()
    """By the writes of the last `FastLaneSpec.every_seconds`, older ones until the next."""
    due: float = 0.0
    idle: bool = False
    """It waits for `due` since there was nothing to do: for `desired` or fewer."""
    desired: int = 0
    failures: int = 0
    problem: str = ""

    def wait(self, seconds: float, now: float, *, idle: bool = False) -> None:
        self.due, self.idle = now + seconds, idle


@dataclass(slots=True)
class Lane:
    """All targets' lanes. Blocks: belongs to one thread at a time."""

    cluster: Cluster
    audit: Audit
    catalogue: Callable[[], Catalogue]
    served: Callable[[str, str, int, str], None]
    report: Callable[[str | None], None]
    registry: CollectorRegistry | None = None
    recalled: Mapping[str, Sequence[Raised]] = field(default_factory=dict)
    """What an earlier run wrote, by workload, unix s: so that restarts do not add more than is allowed."""
    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    """For how long to wait: nobody sets it."""
    _lanes: dict[tuple[str, str], _Lane] = field(default_factory=dict)
    _writes: Counter | None = None

    def __post_init__(self) -> None:
        self._writes = Counter(
            "maibo_scaling_fast_lane_writes",
            "Writes of /scale by the fast lane, by what came of them.",
            ("namespace", "target", "result"),
            registry=self.registry,
        )

    def close(self) -> None:
        """Gives the connection up, and the metrics."""
        self.cluster.close()
        if self.registry is not None and self._writes is not None:
            self.registry.unregister(self._writes)

    def look(self, signals: Callable[[], Signals | None]) -> None:
        """Act upon the newest signals, where they are fit to be. They are asked for anew before each write: a cluster that is slow makes none old."""
        targets = self.catalogue().scaling_targets
        allowed = {(each.workload.namespace, each.name): each for each in targets.values() if each.fast_lane}
        for gone in self._lanes.keys() - allowed.keys():
            del self._lanes[gone]
        for key, target in sorted(allowed.items()):
            if key not in self._lanes:
                self._lanes[key] = self._begun(target)

            def newest(key: tuple[str, str] = key) -> ScalingSignal:
                return (signals() or Signals(None, {})).get(*key, now=self.now())

            # Stale, refused, not decided: every face says so; nothing is done upon it.
            with contextlib.suppress(NoSignal):
                self._look(target, newest, self._lanes[key])
        self.report("; ".join(lane.problem for lane in self._lanes.values() if lane.problem) or None)

    def _begun(self, target: ScalingTarget) -> _Lane:
        now, clock = self.now(), self.clock()
        there = self.recalled.get(str(target.workload), ())
        return _Lane(raised=tuple(Raised(clock - max(0.0, now - each.at), each.added) for each in there))

    def _look(self, target: ScalingTarget, newest: Callable[[], ScalingSignal], lane: _Lane) -> None:
        """Raises NoSignal."""
        signal, now = newest(), self.clock()
        lane.held.wished(signal.desired_replicas)
        if now < lane.due and not (lane.idle and signal.desired_replicas > lane.desired):
            return
        replicas = signal.inputs.replicas
        if (
            replicas is not None
            and replicas.wanted >= signal.desired_replicas
            and self.now() - replicas.observed_at < ASK_SECONDS
        ):
            return  # the recorder has just seen that there are enough: the cluster is not asked ten times a second
        try:
            self._try(target, newest, lane, now)
        except (KubernetesError, ValueError) as error:
            if isinstance(error, KubernetesRefused) and error.status == CONFLICT:
                return  # somebody changed it since it was looked at: the next look sees to what
            self._failed(target, lane, str(error), now)

    def _try(self, target: ScalingTarget, newest: Callable[[], ScalingSignal], lane: _Lane, now: float) -> None:
        """Raises NoSignal, KubernetesError, ValueError."""
        assert target.fast_lane is not None
        resource = WORKLOADS.get(target.workload.kind)
        if resource is None:
            raise ValueError(f"the fast lane knows {', '.join(WORKLOADS)} alone")
        namespace, name = target.workload.namespace, target.workload.name
        running = Running.of(self.cluster.get(resource, name, namespace=namespace, timeout_seconds=ASK_SECONDS))
        signal = newest()
        lane.held.wished(signal.desired_replicas)
        lane.desired = signal.desired_replicas
        if pause := lane.held.pause(running.replicas, now):
            lane.wait(pause, now)
            lane.problem = (
                f"{target.workload}: what was written was taken back to {running.replicas} replicas, though {signal.desired_replicas} are wished for; by an HPA "
                f"with a lower maxReplicas or with another metric, or by hand? The next write is in {pause:.0f} s at the earliest"
            )
            log.warning("fast lane: %s", lane.problem)
            return
        # Whatever a person allows for a while, the document says what maibo itself may write.
        signal = replace(signal, most=min(signal.most, target.most))
        wanted = step(signal, target.fast_lane, running, raised=lane.raised, now=now)
        if wanted.after is None:
            lane.failures, lane.problem = 0, ""
            lane.wait(AGAIN_SECONDS, now, idle=True)
            return
        # Of this version alone: whoever has scaled it higher since is not taken back.
        body = {"metadata": {"resourceVersion": running.version}, "spec": {"replicas": wanted.after}}
        self.cluster.patch(resource, name, body, namespace=namespace, subresource="scale", timeout_seconds=ASK_SECONDS)
        lane.failures, lane.problem = 0, ""
        since = now - target.fast_lane.every_seconds
        added = Raised(self.clock(), wanted.after - running.replicas)
        lane.raised = (*(each for each in lane.raised if each.at > since), added)
        lane.held.wrote(wanted.after, now)
        lane.wait(AGAIN_SECONDS, now)
        log.info(
            "fast lane: %s from %d to %d replicas: %s", target.workload, running.replicas, wanted.after, wanted.why
        )
        self.audit.add(_event(target, signal, running.replicas, wanted.after, self.now()))
        self.served(namespace, target.name, wanted.after, FACE)
        self._count(target, "written")

    def _failed(self, target: ScalingTarget, lane: _Lane, why: str, now: float) -> None:
        lane.failures += 1
        lane.wait(min(FIRST_PAUSE_SECONDS * 2 ** min(lane.failures - 1, 10), LONGEST_PAUSE_SECONDS), now)
        lane.problem = f"{target.workload}: {why}"
        self._count(target, "failed")
        log.warning("fast lane: %s was not written: %s", target.workload, why)

    def _count(self, target: ScalingTarget, result: str) -> None:
        assert self._writes is not None
        self._writes.labels(target.workload.namespace, target.name, result).inc()


def _event(target: ScalingTarget, signal: ScalingSignal, before: int, after: int, now: float) -> Event:
    detail = {
        "target": target.name,
        "before": before,
        "after": after,
        "desired": signal.desired_replicas,
        "reason": signal.reason,
        "observed_at": signal.observed_at,
        "decided_at": signal.decided_at,
    }
    return Event(f"{target.workload}@{round(now * 1000)}", KIND, str(target.workload), now, now, detail)
