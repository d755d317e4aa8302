"""Scale-ups as answers: what each went through and how long that took, and what they take by workload and phase.

Times that Kubernetes writes to the second are known to the second: each duration here has the shortest and the longest that it can have been.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import Field

from maibo_slo.engine import lifetimes
from maibo_slo.service.answers import Answer, Span
from maibo_slo.service.flows import utc
from maibo_slo.store import rises
from maibo_slo.store import scaleups as stored
from maibo_slo.store.scaleups import Moment, PodState, ScaleUp, ScaleUpState, Stage
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from maibo_slo.engine.lifetimes import Lasted, Phase
    from maibo_slo.store import Store
    from maibo_slo.store.scaleups import PodTimes

LEVELS: Final = (0.5, 0.9, 0.99)
LABELS: Final[Mapping[Stage, str]] = {
    Stage.TRIGGER: "trigger",
    Stage.SERVED: "signal",
    Stage.DECIDED: "decision",
    Stage.CREATED: "pods created",
    Stage.SCHEDULED: "scheduling",
    Stage.PULLED: "image pull",
    Stage.STARTED: "start",
    Stage.READY: "readiness",
    Stage.IN_ROTATION: "rotation",
    Stage.FIRST_JOURNEY: "first journey",
}
"""What a phase is called, by the stage that ends it."""
DOING: Final[Mapping[Stage, str]] = {
    Stage.SERVED: "until the signal was served",
    Stage.DECIDED: "until it was decided",
    Stage.CREATED: "creating pods",
    Stage.SCHEDULED: "scheduling",
    Stage.PULLED: "pulling images",
    Stage.STARTED: "starting containers",
    Stage.READY: "becoming ready",
    Stage.IN_ROTATION: "getting into rotation",
    Stage.FIRST_JOURNEY: "until the first journey",
}
"""What a phase is about, by the same."""
WAITING: Final = "waiting for a node"
PULL_AND_START: Final = "pulling images and starting containers"
"""Where nobody told when the images were there."""
MOST: Final = 2_000
"""So many of a window's are looked at, the newest: reading them takes some 2 s."""
_MAIN: Final = 0.5
"""Share of the time that one phase must have to be told alone."""


_CUT: Final = (
    f"the window has more: only its newest {MOST} were looked at, of all workloads or of the one that was asked for"
)


class Between(Answer):
    """A time in seconds that is known as an interval."""

    earliest: float = Field(description="at the earliest, seconds", examples=[61.0])
    latest: float = Field(description="at the latest, seconds", examples=[63.0])


class QuantileAnswer(Answer):
    """A quantile of durations, by the Kaplan-Meier estimate: who never ended took longer than it lasted."""

    earliest: float = Field(description="of all durations at their shortest, seconds")
    latest: float | None = Field(default=None, description="of all at their longest; null: longer than any that ended")


class Durations(Answer):
    """How long something took, over several scale-ups."""

    count: int
    censored: int = Field(description="of these, never ended or not over yet: known to be longer than they lasted")
    longest: float | None = Field(default=None, description="seconds that one lasted at the least; null without any")
    p50: QuantileAnswer | None = Field(
        default=None, description="null: too many are censored to tell, so longer than any that ended"
    )
    p90: QuantileAnswer | None = None
    p99: QuantileAnswer | None = None


class MomentAnswer(Answer):
    """When something happened: at some time of this interval, by its source's clock."""

    earliest: datetime
    latest: datetime
    received: datetime | None = Field(default=None, description="when the recorder saw it, by its own clock")
    source: str = Field(examples=["condition", "eventTime", "creationTimestamp"])


class PhaseAnswer(Answer):
    """What came before a stage. Seconds count from the begin of the scale-up."""

    stage: Stage = Field(description="that ends it")
    after: Stage = Field(description="that it begins with")
    label: str = Field(examples=["scheduling"])
    doing: str = Field(description="what it was about, in words", examples=[WAITING])
    begin: Between
    end: Between = Field(description="of one that is not over: until when it lasted so far")
    seconds: Between = Field(description="how long it took")
    over: bool = Field(description="false: it was in the middle of this when it was censored, or is")


