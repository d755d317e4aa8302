"""What those who decide say of it: the HPA's and KEDA's events, and the HPA's own status.

They tell why, and when to the nanosecond. Where an event is missing, the HPA's `lastScaleTime` still says that it was the HPA.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_collectors.kubernetes.scaleups.reading import moment, required, text, whole
from maibo_slo.store.scaleups import Moment
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_collectors.kubernetes.changes import Change
    from maibo_collectors.kubernetes.scaleups.occurrences import Occurrence
    from maibo_collectors.kubernetes.scaleups.workloads import Decision

MOST_DECIDERS: Final = 20_000
MOST_STEPS: Final = 64
"""Of one decider."""
_APART_SECONDS: Final = 5.0
"""A controller tells of its write soon after it."""
_RESCALED: Final = re.compile(r"^New size: (\d{1,7})(?:; reason: (.*))?$", re.DOTALL)
_ACTIVATED: Final = re.compile(r"\bto (\d{1,7})\b")
_SETS: Final = re.compile(r"^Scaled up replica set .* to (\d{1,7})\b")


class Key(NamedTuple):
    """An object that decides, or tells of decisions."""

    kind: str
    namespace: str
    name: str


class Step(NamedTuple):
    """A number that it said it had set."""

    moment: Moment
    size: int
    reason: str


class Account(NamedTuple):
    """What is known of one decision's decider."""

    by: str
    reason: str
    decided: Moment


class Deciders:
    """HPAs, ScaledObjects and Deployments, and what they said of late."""

    def __init__(self) -> None:
        self._targets: dict[Key, Workload] = {}
        self._steps: defaultdict[Key, deque[Step]] = defaultdict(lambda: deque(maxlen=MOST_STEPS))
        self._of: defaultdict[Workload, set[Key]] = defaultdict(set)

    def take(self, change: Change, kind: str) -> Workload | None:
        """An HPA or a ScaledObject; the workload it is about. ValueError for what has no target."""
        item = change.object
        key = Key(kind, required(item, "metadata", "namespace"), required(item, "metadata", "name"))
        former = self._targets.pop(key, None)
        if former is not None:
            self._of[former].discard(key)
            if not self._of[former]:
                del self._of[former]
        if change.type == "DELETED":
            self._steps.pop(key, None)
            return former
        default = "Deployment" if kind == "ScaledObject" else ""
        target = Workload(
            key.namespace,
            text(item, "spec", "scaleTargetRef", "kind") or default,
            required(item, "spec", "scaleTargetRef", "name"),
        )
        if len(self._targets) >= MOST_DECIDERS:
            return None
        self._targets[key] = target
        self._of[target].add(key)
        at = moment(
            item, "status", "lastScaleTime", source="lastScaleTime", received=None if change.listed else change.received
        )
        size = whole(item, "status", "desiredReplicas")
        if kind == "HorizontalPodAutoscaler" and at is not None and size is not None:
            self._add(key, Step(at, size, ""))
        return target

    def tell(self, told: Occurrence) -> Workload | None:
        """An event; the workload that it is about, where that is known by now."""
        key = Key(told.kind, told.namespace, told.name)
        match told.kind, told.reason:
            case "HorizontalPodAutoscaler", "SuccessfulRescale":
                found = _RESCALED.match(told.message)
                step = Step(told.moment, int(found[1]), found[2] or "") if found else None
            case "ScaledObject", "KEDAScaleTargetActivated":
                found = _ACTIVATED.search(told.message)
                step = Step(told.moment, int(found[1]), told.message) if found else None
            case _, "ScalingReplicaSet":
                found = _SETS.match(told.message)
                step = Step(told.moment, int(found[1]), "") if found else None
            case _:
                return None
        if step is not None and (key in self._steps or len(self._steps) < MOST_DECIDERS):
            self._add(key, step)
        return self._targets.get(key) or Workload(told.namespace, told.kind, told.name)

    def _add(self, key: Key, step: Step) -> None:
        steps = self._steps[key]
        if not any(
            each[:2] == step[:2] or (each.size == step.size and each.moment[:2] == step.moment[:2]) for each in steps
        ):
            steps.append(step)

    def account(self, workload: Workload, decision: Decision) -> Account:
        """Who made it, why and when, as far as anybody told."""
        keys = sorted(self._of.get(workload, ()))
        hpa = self._nearest((key for key in keys if key.kind == "HorizontalPodAutoscaler"), decision)
        keda = self._nearest((key for key in keys if key.kind == "ScaledObject"), decision)
        by = decision.by or ("keda" if keda and not hpa else "hpa" if hpa else "somebody")
        if by == "somebody" and hpa is not None and hpa.reason:
            by = "hpa"  # it said so in an event; some clusters run its controller under another name
        decided, reason = decision.decided, decision.reason if by == decision.by else ""
        step = {"hpa": hpa, "keda": keda}.get(by)
        if step is not None:
            reason = step.reason or reason
            decided = _refined(decided, step.moment)
        if decided.source == "list":
            acted = self._nearest([Key(*self._own(workload))], decision)
            if acted is not None:
                decided = decided._replace(latest=max(decided.earliest, min(decided.latest, acted.moment.latest)))
        return Account(by, reason, decided)

    def _own(self, workload: Workload) -> tuple[str, str, str]:
        return workload.kind, workload.namespace, workload.name

    def _nearest(self, keys: Iterator[Key] | list[Key], decision: Decision) -> Step | None:
        """What they said about this size at this time; the word of an event before a status."""
        decided = decision.decided
        steps = [step for key in keys for step in self._steps.get(key, ()) if step.size == decision.after]
        near = [step for step in steps if _apart(step.moment, decided) <= _APART_SECONDS]
        return min(
            near, key=lambda step: (not step.reason, abs(step.moment.earliest - decided.earliest), step), default=None
        )


def _apart(one: Moment, other: Moment) -> float:
    """Seconds between two intervals; 0 where they overlap."""
    return max(0.0, one.earliest - other.latest, other.earliest - one.latest)


def _refined(decided: Moment, told: Moment) -> Moment:
    """What tells fractions of a second, or what is better than a gap in the watch."""
    exact = told.earliest == told.latest
    if decided.source == "list" and told.latest - told.earliest < decided.latest - decided.earliest:
        return told
    return told if exact else decided
