"""What is known of one pod, from its object, its events and the EndpointSlices that have it, in whatever order these come.

The first of each moment counts: a container that starts again, or a pod that flaps, moves the object's own times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from maibo_collectors.kubernetes.scaleups.occurrences import Occurrence, Pull, pull
from maibo_collectors.kubernetes.scaleups.reading import controller, each, moment, part, required, text, whole
from maibo_slo.store.scaleups import Moment, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_collectors.kubernetes.changes import Change

_T = TypeVar("_T")
TEMPLATE_LABELS: Final = ("pod-template-hash", "rollouts-pod-template-hash", "controller-revision-hash")
MOST_CONTAINERS: Final = 100
_ORDINAL: Final = re.compile(r"-(\d{1,7})$")
_APART_SECONDS: Final = 1.0
"""By how much a kubelet's event may lie outside the second that the same kubelet wrote into the pod."""
_CAUSES: Final = {
    "EvictionByEvictionAPI": "eviction",
    "PreemptionByScheduler": "preemption",
    "DeletionByTaintManager": "node",
    "DeletionByPodGC": "node",
    "TerminationByKubelet": "node",
}


@dataclass(frozen=True, slots=True)
class Loss:
    """A pod no longer counts as one of its workload's: deleted, or over."""

    moment: Moment
    cause: str
    """``eviction`` (drains among them), ``preemption``, ``node``, ``failure``; empty: it was deleted, and nobody said why."""


@dataclass(slots=True, eq=False)
class Pod:
    """One pod, by its uid."""

    uid: str
    heard: float
    """When anything was last heard of it, unix s by the recorder's clock."""
    version: int = 0
    created: Moment | None = None
    """None: events or slices told of it, and it was not seen itself."""
    namespace: str = ""
    name: str = ""
    owner: tuple[str, str] = ("", "")
    """Kind and name of its controller."""
    template: str = ""
    ordinal: int | None = None
    node: str = ""
    containers: tuple[str, ...] = ()
    loss: Loss | None = None
    gone: bool = False
    counted: bool = False
    """It was not added by a scale-up, and is in the counts by cause; or it was there before all that is known."""
    claimed: str = ""
    """Id of the finished scale-up that it belongs to."""
    has_events: bool = False
    in_slice: bool = False
    in_rotation: Moment | None = None
    journey: float | None = None
    _conditions: dict[str, Moment] = field(default_factory=dict)
    _statuses: dict[str, Moment] = field(default_factory=dict)
    _started: dict[str, Moment] = field(default_factory=dict)
    _pulled: dict[str, tuple[Moment, Pull]] = field(default_factory=dict)
    _scheduled: Moment | None = None
    no_room: Moment | None = None
    unschedulable: str = ""
    node_asked: bool = False
    """An autoscaler said that it makes a node for it."""

    def take(self, change: Change) -> None:
        """Its object, newer than what was taken. ValueError for what is no pod."""
        pod, received = change.object, None if change.listed else change.received
        created = moment(pod, "metadata", "creationTimestamp", source="creationTimestamp", received=received)
        if created is None:
            raise ValueError("no metadata.creationTimestamp")
        self.name, self.namespace = required(pod, "metadata", "name"), required(pod, "metadata", "namespace")
        self.created = self.created or created
        self.owner = controller(pod)
        labels = part(pod, "metadata", "labels")
        self.template = next((text(labels, label) for label in TEMPLATE_LABELS if text(labels, label)), "")
        numbered = _ORDINAL.search(self.name) if self.owner[0] == "StatefulSet" else None
        self.ordinal = int(numbered[1]) if numbered else None
        self.node = text(pod, "spec", "nodeName") or self.node
        names = (text(container, "name") for container in each(pod, "spec", "containers"))
        self.containers = tuple(name for name in names if name)[:MOST_CONTAINERS]
        for condition in each(pod, "status", "conditions"):
            self._take_condition(condition, received)
        for status in each(pod, "status", "containerStatuses"):
            self._take_status(status, received)
        self.gone = self.gone or change.type == "DELETED"
        self.loss = self.loss or _loss(change)

    def _take_condition(self, condition: Mapping[str, Any], received: float | None) -> None:
        kind, status = text(condition, "type"), text(condition, "status")
        at = moment(condition, "lastTransitionTime", source="condition", received=received)
        if at is None:
            return
        if kind in {"PodScheduled", "Ready"} and status == "True":
            self._conditions.setdefault(kind, at)
        elif kind == "PodScheduled" and text(condition, "reason") == "Unschedulable":
            self._no_room(at, text(condition, "message"))

    def _take_status(self, status: Mapping[str, Any], received: float | None) -> None:
        name = text(status, "name")
        if name not in self.containers:
            return
        for path in (("lastState", "terminated"), ("state", "terminated"), ("state", "running")):
            at = moment(status, *path, "startedAt", source="startedAt", received=received)
            if at is not None:
                self._statuses.setdefault(name, at)

    def tell(self, told: Occurrence) -> None:
        """An event about it."""
        at = told.moment
        container = "init" if told.initial else told.container
        match told.reason:
            case "Scheduled":
                self._scheduled = _first(self._scheduled, at)
            case "FailedScheduling":
                self._no_room(at, told.message)
            case "TriggeredScaleUp":
                self.node_asked = True
            case "Nominated":
                self.node_asked = self.node_asked or "nodeclaim" in told.message.lower()
            case "Pulled":
                found = pull(told.message)
                # Init containers share a place: their pulls are summed, and they are many at most once.
                key = container if not told.initial else f"init {told.message}"
                if found is not None and len(self._pulled) < MOST_CONTAINERS:
                    before = self._pulled.get(key)
                    if before is None or at.earliest < before[0].earliest:
                        self._pulled[key] = at, found
            case "Started" if not told.initial and len(self._started) < MOST_CONTAINERS:
                self._started[container] = _first(self._started.get(container), at)
            case _:
                return
        self.has_events = True

    def _no_room(self, at: Moment, why: str) -> None:
        if self.no_room is None or at.earliest <= self.no_room.earliest:
            self.no_room = at
        self.unschedulable = why or self.unschedulable

    def moments(self) -> dict[Stage, Moment]:
        """Those known, in their order. `Stage.FIRST_JOURNEY` is of the store's."""
        journey = None if self.journey is None else Moment(self.journey, self.journey, None, "store")
        found = {
            Stage.CREATED: self.created,
            Stage.SCHEDULED: self._scheduled or self._conditions.get("PodScheduled"),
            Stage.PULLED: self._all_pulled(),
            Stage.STARTED: self._all_started(),
            Stage.READY: self._conditions.get("Ready"),
            Stage.IN_ROTATION: self._rotated(),
            Stage.FIRST_JOURNEY: journey,
        }
        return {stage: at for stage, at in found.items() if at is not None}

    def pulls(self) -> tuple[float | None, float | None, int | None]:
        """Seconds that pulling took and that it waited, and bytes; None: nobody said."""
        if not self._pulled:
            return None, None, None
        pulls = [found for _, found in self._pulled.values()]
        sizes = [found.image_bytes for found in pulls if found.image_bytes is not None]
        return (
            sum(sorted(found.seconds for found in pulls)),
            sum(sorted(found.queued_seconds for found in pulls)),
            sum(sizes) if sizes else None,
        )

    def served(self) -> bool:
        """Whether it ever was in rotation, or ready where no slice has it."""
        return self.in_rotation is not None or (not self.in_slice and "Ready" in self._conditions)

    def _all_pulled(self) -> Moment | None:
        times = [_of(self._pulled, name, alone=len(self.containers) == 1) for name in self.containers]
        return _last([None if found is None else found[0] for found in times])

    def _all_started(self) -> Moment | None:
        alone = len(self.containers) == 1
        return _last([self._container_started(name, alone=alone) for name in self.containers])

    def _container_started(self, name: str, *, alone: bool) -> Moment | None:
        told, written = _of(self._started, name, alone=alone), self._statuses.get(name)
        if told is None or written is None:
            return told or written
        agree = written.earliest - _APART_SECONDS <= told.earliest and told.latest <= written.latest + _APART_SECONDS
        return told if agree else written

    def _rotated(self) -> Moment | None:
        """Where the slice does not say since when, or what it says was before this pod: since it was ready, by the kubelet's clock."""
        at, ready = self.in_rotation, self._conditions.get("Ready") or self.created
        if at is None or ready is None or self.created is None:
            return at
        unsaid = at.earliest == at.latest or at.earliest < self.created.earliest
        return at._replace(earliest=min(at.latest, ready.earliest)) if unsaid else at