class PodAnswer(Answer):
    """One pod that was added."""

    name: str
    node: str
    state: PodState
    phases: list[PhaseAnswer] = Field(description="from the decision on")
    seconds: Between = Field(description="from the begin of the scale-up until it served, or so far")
    serving: bool
    ended: datetime | None = Field(default=None, description="when it was censored")
    image_bytes: int | None = None
    pull_seconds: float | None = Field(
        default=None, description="by the kubelet's own word, without queueing; 0: it was there"
    )
    pull_queued_seconds: float | None = None
    node_provisioned: bool = Field(description="it found no room, and its node came after it")
    unschedulable: str = Field(description="what the scheduler last said against it")
    moments: dict[Stage, MomentAnswer]


class ScaleUpAnswer(Answer):
    """One decision to run more replicas."""

    id: str = Field(examples=["shop/Deployment/checkout-api@1769860626000"])
    workload: str = Field(examples=["shop/Deployment/checkout-api"])
    before: int
    after: int
    by: str = Field(description="who decided", examples=["hpa", "keda", "fast_lane", "somebody"])
    reason: str
    state: ScaleUpState
    why_censored: str
    began_at: datetime = Field(description="the trigger, where it is known, else the decision")
    decided_at: datetime
    since: Stage = Field(description="what the latency is counted from: trigger or decided")
    latency: Between = Field(description="seconds until as many pods as were added served; censored: it is longer")
    censored: bool = Field(description="it is not over, or never will be")
    half: Between | None = Field(default=None, description="seconds until half of the added pods served")
    most: Between | None = Field(default=None, description="until nine tenths of them did")
    warm: bool = Field(description="no pod had to wait for a new node")
    where: str = Field(description="where the time went", examples=["62 of 74 s: waiting for a node"])
    phases: list[PhaseAnswer]
    pods: dict[PodState, int] = Field(description="how many are in which state")
    skews: int = Field(description="moments before what must be before them: clocks differ")
    notes: list[str]
    version: str = Field(description="hash of the pod template")


class OneScaleUpAnswer(ScaleUpAnswer):
    """The same with its moments and pods."""

    now: datetime
    moments: dict[Stage, MomentAnswer]
    added_pods: list[PodAnswer] = Field(description="those that took longest first; censored ones before them")
    served_by: str = Field("", description="the face that told a scaler first; '' nobody knows", examples=["keda"])


class ScaleUpsAnswer(Answer):
    """Scale-ups that were decided in a window, the newest first."""

    now: datetime
    window: Span
    scaleups: list[ScaleUpAnswer]
    omitted: int = Field(description="older ones that fit as well")
    cut: bool = Field(description=_CUT)


class PhaseSummary(Durations):
    """What one phase takes."""

    stage: Stage
    label: str


class WorkloadScaleUps(Answer):
    """What the scale-ups of one workload took."""

    workload: str
    count: int
    complete: int
    censored: int
    running: int
    triggered: int = Field(
        description="latency counted from the trigger; of the others, which no signal of ours asked for, from the decision"
    )
    warm: int = Field(description="no pod had to wait for a new node; of those that are not running")
    warm_share: float | None = Field(default=None, description="null where none has ended")
    latency: Durations
    phases: list[PhaseSummary]


class ScaleUpSummaryAnswer(Answer):
    """Scale-ups that were decided in a window, by workload."""

    now: datetime
    window: Span
    workloads: list[WorkloadScaleUps]
    cut: bool = Field(description=_CUT)


def scaleups(
    store: Store,
    begin: int,
    end: int,
    *,
    workload: str = "",
    states: Collection[ScaleUpState] = (),
    limit: int = 100,
    now: float,
) -> ScaleUpsAnswer:
    """Those decided in [begin, end). ValueError when that is no workload."""
    found, cut = _found(store, begin, end, workload)
    chosen = [each for each in found if not states or each.state in states]
    return _list(chosen, _span(begin, end, now), limit=limit, cut=cut, now=now)


def summary(store: Store, begin: int, end: int, *, workload: str = "", now: float) -> ScaleUpSummaryAnswer:
    """The same by workload, those with most scale-ups first. ValueError when that is no workload."""
    found, cut = _found(store, begin, end, workload)
    return _by_workload(found, _span(begin, end, now), cut=cut, now=now)


def both(
    store: Store, begin: int, end: int, *, workload: str = "", limit: int = 100, now: float
) -> tuple[ScaleUpsAnswer, ScaleUpSummaryAnswer]:
    """List and summary of the same scale-ups, read once: a thousand of them with 30 pods each are more than a second of work."""
    (found, cut), window = _found(store, begin, end, workload), _span(begin, end, now)
    return _list(found, window, limit=limit, cut=cut, now=now), _by_workload(found, window, cut=cut, now=now)


