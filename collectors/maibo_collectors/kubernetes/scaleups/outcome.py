"""A scale-up as far as it is known: from a decision, its pods and what the store told, to the record that is written.

All of it follows from facts and `now`: the order in which they came does not matter.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from maibo_collectors.kubernetes.scaleups.attribution import ROLLOUT, SCALE_DOWN
from maibo_slo.store.scaleups import Moment, PodState, PodTimes, ScaleUp, ScaleUpState, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_collectors.kubernetes.scaleups.attribution import Attribution
    from maibo_collectors.kubernetes.scaleups.deciders import Account
    from maibo_collectors.kubernetes.scaleups.pods import Pod
    from maibo_collectors.kubernetes.scaleups.workloads import Decision, Scaled

SETTLING_SECONDS: Final = 5.0
"""A ready pod that no EndpointSlice has by then is one that nobody selects."""
_OF_PODS: Final = tuple(stage for stage in Stage if stage not in {Stage.TRIGGER, Stage.SERVED, Stage.DECIDED})
_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Setting:
    """What a decision is judged in."""

    scaled: Scaled
    attribution: Attribution
    nodes: Mapping[str, Moment]
    """When each node was made."""
    now: float
    longest_seconds: float


def scale_up(decision: Decision, account: Account, setting: Setting) -> ScaleUp:
    """The record."""
    mine = [pod for uid, pod in setting.scaled.pods.items() if _is_of(uid, pod, decision, setting.attribution)]
    mine.sort(key=lambda pod: (pod.created.earliest if pod.created else 0.0, pod.name, pod.uid))
    selected = any(pod.in_slice for pod in setting.scaled.pods.values())
    pods = [_pod_times(pod, decision, setting, selected=selected) for pod in mine]
    seen = {pod.name for pod in pods}
    pods += [pod for name, pod in sorted(decision.known.items()) if name not in seen]
    serving = [at for pod in pods if (at := _serving(pod, setting.now, selected=selected)) is not None]
    served = _reached(serving, decision.added)
    state, ended, why = _state(decision, account, pods, served, setting)
    version = max((pod.template for pod in mine), default="") or _current(setting.scaled)
    moments = _moments(decision, account, pods)
    return ScaleUp(
        id=decision.id,
        workload=setting.scaled.workload,
        before=decision.before,
        after=decision.after,
        by=account.by,
        reason=account.reason or (decision.rise.reason if decision.rise and account.by == "fast_lane" else ""),
        moments=moments,
        pods=tuple(pods),
        state=state,
        half=_reached(serving, -(-decision.added // 2)),
        most=_reached(serving, -(-decision.added * 9 // 10)),
        ended=ended,
        why_censored=why,
        skews=sum(_skews(pod.moments, account.decided) for pod in pods),
        version=version,
        notes=(*decision.notes, *_notes(decision, mine, setting, ended)),
    )


def _is_of(uid: str, pod: Pod, decision: Decision, attribution: Attribution) -> bool:
    return pod.claimed == decision.id or attribution.decisions.get(uid) is decision


def _pod_times(pod: Pod, decision: Decision, setting: Setting, *, selected: bool) -> PodTimes:
    known = decision.known.get(pod.name)
    moments = pod.moments()
    if known is not None:  # what was seen first, before the recorder was restarted, holds
        found = {**moments, **known.moments}
        moments = {stage: found[stage] for stage in _OF_PODS if stage in found}
    seconds, queued, size = pod.pulls()
    times = PodTimes(
        name=pod.name,
        node=pod.node,
        state=PodState.STARTING,
        moments=moments,
        image_bytes=size,
        pull_seconds=seconds,
        pull_queued_seconds=queued,
        node_provisioned=_provisioned(pod, setting.nodes),
        unschedulable=pod.unschedulable,
    )
    state, ended = PodState.STARTING, None
    if _serving(times, setting.now, selected=selected) is not None:
        state = PodState.SERVING
    elif pod.loss is not None:
        taken = setting.attribution.ends.get(pod.uid) in {SCALE_DOWN, ROLLOUT}
        state, ended = PodState.SUPERSEDED if taken else PodState.NEVER_READY, pod.loss.moment.earliest
    return _with(times, state, ended)


def _with(times: PodTimes, state: PodState, ended: float | None) -> PodTimes:
    from dataclasses import replace

    return replace(times, state=state, ended=ended)


def _provisioned(pod: Pod, nodes: Mapping[str, Moment]) -> bool:
    """Its node is younger than it, or than the word that there was no room."""
    made = nodes.get(pod.node)
    if made is None or pod.created is None:
        return pod.node_asked
    return made.latest > (pod.no_room or pod.created).earliest and made.earliest >= pod.created.earliest


def _serving(pod: PodTimes, now: float, *, selected: bool) -> Moment | None:
    if Stage.IN_ROTATION in pod.moments or selected:
        return pod.moments.get(Stage.IN_ROTATION)
    ready = pod.moments.get(Stage.READY)
    return ready if ready is not None and now >= ready.latest + SETTLING_SECONDS else None


def _reached(times: Sequence[Moment], count: int) -> Moment | None:
    """When as many had reached it: the interval of the count-th of uncertain times; None: not yet."""
    if not 0 < count <= len(times):
        return None
    last = sorted(times, key=lambda at: (at.latest, at.earliest, at.source))[count - 1]
    return last._replace(earliest=sorted(at.earliest for at in times)[count - 1])


def _moments(decision: Decision, account: Account, pods: Sequence[PodTimes]) -> dict[Stage, Moment]:
    found: dict[Stage, Moment | None] = {}
    rise, decided = decision.rise, account.decided
    if rise is not None:
        found[Stage.TRIGGER] = Moment(rise.trigger_at, rise.trigger_at, None, "store")
        if rise.served_at is not None and rise.served_at <= decided.latest + 1.0:
            found[Stage.SERVED] = Moment(rise.served_at, rise.served_at, None, "store")
    found[Stage.DECIDED] = decided
    for stage in _OF_PODS:
        found[stage] = _reached([pod.moments[stage] for pod in pods if stage in pod.moments], decision.added)
    return {stage: at for stage, at in found.items() if at is not None}


def _state(
    decision: Decision, account: Account, pods: Sequence[PodTimes], served: Moment | None, setting: Setting
) -> tuple[ScaleUpState, float | None, str]:
    """State, when it came to it, and why it was censored: the first of all reasons."""
    ends: list[tuple[float, str]] = []
    if decision.taken_back is not None:
        ends.append((decision.taken_back.latest, decision.why))
    lost = [pod.ended for pod in pods if pod.state is PodState.SUPERSEDED and pod.ended is not None]
    if lost and not ends:
        ends.append((min(lost), "a rollout or a scale-down took pods of it away"))
    limit = account.decided.latest + setting.longest_seconds
    if setting.now >= limit:
        ends.append((limit, f"not complete within {setting.longest_seconds / _MINUTE:.0f} min"))
    end, why = min(ends, default=(float("inf"), ""))
    if served is not None and served.earliest <= end:
        return ScaleUpState.COMPLETE, served.latest, ""
    return (ScaleUpState.CENSORED, end, why) if ends else (ScaleUpState.RUNNING, None, "")


def _skews(moments: Mapping[Stage, Moment], decided: Moment) -> int:
    """Pairs of neighbours in the wrong order. A journey may end before a pod is in rotation, but not before it runs."""
    chain = [decided, *(moments[stage] for stage in _OF_PODS if stage in moments and stage is not Stage.FIRST_JOURNEY)]
    skews = sum(later.latest < earlier.earliest for earlier, later in pairwise(chain))
    journey, started = moments.get(Stage.FIRST_JOURNEY), moments.get(Stage.STARTED)
    return skews + (journey is not None and started is not None and journey.latest < started.earliest)


def _notes(decision: Decision, pods: Sequence[Pod], setting: Setting, ended: float | None) -> list[str]:
    notes = []
    silent = sum(not pod.has_events for pod in pods)
    if silent:
        notes.append(
            "events of the pods were not seen" if silent == len(pods) else f"events of {silent} pods were not seen"
        )
    stand_ins = sum(pod.uid in setting.attribution.stand_ins for pod in pods)
    if stand_ins:
        notes.append(f"{stand_ins} of its pods stand in for ones that never served")
    end = ended if ended is not None else setting.now
    others = Counter(
        setting.attribution.causes[pod.uid]
        for pod in setting.scaled.pods.values()
        if pod.uid in setting.attribution.causes
        and pod.created is not None
        and decision.decided.earliest <= pod.created.latest
        and pod.created.earliest <= end
    )
    if others:
        told = ", ".join(f"{count} by {cause}" for cause, count in sorted(others.items()))
        notes.append(f"meanwhile other pods were made: {told}")
    return notes


def _current(scaled: Scaled) -> str:
    return max(scaled.templates, key=lambda name: (scaled.revisions[name], scaled.templates[name].earliest), default="")
