"""Which pods a decision added, and why all others were made.

Controllers make pods for a reason: more are wanted, one was lost, or the template is new. Each reason wants so many pods from some time on;
a new pod is taken to be for the reason that has waited longest. Hence, in a rollout, as many pods of the new template as there were replicas
are the rollout's, and those beyond are the scale-up's. A StatefulSet's pods are told by their ordinals.

A replacement of a scale-up's own pod that never served stands in for it; any other replacement is none of the scale-up's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from maibo_slo.store.scaleups import PodState, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_collectors.kubernetes.scaleups.pods import Pod
    from maibo_collectors.kubernetes.scaleups.workloads import Decision, Scaled
    from maibo_slo.store.scaleups import Moment

SLACK_SECONDS: Final = 5.0
"""A pod may be made that long before the decision that it is for: by another clock."""
ROLLOUT: Final = "rollout"
SCALE_DOWN: Final = "scale_down"
DELETION: Final = "deletion"
"""Somebody deleted a pod that was wanted: by hand, or a drain without evictions."""
CREATION: Final = "creation"
"""The workload was new."""
UNKNOWN: Final = "unknown"
_PROMPT_SECONDS: Final = 60.0
"""A canary lasts: of a Rollout's pods, those that come sooner after a decision are its own, whatever their template."""


@dataclass(slots=True)
class Attribution:
    """Of the pods of one workload, by uid."""

    decisions: dict[str, Decision] = field(default_factory=dict)
    """Whose pod it is."""
    causes: dict[str, str] = field(default_factory=dict)
    """Why it was made, of the others."""
    ends: dict[str, str] = field(default_factory=dict)
    """Why it was lost."""
    stand_ins: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Want:
    at: float
    cause: str
    decision: Decision | None = None
    template: str = ""
    """Empty: any."""
    stand_in: bool = False
    count: int = 1

    def allows(self, created: Moment) -> bool:
        """Whether a pod of this time may be for it: not one from before, nor one from after it was taken back."""
        back = self.decision.taken_back if self.decision is not None else None
        return self.at - SLACK_SECONDS <= created.latest and (back is None or created.earliest <= back.latest)


def attribute(scaled: Scaled, begin: float) -> Attribution:
    """All that happened from `begin` on, unix s."""
    if scaled.workload.kind == "StatefulSet":
        return _by_ordinal(scaled, begin)
    return _Matching(scaled).run(begin)


class _Matching:
    """Goes through what happened in its order, and gives each new pod its reason."""

    def __init__(self, scaled: Scaled) -> None:
        self._scaled = scaled
        self._since = scaled.since if scaled.since is not None else float("inf")
        self._templates = _templates(scaled)
        self._wants: list[_Want] = []
        self._surplus = 0
        self._found = Attribution()

    def run(self, begin: float) -> Attribution:
        for *_, happened in sorted(self._history(begin), key=lambda each: each[:3]):
            match happened:
                case _Want():
                    self._wants.append(happened)
                case int():
                    self._surplus += happened
                case (pod, "lost"):
                    self._lose(pod)
                case (pod, _):
                    self._make(pod)
        return self._found

    def _history(self, begin: float) -> Iterator[tuple[float, int, str, _Want | int | tuple[Pod, str]]]:
        yield from self._wanted(begin)
        for lowered, fewer in self._scaled.lowerings:
            if lowered.earliest >= begin:
                yield lowered.earliest - SLACK_SECONDS, 1, "", fewer
        since = max(begin, self._since - SLACK_SECONDS)
        for pod in self._scaled.pods.values():
            if pod.created is None:
                continue
            lost = pod.loss.moment.earliest if pod.loss else float("inf")
            if pod.loss is not None and pod.loss.moment.latest >= begin:
                yield lost, 2, pod.uid, (pod, "lost")
            if pod.created.latest >= since and not pod.claimed:
                # Before its own loss, and else after what was lost in the same second.
                at = min(pod.created.latest, lost)
                yield at, 1 if at == lost else 3, pod.name, (pod, "made")

    def _wanted(self, begin: float) -> Iterator[tuple[float, int, str, _Want]]:
        scaled, since = self._scaled, self._since
        first, replicas = scaled.levels[0] if scaled.levels else (float("-inf"), 0)
        if first >= begin:
            at = first - SLACK_SECONDS
            yield at, 0, "", _Want(at, CREATION, count=replicas)
        for name, when in self._templates.items():
            # One that comes with a decision, in one write, is first: what is beyond the replicas before is the decision's.
            at = when - SLACK_SECONDS
            cutoff = max(at, begin, since)
            if at >= max(begin, since) or self._is_rolling(name, cutoff):
                missing = scaled.wanted(at) - sum(_was_there(pod, cutoff) for pod in self._of_template(name))
                yield cutoff - SLACK_SECONDS, 0, name, _Want(at, ROLLOUT, template=name, count=missing)
        present = {pod.name for pod in scaled.pods.values() if pod.created is not None}
        for decision in scaled.decisions:
            at = decision.decided.earliest
            gone = [pod for pod in decision.known.values() if pod.state is PodState.SERVING and pod.name not in present]
            yield at - SLACK_SECONDS, 1, decision.id, _Want(at, "", decision, count=decision.added - len(gone))

    def _make(self, pod: Pod) -> None:
        created = pod.created
        if created is None:
            return
        wants = [want for want in self._wants if want.count > 0 and want.allows(created)]
        known = next((d for d in self._scaled.decisions if _knows(d, pod)), None)
        if known is not None:
            wants = [want for want in wants if want.decision is known] or [_Want(0.0, "", known)]
        elif self._scaled.workload.kind == "Rollout":
            prompt = [want for want in wants if want.decision and created.earliest - want.at <= _PROMPT_SECONDS]
            wants = prompt or [want for want in wants if want.template in {"", pod.template}]
        elif self._replaced(pod.template, created.earliest):
            wants = []
        else:
            wants = [want for want in wants if want.template in {"", pod.template}]
        want = min(wants, key=lambda want: want.at, default=None)
        if want is None:
            self._found.causes[pod.uid] = ROLLOUT if self._rolled(pod) else UNKNOWN
            return
        want.count -= 1
        if want.decision is None:
            self._found.causes[pod.uid] = want.cause
        else:
            self._found.decisions[pod.uid] = want.decision
            if want.stand_in:
                self._found.stand_ins.add(pod.uid)

    def _lose(self, pod: Pod) -> None:
        loss = pod.loss
        if loss is None:
            return
        cause = loss.cause
        if not cause and self._replaced(pod.template, loss.moment.latest):
            cause = ROLLOUT
        elif not cause and self._surplus > 0:
            cause, self._surplus = SCALE_DOWN, self._surplus - 1
        self._found.ends[pod.uid] = cause = cause or DELETION
        if cause in {ROLLOUT, SCALE_DOWN}:
            return
        decision = None if pod.served() else self._found.decisions.get(pod.uid)
        self._wants.append(_Want(loss.moment.earliest, cause, decision, stand_in=decision is not None))

    def _is_rolling(self, template: str, at: float) -> bool:
        """Whether it is the current one, and pods of an older one are there."""
        begin = self._templates[template]
        older = {name for name, other in self._templates.items() if other < begin}
        return begin == max(self._templates.values()) and any(
            pod.template in older and _was_there(pod, at) for pod in self._scaled.pods.values()
        )

    def _of_template(self, template: str) -> Iterator[Pod]:
        return (pod for pod in self._scaled.pods.values() if pod.template == template)

    def _replaced(self, template: str, at: float) -> bool:
        """Whether a newer template was current by then."""
        begin = self._templates.get(template)
        return begin is not None and any(begin < other <= at for other in self._templates.values())

    def _rolled(self, pod: Pod) -> bool:
        since = self._scaled.since
        begin = self._templates.get(pod.template)
        return begin is not None and since is not None and (begin >= since or begin < max(self._templates.values()))


