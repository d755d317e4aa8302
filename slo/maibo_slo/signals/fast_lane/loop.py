"""The lane at work: looks at each new decision, and writes.

A decision is acted upon when it is made, not when somebody asks: 0.25 s to ready pods where the HPA's own look takes up to 15. Every write is told
to the log and to the table ``events`` (kind ``scale_write``), with its reason; while the store cannot be written, that waits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter

from maibo_slo.engine.scaling.signal import NoSignal, ScalingSignal, Signals
from maibo_slo.errors import StoreError
from maibo_slo.kubernetes import AUTO, WORKLOADS, Cluster, KubernetesError
from maibo_slo.signals.fast_lane.lane import Running, step
from maibo_slo.store import events
from maibo_slo.store.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from maibo_slo.documents import Catalogue
    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.plugins import Context
    from maibo_slo.store import Store

PART: Final = "fast-lane"
FACE: Final = "fast_lane"
KIND: Final = "scale_write"
LOOK_SECONDS: Final = 0.1
AGAIN_SECONDS: Final = 1.0
"""After a look that led to nothing, though more replicas are wished for: somebody else may write, or a rollout end."""
ASK_SECONDS: Final = 3.0
FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 60.0
MOST_UNRECORDED: Final = 1000
log = logging.getLogger(__name__)


async def run(context: Context) -> None:
    """Until `Context.stopping`."""
    cluster_option = context.options.get("kubernetes", AUTO)
    cluster = Cluster(
        AUTO if cluster_option in {"", "off"} else cluster_option,
        context=context.options.get("kubernetes-context", ""),
    )
    lane = Lane(
        cluster,
        context.store,
        context.catalogue,
        served=context.served,
        report=lambda problem: context.report(PART, None) if problem is None else context.warn(PART, problem),
        registry=context.registry,
    )
    context.report(PART, None)
    try:
        while not context.stopping.is_set():
            await asyncio.to_thread(lane.look, context.signals())
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await asyncio.to_thread(lane.record)
        lane.close()


@dataclass(slots=True)
class _Lane:
    """What is remembered of one target."""

    last_write: float | None = None
    due: float = 0.0
    failures: int = 0
    problem: str = ""


@dataclass(slots=True)
class Lane:
    """All targets' lanes. Blocks: belongs to one thread at a time."""

    cluster: Cluster
    store: Store
    catalogue: Callable[[], Catalogue]
    served: Callable[[str, str, int, str], None]
    report: Callable[[str | None], None]
    registry: CollectorRegistry | None = None
    now: Callable[[], float] = time.time
    _lanes: dict[tuple[str, str], _Lane] = field(default_factory=dict)
    _unrecorded: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST_UNRECORDED))
    _record_at: float = 0.0
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

    def look(self, signals: Signals | None) -> None:
        """Act upon these signals, where they are fit to be."""
        now = self.now()
        targets = self.catalogue().scaling_targets
        allowed = {(each.workload.namespace, each.name): each for each in targets.values() if each.fast_lane}
        for gone in self._lanes.keys() - allowed.keys():
            del self._lanes[gone]
        for key, target in sorted(allowed.items()):
            lane = self._lanes.setdefault(key, _Lane())
            if now < lane.due:
                continue
            try:
                signal = (signals or Signals(None, {})).get(*key, now=now)
            except NoSignal:  # every face says so; nothing is done upon it
                continue
            self._try(target, signal, lane, now)
        self.report("; ".join(lane.problem for lane in self._lanes.values() if lane.problem) or None)
        if self._unrecorded and now >= self._record_at:
            self.record()

    def record(self) -> None:
        """Put what was written into the store; what cannot be, waits."""
        try:
            events.append(self.store, list(self._unrecorded))
        except StoreError as error:
            log.warning("%d writes of the fast lane are not recorded yet: %s", len(self._unrecorded), error)
            self._record_at = self.now() + FIRST_PAUSE_SECONDS
        else:
            self._unrecorded.clear()

    def _try(self, target: ScalingTarget, signal: ScalingSignal, lane: _Lane, now: float) -> None:
        replicas = signal.inputs.replicas
        if (
            replicas is not None
            and replicas.wanted >= signal.desired_replicas
            and now - replicas.observed_at < ASK_SECONDS
        ):
            return  # the recorder has just seen that there are enough: the cluster is not asked ten times a second
        assert target.fast_lane is not None
        resource = WORKLOADS.get(target.workload.kind)
        if resource is None:
            lane.problem = f"{target.workload}: the fast lane knows {', '.join(WORKLOADS)} alone"
            return
        namespace, name = target.workload.namespace, target.workload.name
        try:
            running = Running.of(self.cluster.get(resource, name, namespace=namespace, timeout_seconds=ASK_SECONDS))
            wanted = step(signal, target.fast_lane, running, last_write=lane.last_write, now=now)
            if wanted.after is None:
                lane.due = now + AGAIN_SECONDS
                lane.failures, lane.problem = 0, ""
                return
            body = {"spec": {"replicas": wanted.after}}
            self.cluster.patch(
                resource, name, body, namespace=namespace, subresource="scale", timeout_seconds=ASK_SECONDS
            )
        except (KubernetesError, ValueError) as error:
            self._failed(target, lane, str(error), now)
            return
        lane.last_write, lane.due, lane.failures, lane.problem = now, now + AGAIN_SECONDS, 0, ""
        self.served(target.workload.namespace, target.name, wanted.after, FACE)
        self._count(target, "written")
        log.info(
            "fast lane: %s from %d to %d replicas: %s", target.workload, running.replicas, wanted.after, wanted.why
        )
        self._unrecorded.append(_event(target, signal, running.replicas, wanted.after, now))

    def _failed(self, target: ScalingTarget, lane: _Lane, why: str, now: float) -> None:
        lane.failures += 1
        lane.due = now + min(FIRST_PAUSE_SECONDS * 2 ** (lane.failures - 1), LONGEST_PAUSE_SECONDS)
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