def scaleup(store: Store, scaleup_id: str, *, now: float) -> OneScaleUpAnswer | None:
    """One of them; None when there is none of this id."""
    found = stored.find(store, scaleup_id)
    if found is None:
        return None
    rise = rises.newest(store, found.workload, found.moments[Stage.DECIDED].latest, found.after)
    return one_answer(found, now=now, served_by="" if rise is None else rise.served_by)


def one_answer(found: ScaleUp, *, now: float, served_by: str = "") -> OneScaleUpAnswer:
    """All that is known of it."""
    begin = lifetimes.began(found)
    pods = [_pod(each, found, begin, now) for each in found.pods]
    return OneScaleUpAnswer(
        **dict(_answer(found, now)),
        now=utc(now),
        moments=_moments(found.moments),
        added_pods=sorted(pods, key=lambda pod: (pod.serving, -pod.seconds.latest, pod.name)),
        served_by=served_by,
    )


def _found(store: Store, begin: int, end: int, workload: str) -> tuple[list[ScaleUp], bool]:
    """The oldest first, and whether there are more than are looked at; a workload by its whole name, or by its last part."""
    which = Workload.of(workload) if "/" in workload else None
    found = stored.scaleups(store, begin, end, which, newest=MOST + 1)
    cut, found = len(found) > MOST, found[-MOST:]
    return [each for each in found if which is not None or not workload or each.workload.name == workload], cut


def _list(found: Sequence[ScaleUp], window: Span, *, limit: int, cut: bool, now: float) -> ScaleUpsAnswer:
    newest = found[::-1][:limit]
    return ScaleUpsAnswer(
        now=utc(now),
        window=window,
        scaleups=[_answer(each, now) for each in newest],
        omitted=len(found) - len(newest),
        cut=cut,
    )


def _by_workload(found: Sequence[ScaleUp], window: Span, *, cut: bool, now: float) -> ScaleUpSummaryAnswer:
    by: defaultdict[Workload, list[ScaleUp]] = defaultdict(list)
    for each in found:
        by[each.workload].append(each)
    ranked = sorted(by.items(), key=lambda each: (-len(each[1]), each[0]))
    return ScaleUpSummaryAnswer(
        now=utc(now), window=window, workloads=[_summary(one, of, now) for one, of in ranked], cut=cut
    )


def _answer(of: ScaleUp, now: float) -> ScaleUpAnswer:
    begin = lifetimes.began(of)
    took = lifetimes.latency(of, now=now)
    phases = [_phase(each, begin, waited=not lifetimes.is_warm(of)) for each in lifetimes.phases(of, now=now)]
    return ScaleUpAnswer(
        id=of.id,
        workload=str(of.workload),
        before=of.before,
        after=of.after,
        by=of.by,
        reason=of.reason,
        state=of.state,
        why_censored=of.why_censored,
        began_at=utc(begin.earliest),
        decided_at=utc(of.moments[Stage.DECIDED].earliest),
        since=Stage.TRIGGER if Stage.TRIGGER in of.moments else Stage.DECIDED,
        latency=_between(took),
        censored=not took.observed,
        half=None if of.half is None else _since(begin, of.half),
        most=None if of.most is None else _since(begin, of.most),
        warm=lifetimes.is_warm(of),
        where=where(phases, took),
        phases=phases,
        pods={state: number for state in PodState if (number := Counter(pod.state for pod in of.pods)[state])},
        skews=of.skews,
        notes=list(of.notes),
        version=of.version,
    )


def where(phases: Sequence[PhaseAnswer], took: Lasted) -> str:
    """``62 of 74 s: waiting for a node``: the phase that took most, or the two that did."""
    total = (took.lower + took.upper) / 2
    first, *second = took_most(phases, total) or [("", "")]
    if not first[1]:
        return ""
    said = f"{first[0]} of {brief_seconds(total)} s: {first[1]}"
    return said if not second else f"{said}; {second[0][0]} s: {second[0][1]}"


def took_most(phases: Sequence[PhaseAnswer], total: float) -> list[tuple[str, str]]:
    """Of so many seconds: the phase that took most, or the two that did; how long each took, and what it was about."""
    until = [each for each in phases if each.stage is not Stage.FIRST_JOURNEY]
    longest = sorted(until, key=lambda each: -_middle(each.seconds))[:2]
    if not longest or total <= 0:
        return []
    if len(longest) == 1 or _middle(longest[0].seconds) >= _MAIN * total:
        longest = longest[:1]
    return [(brief_seconds(_middle(each.seconds)), each.doing) for each in longest]