def _was_there(pod: Pod, at: float) -> bool:
    made = pod.created is not None and pod.created.latest < at
    return made and (pod.loss is None or pod.loss.moment.earliest >= at)


def _templates(scaled: Scaled) -> dict[str, float]:
    """When each template began; where no ReplicaSet told, with its first pod.

    Who was rolled back to before anybody watched has an old ReplicaSet and the highest revision: it began after those of lower ones.
    """
    begins: dict[str, float] = {}
    newest = float("-inf")
    for name in sorted(scaled.templates, key=lambda each: (scaled.revisions[each], scaled.templates[each].earliest)):
        begins[name] = newest = max(
            scaled.templates[name].earliest, newest + 0.001 if scaled.revisions[name] else newest
        )
    for pod in scaled.pods.values():
        if pod.template and pod.template not in scaled.templates and pod.created is not None:
            begins[pod.template] = min(begins.get(pod.template, pod.created.earliest), pod.created.earliest)
    return begins


def _knows(decision: Decision, pod: Pod) -> bool:
    known = decision.known.get(pod.name)
    if known is None or pod.created is None:
        return False
    created = known.moments.get(Stage.CREATED)
    return created is None or abs(created.earliest - pod.created.earliest) < 1.0


def _by_ordinal(scaled: Scaled, begin: float) -> Attribution:
    found = Attribution()
    since = scaled.since if scaled.since is not None else float("inf")
    earlier: dict[int, Pod] = {}
    pods = [pod for pod in scaled.pods.values() if pod.created is not None and pod.ordinal is not None]
    for pod in sorted(pods, key=lambda each: (each.created.earliest if each.created else 0.0, each.uid)):
        ordinal = pod.ordinal or 0
        place, before = ordinal - scaled.first_ordinal, earlier.get(ordinal)
        earlier[ordinal] = pod
        if pod.loss is not None:
            found.ends[pod.uid] = pod.loss.cause or _ordinal_end(scaled, pod, place)
        if pod.claimed or pod.created is None or pod.created.latest < max(begin, since - SLACK_SECONDS):
            continue
        late = pod.created.latest + SLACK_SECONDS
        decisions = [d for d in scaled.decisions if d.decided.earliest <= late and d.before <= place < d.after]
        decision = decisions[-1] if decisions else None
        stands_in = before is not None and decision is not None and found.decisions.get(before.uid) is decision
        if decision is not None and not (stands_in and before is not None and before.served()):
            found.decisions[pod.uid] = decision
            if stands_in:
                found.stand_ins.add(pod.uid)
        elif before is None:
            found.causes[pod.uid] = CREATION if scaled.levels and scaled.levels[0][0] >= begin else UNKNOWN
        else:
            rolled = before.template != pod.template
            found.causes[pod.uid] = ROLLOUT if rolled else found.ends.get(before.uid, DELETION)
    return found


def _ordinal_end(scaled: Scaled, pod: Pod, place: int) -> str:
    assert pod.loss is not None
    return SCALE_DOWN if place >= scaled.wanted(pod.loss.moment.latest) else DELETION
