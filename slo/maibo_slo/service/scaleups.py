"""Scale-ups as answers: what each went through and how long that took, and what they take by workload and phase."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from maibo_slo.engine import lifetimes
from maibo_slo.service.answers import Span
from maibo_slo.service.flows import utc
from maibo_slo.service.scaleup_answers import (
    MOST,
    Durations,
    OneScaleUpAnswer,
    PhaseSummary,
    PodAnswer,
    QuantileAnswer,
    ScaleUpAnswer,
    ScaleUpsAnswer,
    ScaleUpSummaryAnswer,
    WorkloadScaleUps,
)
from maibo_slo.service.scaleup_phases import LABELS, between, moments, ms, phase, since, where
from maibo_slo.store import rises
from maibo_slo.store import scaleups as stored
from maibo_slo.store.scaleups import Moment, PodState, ScaleUpState, Stage
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from maibo_slo.engine.lifetimes import Lasted
    from maibo_slo.service.scaleups_seen import ScaleUpsSeen
    from maibo_slo.store import Store
    from maibo_slo.store.scaleups import Brief, PodTimes, ScaleUp

LEVELS: Final = (0.5, 0.9, 0.99)


def scaleups(
    seen: ScaleUpsSeen,
    begin: int,
    end: int,
    *,
    workload: str = "",
    states: Collection[ScaleUpState] = (),
    limit: int = 100,
    now: float,
) -> ScaleUpsAnswer:
    """Those decided in [begin, end), as they stood at its end. ValueError when that is no workload."""
    found, cut = _found(seen, begin, end, workload, now)
    chosen = [each for each in found if not states or each.state in states]
    return _list(chosen, _span(begin, end, now), limit=limit, cut=cut, now=now)


def summary(seen: ScaleUpsSeen, begin: int, end: int, *, workload: str = "", now: float) -> ScaleUpSummaryAnswer:
    """The same by workload, those with most scale-ups first. ValueError when that is no workload."""
    found, cut = _found(seen, begin, end, workload, now)
    return _by_workload(found, _span(begin, end, now), cut=cut, now=now)


def both(
    seen: ScaleUpsSeen, begin: int, end: int, *, workload: str = "", limit: int = 100, now: float
) -> tuple[ScaleUpsAnswer, ScaleUpSummaryAnswer]:
    """List and summary of the same scale-ups."""
    (found, cut), window = _found(seen, begin, end, workload, now), _span(begin, end, now)
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
        moments=moments(found.moments),
        added_pods=sorted(pods, key=lambda pod: (pod.serving, -pod.seconds.latest, pod.name)),
        served_by=served_by,
    )


def _found(seen: ScaleUpsSeen, begin: int, end: int, workload: str, now: float) -> tuple[list[Brief], bool]:
    """The oldest first, and whether there are more than are looked at; a workload by its whole name, or by its last part."""
    which = Workload.of(workload) if "/" in workload else None
    found = seen.between(begin, end, which, newest=MOST + 1, past=end < now)
    cut, found = len(found) > MOST, found[-MOST:]
    return [each for each in found if which is not None or not workload or each.workload.name == workload], cut


def _list(found: Sequence[Brief], window: Span, *, limit: int, cut: bool, now: float) -> ScaleUpsAnswer:
    newest = found[::-1][:limit]
    return ScaleUpsAnswer(
        now=utc(now),
        window=window,
        scaleups=[_answer(each, _until(window, now)) for each in newest],
        omitted=len(found) - len(newest),
        cut=cut,
    )


def _by_workload(found: Sequence[Brief], window: Span, *, cut: bool, now: float) -> ScaleUpSummaryAnswer:
    by: defaultdict[Workload, list[Brief]] = defaultdict(list)
    for each in found:
        by[each.workload].append(each)
    ranked = sorted(by.items(), key=lambda each: (-len(each[1]), each[0]))
    until = _until(window, now)
    return ScaleUpSummaryAnswer(
        now=utc(now), window=window, workloads=[_summary(one, of, until) for one, of in ranked], cut=cut
    )


def _until(window: Span, now: float) -> float:
    """How long what runs has lasted so far."""
    return min(now, window.end.timestamp())


def _answer(of: ScaleUp | Brief, now: float) -> ScaleUpAnswer:
    begin = lifetimes.began(of)
    took = lifetimes.latency(of, now=now)
    pods = of.together
    phases = [phase(each, begin, waited=pods.waited) for each in lifetimes.phases(of, now=now)]
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
        latency=between(took),
        censored=not took.observed,
        half=None if of.half is None else since(begin, of.half),
        most=None if of.most is None else since(begin, of.most),
        warm=not pods.waited,
        where=where(phases, took),
        phases=phases,
        pods=dict(pods.states),
        skews=of.skews,
        notes=list(of.notes),
        version=of.version,
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
        phases=[phase(each, begin, waited=of.waited) for each in found],
        seconds=since(begin, end),
        serving=serving,
        ended=None if of.ended is None else utc(of.ended),
        image_bytes=of.image_bytes,
        pull_seconds=of.pull_seconds,
        pull_queued_seconds=of.pull_queued_seconds,
        node_provisioned=of.node_provisioned,
        unschedulable=of.unschedulable,
        moments=moments(of.moments),
    )


def _summary(workload: Workload, of: Sequence[Brief], now: float) -> WorkloadScaleUps:
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
        None if each.lower is None else QuantileAnswer(earliest=ms(each.lower), latest=_ms_or_none(each.upper))
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


def _ms_or_none(seconds: float | None) -> float | None:
    return None if seconds is None else ms(seconds)


def _span(begin: int, end: int, now: float) -> Span:
    until = max(begin + 1, min(end, int(now) + 1))
    return Span(begin=utc(begin), end=utc(until), seconds=until - begin)