def _loss(change: Change) -> Loss | None:
    pod, received = change.object, change.received
    reasons = {
        text(condition, "reason"): moment(condition, "lastTransitionTime", source="condition", received=received)
        for condition in each(pod, "status", "conditions")
        if text(condition, "type") == "DisruptionTarget" and text(condition, "status") == "True"
    }
    cause, disrupted = next(((_CAUSES.get(reason, "eviction"), at) for reason, at in reasons.items()), ("", None))
    ending = moment(pod, "metadata", "deletionTimestamp", source="deletionTimestamp", received=received)
    if ending is not None:
        grace = float(whole(pod, "metadata", "deletionGracePeriodSeconds") or 0)
        return Loss(ending._replace(earliest=ending.earliest - grace, latest=ending.latest - grace), cause)
    if text(pod, "status", "phase") in {"Failed", "Succeeded"}:
        evicted = "node" if text(pod, "status", "reason") in {"Evicted", "NodeLost", "NodeShutdown"} else "failure"
        return Loss(disrupted or Moment(received, received, received, "watch"), cause or evicted)
    if change.type == "DELETED":
        return Loss(Moment(received, received, received, "watch"), cause)
    return None


def _first(before: Moment | None, at: Moment) -> Moment:
    return at if before is None or at.earliest < before.earliest else before


def _last(times: list[Moment | None]) -> Moment | None:
    """The last of all; None if one is missing."""
    known = [at for at in times if at is not None]
    return max(known, key=lambda at: (at.latest, at.earliest)) if known and len(known) == len(times) else None


def _of(found: Mapping[str, _T], name: str, *, alone: bool) -> _T | None:
    return found.get(name) or (found.get("") if alone else None)
