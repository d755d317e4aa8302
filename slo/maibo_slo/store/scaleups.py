"""Scale-ups: one for each decision to run more replicas, with the moments that it and its pods went through.

A moment is an interval: what Kubernetes writes to the second is known to the second. Moments are each source's own clock, never corrected by
another's; what contradicts itself is counted (`ScaleUp.skews`). A pod that never got further has no later moments: it is censored, and counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from maibo_slo.store import events
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maibo_slo.store.client import Store

KIND: Final = "scaleup"
"""Of these events in the table ``events``; their subject is the workload as text."""


class Stage(StrEnum):
    """What a scale-up goes through, in this order. A phase is named for the stage that ends it."""

    TRIGGER = "trigger"
    """Demand rose, or was forecast to: in our own store."""
    SERVED = "served"
    """A face first answered with the higher number."""
    DECIDED = "decided"
    """The workload's ``spec.replicas`` rose."""
    CREATED = "created"
    SCHEDULED = "scheduled"
    """On a node; `PodTimes.node_provisioned` tells whether one had to come first."""
    PULLED = "pulled"
    """The images are on the node."""
    STARTED = "started"
    """The containers run."""
    READY = "ready"
    IN_ROTATION = "in_rotation"
    """An EndpointSlice has it as ready. Where nobody selects the pod, the stage is absent and `READY` is the last but one."""
    FIRST_JOURNEY = "first_journey"
    """The end of the first span of ours that the pod sent."""


class Moment(NamedTuple):
    """When something happened, unix s: at some time in [earliest, latest] by its source's clock."""

    earliest: float
    latest: float
    """The same, where the source tells fractions of a second."""
    received: float | None = None
    """When the recorder saw it, by its own clock; None: it looked later, or it is from our own store."""
    source: str = ""
    """``event name``, ``eventTime``, ``condition``, ``creationTimestamp``, ``watch``, ``pulled in``, ``store``."""


class PodState(StrEnum):
    """What became of an added pod."""

    SERVING = "serving"
    """In rotation, or ready where nobody selects it."""
    STARTING = "starting"
    NEVER_READY = "never_ready"
    """Deleted or failed before."""
    SUPERSEDED = "superseded"
    """Scaled down again before it was ready: a later decision."""


@dataclass(frozen=True, slots=True)
class PodTimes:
    """One pod that a decision added."""

    name: str
    node: str
    state: PodState
    moments: Mapping[Stage, Moment]
    """From `Stage.CREATED` on, those that it reached."""
    ended: float | None = None
    """When it was censored, unix s."""
    image_bytes: int | None = None
    pull_seconds: float | None = None
    """Of its images, by the kubelet's own word, without queueing; 0.0: they were on the node."""
    pull_queued_seconds: float | None = None
    node_provisioned: bool = False
    """It found no room, and its node came after it."""
    unschedulable: str = ""
    """What the scheduler last said against it."""

    @property
    def waited(self) -> bool:
        """For a new node, or it does so still."""
        return self.node_provisioned or bool(self.unschedulable and Stage.SCHEDULED not in self.moments)


@dataclass(frozen=True, slots=True)
class Pods:
    """What is known of all pods that a decision added together."""

    states: Mapping[PodState, int]
    """How many are in which; in their order, without those that none is in."""
    reached: frozenset[Stage]
    """By any of them."""
    waited: bool
    """Any of them, for a new node."""
    last: float | None
    """The newest moment that one is known to have got to, unix s; None without any."""

    @classmethod
    def of(cls, pods: Iterable[PodTimes]) -> Pods:
        """Of these."""
        every = list(pods)
        states = Counter(pod.state for pod in every)
        return cls(
            {state: states[state] for state in PodState if state in states},
            frozenset[Stage]().union(*(pod.moments for pod in every)),
            any(pod.waited for pod in every),
            max((moment.earliest for pod in every for moment in pod.moments.values()), default=None),
        )


class ScaleUpState(StrEnum):
    """How far a decision got."""

    RUNNING = "running"
    COMPLETE = "complete"
    """As many pods serve as were added."""
    CENSORED = "censored"
    """It will never be: pods died, or a later decision took it back. Counts as longer than it lasted."""


_PodsT = TypeVar("_PodsT")