def _phase(of: Phase, begin: Moment, *, waited: bool) -> PhaseAnswer:
    """`waited`: for a node, before it was scheduled."""
    doing = DOING[of.stage]
    if of.stage is Stage.SCHEDULED and waited:
        doing = WAITING
    elif of.stage is Stage.STARTED and of.after is Stage.SCHEDULED:
        doing = PULL_AND_START
    return PhaseAnswer(
        stage=of.stage,
        after=of.after,
        label=LABELS[of.stage],
        doing=doing,
        begin=_since(begin, of.begin),
        end=_since(begin, of.end),
        seconds=_between(of.lasted),
        over=of.over,
    )


def _pod(of: PodTimes, scaleup: ScaleUp, begin: Moment, now: float) -> PodAnswer:
    decided = scaleup.moments[Stage.DECIDED]
    serving = of.state is PodState.SERVING
    found = lifetimes.pod_phases(of, decided, is_over=serving, until=now)
    last = [each for each in found if each.stage is not Stage.FIRST_JOURNEY][-1:]
    end = last[0].end if last else decided
    return PodAnswer(
        name=of.name,
        node=of.node,
        state=of.state,
        phases=[_phase(each, begin, waited=lifetimes.waited(of)) for each in found],
        seconds=_since(begin, end),
        serving=serving,
        ended=None if of.ended is None else utc(of.ended),
        image_bytes=of.image_bytes,
        pull_seconds=of.pull_seconds,
        pull_queued_seconds=of.pull_queued_seconds,
        node_provisioned=of.node_provisioned,
        unschedulable=of.unschedulable,
        moments=_moments(of.moments),
    )


def _summary(workload: Workload, of: Sequence[ScaleUp], now: float) -> WorkloadScaleUps:
    states = Counter(each.state for each in of)
    warmth = lifetimes.warmth(of)
    return WorkloadScaleUps(
        workload=str(workload),
        count=len(of),
        complete=states[ScaleUpState.COMPLETE],
        censored=states[ScaleUpState.CENSORED],
        running=states[ScaleUpState.RUNNING],
        triggered=sum(Stage.TRIGGER in each.moments for each in of),
        warm=warmth.warm,
        warm_share=warmth.share,
        latency=_durations([lifetimes.latency(each, now=now) for each in of]),
        phases=[
            PhaseSummary(stage=stage, label=LABELS[stage], **dict(_durations(durations)))
            for stage, durations in lifetimes.by_phase(of, now=now).items()
        ],
    )


def _durations(of: Sequence[Lasted]) -> Durations:
    p50, p90, p99 = (
        None if each.lower is None else QuantileAnswer(earliest=_ms(each.lower), latest=_ms_or_none(each.upper))
        for each in lifetimes.between(of, LEVELS)
    )
    return Durations(
        count=len(of),
        censored=sum(not each.observed for each in of),
        longest=_ms_or_none(max((each.lower for each in of), default=None)),
        p50=p50,
        p90=p90,
        p99=p99,
    )


def _moments(of: Mapping[Stage, Moment]) -> dict[Stage, MomentAnswer]:
    return {
        stage: MomentAnswer(
            earliest=utc(of[stage].earliest),
            latest=utc(of[stage].latest),
            received=None if (received := of[stage].received) is None else utc(received),
            source=of[stage].source,
        )
        for stage in lifetimes.ORDER
        if stage in of
    }


def _since(begin: Moment, at: Moment) -> Between:
    """On the scale that begins when the scale-up did at the earliest."""
    return Between(
        earliest=_ms(max(0.0, at.earliest - begin.earliest)), latest=_ms(max(0.0, at.latest - begin.earliest))
    )


def _between(took: Lasted) -> Between:
    return Between(earliest=_ms(took.lower), latest=_ms(took.upper))


def _middle(of: Between) -> float:
    return (of.earliest + of.latest) / 2


def brief_seconds(of: float) -> str:
    """Whole ones, or with a tenth where there are few."""
    return f"{of:.0f}" if of >= 9.95 else f"{of:.1f}"


def _ms(seconds: float) -> float:
    """Without the dust of floats."""
    return round(seconds, 3)


def _ms_or_none(seconds: float | None) -> float | None:
    return None if seconds is None else _ms(seconds)


def _span(begin: int, end: int, now: float) -> Span:
    until = max(begin + 1, min(end, int(now) + 1))
    return Span(begin=utc(begin), end=utc(until), seconds=until - begin)