@dataclass(frozen=True, slots=True)
class _Decision(Generic[_PodsT]):
    """One decision, with what is known of its pods."""

    id: str
    """``NAMESPACE/KIND/NAME@unix-ms``."""
    workload: Workload
    before: int
    after: int
    """``spec.replicas`` before and after it."""
    by: str
    """Who decided: ``hpa``, ``keda``, ``fast_lane``, ``somebody`` (by hand or a pipeline)."""
    reason: str
    """In the decider's words."""
    moments: Mapping[Stage, Moment]
    """`Stage.TRIGGER` and `Stage.SERVED` where known, `Stage.DECIDED` always; of later stages, when as many pods as were added had reached
    them: so the last of those that did."""
    pods: _PodsT
    state: ScaleUpState
    half: Moment | None = None
    """When half of the added pods served."""
    most: Moment | None = None
    """When nine tenths did."""
    ended: float | None = None
    """When it was complete or censored, unix s."""
    why_censored: str = ""
    skews: int = 0
    """Moments that came before what must be before them, beyond their intervals: clocks differ."""
    version: str = ""
    """Hash of the pod template."""
    notes: Sequence[str] = field(default=())
    """What whoever reads its figures should know: ``events of the pods were not seen``."""

    @property
    def added(self) -> int:
        """Replicas that were asked for beyond those that were."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class ScaleUp(_Decision[Sequence[PodTimes]]):
    """One decision, with each pod."""

    @property
    def together(self) -> Pods:
        """Its pods as `Brief` has them."""
        return Pods.of(self.pods)


@dataclass(frozen=True, slots=True)
class Brief(_Decision[Pods]):
    """One decision, without its pods one by one."""

    @property
    def together(self) -> Pods:
        """Its pods."""
        return self.pods


def append(store: Store, scaleups: Sequence[ScaleUp]) -> None:
    """Write them, each in the place of its earlier version. StoreError."""
    told = [
        events.Event(each.id, KIND, str(each.workload), _decided(each).earliest, each.ended, _detail(each))
        for each in scaleups
    ]
    events.append(store, told)


def scaleups(
    store: Store, begin: float, end: float, workload: Workload | None = None, *, newest: int | None = None
) -> list[ScaleUp]:
    """Those decided in [begin, end), unix s, by the earliest moment that may have been; oldest first, and if given, so many of the newest
    alone. One with 30 pods costs 1 ms to read. StoreError.
    """
    subject = None if workload is None else str(workload)
    # Begins are kept to the millisecond, and moments in `detail` exactly.
    found = [_scaleup(each) for each in events.events(store, KIND, begin - 0.001, end + 0.002, subject, newest=newest)]
    within = [each for each in found if begin <= _decided(each).earliest < end]
    return sorted(within, key=lambda each: (_decided(each).earliest, each.id))


def running(store: Store) -> list[ScaleUp]:
    """Those that are not over, as they were last told, however long ago they began; oldest first. StoreError."""
    return [each for each in map(_scaleup, events.unended(store, KIND)) if each.state is ScaleUpState.RUNNING]


def find(store: Store, id_: str) -> ScaleUp | None:
    """The one of this id. StoreError."""
    event = events.find(store, KIND, id_)
    return None if event is None else _scaleup(event)


def of_ids(store: Store, ids: Iterable[str]) -> dict[str, ScaleUp]:
    """Those of these ids, by id. StoreError."""
    found = events.briefs_of(store, [(KIND, id_) for id_ in ids], fields=_DETAIL)
    return {id_: _scaleup(each) for (_, id_), (_, each) in found.items()}


def _decided(scaleup: ScaleUp) -> Moment:
    return scaleup.moments[Stage.DECIDED]


_STAGES: Final = tuple(Stage)
_POD_STATES: Final = {state.value: state for state in PodState}
"""A list reads thousands of pods."""
_PLACED: Final = frozenset({"id", "workload"})
"""Fields that the event has itself."""
_DETAIL: Final = frozenset({each.name for each in fields(ScaleUp)} - _PLACED)


def _detail(scaleup: ScaleUp) -> Mapping[str, Any]:
    detail = {name: getattr(scaleup, name) for name in _DETAIL}
    # Enums, moments and sequences of texts are JSON as they are.
    return detail | {"pods": [{each.name: getattr(pod, each.name) for each in fields(pod)} for pod in scaleup.pods]}


def _scaleup(event: events.Event | events.Brief) -> ScaleUp:
    detail = dict(event.detail)
    return ScaleUp(
        **detail
        | {
            "id": event.id,
            "workload": Workload.of(event.subject),
            "moments": _moments(detail["moments"]),
            "pods": tuple(map(_pod, detail["pods"])),
            "state": ScaleUpState(detail["state"]),
            "half": _moment(detail["half"]),
            "most": _moment(detail["most"]),
            "notes": tuple(detail["notes"]),
        }
    )


def _pod(detail: Mapping[str, Any]) -> PodTimes:
    return PodTimes(
        **{**detail, "state": _POD_STATES[detail["state"]], "moments": _moments(detail["moments"])},
    )


def _moments(detail: Mapping[str, Any]) -> dict[Stage, Moment]:
    return {stage: Moment(*found) for stage in _STAGES if (found := detail.get(stage)) is not None}


def _moment(detail: Sequence[Any] | None) -> Moment | None:
    return None if detail is None else Moment(*detail)
