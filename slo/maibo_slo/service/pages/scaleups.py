"""The pages at /scaleups: what scale-ups took by workload and phase, and one as a waterfall. No numbers are made here.

Every drawing is an SVG without a viewBox, x in percent, as in `shapes`; each says in words what it shows.
"""

# ruff: noqa: RUF001, RUF002 -- an en dash between two numbers is typography, not a typing error
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from maibo_slo.service.pages import units
from maibo_slo.service.pages.language import gettext, marked, ngettext
from maibo_slo.service.pages.links import with_query
from maibo_slo.service.pages.scaling import face
from maibo_slo.service.pages.shapes import Tick, hundredths
from maibo_slo.service.scaleups import PULL_AND_START, WAITING, Between, PhaseSummary, brief_seconds, took_most
from maibo_slo.store.scaleups import PodState, ScaleUpState, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from maibo_slo.service.answers import Span
    from maibo_slo.service.scaleups import (
        OneScaleUpAnswer,
        PhaseAnswer,
        PodAnswer,
        QuantileAnswer,
        ScaleUpAnswer,
        ScaleUpsAnswer,
        ScaleUpSummaryAnswer,
        WorkloadScaleUps,
    )

PODS: Final = 60
"""So many have a row of the waterfall: those that took longest."""
DEFAULT_WINDOW: Final = "7d"
_TICKS: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21_600, 86_400)
_POD_WORDS: Final[Mapping[PodState, str]] = {
    PodState.SERVING: marked("serving"),
    PodState.STARTING: marked("starting"),
    PodState.NEVER_READY: marked("never ready"),
    PodState.SUPERSEDED: marked("superseded"),
}
SAYING_MORE: Final = (WAITING, PULL_AND_START)
"""What is told beside a phase, for its label does not."""
TONES: Final[Mapping[ScaleUpState, tuple[str, str]]] = {
    ScaleUpState.COMPLETE: ("good", "check"),
    ScaleUpState.RUNNING: ("warn", "clock"),
    ScaleUpState.CENSORED: ("bad", "cross"),
}
_STATES: Final[Mapping[ScaleUpState, str]] = {
    ScaleUpState.COMPLETE: marked("complete"),
    ScaleUpState.RUNNING: marked("running"),
    ScaleUpState.CENSORED: marked("censored"),
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a bar: x and width in percent."""

    kind: str
    """The stage that ends the phase."""
    x: float
    width: float
    sure: bool
    """Else it was going on at some time in it."""


@dataclass(frozen=True, slots=True)
class WaterfallRow:
    """A phase of the decision, or a pod."""

    name: str
    segments: tuple[Segment, ...]
    took: str
    words: str
    """What the bar shows, in words."""
    remark: str = ""
    censored_at: float | None = None
    """Percent; where a pod got no further."""


@dataclass(frozen=True, slots=True)
class StackPart:
    """One phase of a workload's stacked bar."""

    kind: str
    label: str
    x: float
    width: float
    words: str


@dataclass(frozen=True, slots=True)
class WorkloadRow:
    """One workload of the list."""

    answer: WorkloadScaleUps
    href: str
    p50: str
    p90: str
    p99: str
    since: str
    """What their latency is counted from."""
    stack: tuple[StackPart, ...]
    words: str


@dataclass(frozen=True, slots=True)
class ScaleUpRow:
    """One scale-up of the list."""

    answer: ScaleUpAnswer
    href: str
    when: str
    changed: str
    latency: str
    state: str
    where: str
    """Where the time went."""
    tone: str
    icon: str


@dataclass(frozen=True, slots=True)
class ScaleUpsPage:
    """The page at /scaleups."""

    now: datetime
    window: Span
    workload: str
    workloads: tuple[WorkloadRow, ...]
    scaleups: tuple[ScaleUpRow, ...]
    omitted: int
    kinds: tuple[tuple[str, str], ...]
    """Phases that are drawn: kind and label."""
    clear_href: str
    cut: bool


@dataclass(frozen=True, slots=True)
class ScaleUpPage:
    """The page of one scale-up."""

    answer: OneScaleUpAnswer
    row: ScaleUpRow
    ticks: tuple[Tick, ...]
    phases: tuple[WaterfallRow, ...]
    pods: tuple[WaterfallRow, ...]
    omitted: int
    """Pods without a row."""
    kinds: tuple[tuple[str, str], ...]
    pods_words: str
    half: str
    most: str
    skews: str
    served_by: str
    """The face that told a scaler first, in words; '' nobody knows."""


def scaleups_page(
    found: ScaleUpsAnswer, summary: ScaleUpSummaryAnswer, *, base: str, carried: Mapping[str, str], workload: str
) -> ScaleUpsPage:
    """Workloads with their phases, and the newest scale-ups."""
    highest = max((_length(each) for each in summary.workloads), default=0.0)
    kinds = {
        phase.stage: gettext(phase.label)
        for each in summary.workloads
        for phase in each.phases
        if _p50(phase) is not None
    }
    return ScaleUpsPage(
        now=found.now,
        window=found.window,
        workload=workload,
        workloads=tuple(_workload(each, highest, base=base, carried=carried) for each in summary.workloads),
        scaleups=tuple(_listed(each, now=found.now, base=base) for each in found.scaleups),
        omitted=found.omitted,
        kinds=tuple(
            (stage.value, kinds[stage]) for stage in Stage if stage in kinds and stage is not Stage.FIRST_JOURNEY
        ),
        clear_href=list_href(base=base, carried=carried),
        cut=summary.cut,
    )


def scaleup_page(answer: OneScaleUpAnswer, *, base: str) -> ScaleUpPage:
    """The waterfall: a row a phase of the decision, then one a pod."""
    shown_pods = answer.added_pods[:PODS]
    drawn = [*answer.phases, *(phase for pod in shown_pods for phase in pod.phases)]
    longest = max([answer.latency.latest, *(phase.end.latest for phase in drawn), 1e-3])
    labels = {phase.stage: gettext(phase.label) for phase in drawn}
    return ScaleUpPage(
        answer=answer,
        row=_listed(answer, now=answer.now, base=base),
        ticks=_ticks(longest),
        phases=tuple(_phase(each, longest) for each in answer.phases),
        pods=tuple(_pod(each, longest) for each in shown_pods),
        omitted=len(answer.added_pods) - len(shown_pods),
        kinds=tuple((stage.value, labels[stage]) for stage in Stage if stage in labels),
        pods_words=pods_in_words(answer),
        half="" if answer.half is None else seconds(answer.half),
        most="" if answer.most is None else seconds(answer.most),
        skews=clocks(answer.skews) if answer.skews else "",
        served_by=face(answer.served_by),
    )


def scaleup_href(scaleup_id: str, *, base: str) -> str:
    """Where the page of one is: its id is three segments of the path."""
    return f"{base}/scaleups/{quote(scaleup_id, safe='/@', errors='replace')}"


def list_href(*, base: str, carried: Mapping[str, str], workload: str = "") -> str:
    """Where the list is."""
    return with_query(f"{base}/scaleups", {**carried, **({"workload": workload} if workload else {})})


def is_workload(text: str) -> bool:
    """Whether it can be asked for: NAMESPACE/KIND/NAME, or NAME alone."""
    return bool(text) and (text.count("/") == 0 or (text.count("/") == 2 and all(text.split("/"))))


def seconds(of: Between, *, longer: bool = False) -> str:
    """A duration that is known as an interval; `longer`: it lasted so long, and is not over.

    >>> [seconds(Between(earliest=a, latest=b)) for a, b in ((0, 1), (2.4, 3.4), (12.26, 12.26), (61.2, 62.2), (700, 701))]
    ['0–1 s', '2.4–3.4 s', '12 s', '61–62 s', '11 min 40 s']
    >>> seconds(Between(earliest=120.4, latest=121.4), longer=True)
    '>120 s'
    """
    if longer:
        return f">{_number(of.earliest)} s" if of.earliest < 600 else f">{_period(of.earliest)}"
    if of.latest >= 600:
        return _period(of.earliest)
    first, last = _number(of.earliest), _number(of.latest)
    return f"{first} s" if first == last else f"{first}–{last} s"


def quantile(of: QuantileAnswer | None, longest: float | None) -> str:
    """A quantile: ``>120 s`` where too many are censored to tell, and an en dash without any.

    >>> quantile(None, 120.0), quantile(None, None)
    ('>120 s', '–')
    """
    if of is not None and of.latest is not None:
        return seconds(Between(earliest=of.earliest, latest=of.latest))
    least = longest if of is None else of.earliest
    return units.NO_DATA if least is None else seconds(Between(earliest=least, latest=least), longer=True)


def changed(of: ScaleUpAnswer) -> str:
    """``10 → 40``."""
    return f"{of.before} → {of.after}"


def pods_in_words(of: ScaleUpAnswer) -> str:
    """``30 pods: 28 serving, 2 never ready``."""
    said = gettext(", ").join(f"{many} {gettext(_POD_WORDS[state])}" for state, many in of.pods.items())
    pods = ngettext("%(num)s pod", "%(num)s pods", sum(of.pods.values()))
    return f"{pods}{gettext(': ')}{said}" if said else pods


def where(of: ScaleUpAnswer) -> str:
    """``62 of 74 s: waiting for a node``; the same as the answer says in English."""
    total = (of.latency.earliest + of.latency.latest) / 2
    first, *second = took_most(of.phases, total) or [("", "")]
    if not first[1]:
        return ""
    said = gettext(
        "%(time)s of %(total)s s: %(doing)s", time=first[0], total=brief_seconds(total), doing=gettext(first[1])
    )
    for time, doing in second:
        said += gettext("; %(time)s s: %(doing)s", time=time, doing=gettext(doing))
    return said


def counted_from(of: WorkloadScaleUps) -> str:
    """What their latency is counted from: two figures of one distribution that mean different things are told apart.

    >>> from types import SimpleNamespace as Of
    >>> [counted_from(Of(count=5, triggered=n)) for n in (0, 2, 5)]
    ['from the decision', '2 from the trigger, 3 from the decision', 'from the trigger']
    """
    decided = of.count - of.triggered
    if not decided or not of.triggered:
        return gettext("from the decision") if decided else gettext("from the trigger")
    return gettext(
        "%(triggered)s from the trigger, %(decided)s from the decision", triggered=of.triggered, decided=decided
    )


def clocks(skews: int) -> str:
    """What a count of skews means."""
    return ngettext(
        "%(num)s moment comes before what must have been before, beyond what they are known to: clocks differ, so do not trust short phases",
        "%(num)s moments come before what must have been before, beyond what they are known to: clocks differ, so do not trust short phases",
        skews,
    )


def _workload(of: WorkloadScaleUps, highest: float, *, base: str, carried: Mapping[str, str]) -> WorkloadRow:
    parts: list[StackPart] = []
    x = 0.0
    for phase in of.phases:
        middle = _p50(phase)
        if middle is None or phase.stage is Stage.FIRST_JOURNEY or not highest:
            continue
        width = middle / highest * 100
        label = gettext(phase.label)
        said = gettext(
            "%(phase)s: P50 %(half)s, P90 %(most)s",
            phase=label,
            half=quantile(phase.p50, phase.longest),
            most=quantile(phase.p90, phase.longest),
        )
        parts.append(StackPart(phase.stage.value, label, hundredths(x), hundredths(width), said))
        x += width
    return WorkloadRow(
        answer=of,
        href=list_href(base=base, carried=carried, workload=of.workload),
        p50=quantile(of.latency.p50, of.latency.longest),
        p90=quantile(of.latency.p90, of.latency.longest),
        p99=quantile(of.latency.p99, of.latency.longest),
        since=counted_from(of),
        stack=tuple(parts),
        words=gettext("; ").join(part.words for part in parts) or gettext("no phase has ended"),
    )


def _length(of: WorkloadScaleUps) -> float:
    return sum(_p50(phase) or 0.0 for phase in of.phases if phase.stage is not Stage.FIRST_JOURNEY)


def _p50(phase: PhaseSummary) -> float | None:
    found = phase.p50
    return None if found is None or found.latest is None else (found.earliest + found.latest) / 2


def _listed(of: ScaleUpAnswer, *, now: datetime, base: str) -> ScaleUpRow:
    tone, icon = TONES[of.state]
    return ScaleUpRow(
        answer=of,
        href=scaleup_href(of.id, base=base),
        when=units.moment(of.decided_at, now=now),
        changed=changed(of),
        latency=seconds(of.latency, longer=of.censored),
        state=gettext(_STATES[of.state]),
        where=where(of),
        tone=tone,
        icon=icon,
    )


def _phase(of: PhaseAnswer, longest: float) -> WaterfallRow:
    took = seconds(of.seconds, longer=not of.over)
    end = seconds(of.end) if of.over else gettext("now or when it was censored")
    label = gettext(of.label)
    return WaterfallRow(
        name=label,
        segments=tuple(_segments(of, longest)),
        took=took,
        words=gettext(
            "%(phase)s: %(time)s, from %(begin)s to %(end)s", phase=label, time=took, begin=seconds(of.begin), end=end
        ),
        remark=gettext(of.doing) if of.doing in SAYING_MORE else "",
    )


def _pod(of: PodAnswer, longest: float) -> WaterfallRow:
    took = seconds(of.seconds, longer=not of.serving)
    parts = gettext(", ").join(
        f"{gettext(each.label)} {seconds(each.seconds, longer=not each.over)}" for each in of.phases
    )
    state = gettext(_POD_WORDS[of.state]) + (f": {of.unschedulable}" if of.unschedulable else "")
    remark = "" if of.serving else state
    stopped = of.state in (PodState.NEVER_READY, PodState.SUPERSEDED)
    return WaterfallRow(
        name=of.name,
        segments=tuple(segment for each in of.phases for segment in _segments(each, longest)),
        took=took,
        words=f"{of.name}: {took} ({parts}){f'; {remark}' if remark else ''}",
        remark=remark or (gettext("%(node)s, new", node=of.node) if of.node_provisioned else of.node),
        censored_at=hundredths(min(100.0, of.seconds.latest / longest * 100)) if stopped else None,
    )


def _segments(of: PhaseAnswer, longest: float) -> Sequence[Segment]:
    """What is sure, between what is not. A phase shorter than its moments are known to is nothing but unsure."""
    kind, begin, end = of.stage.value, of.begin, of.end
    if begin.latest >= end.earliest:
        found = [(begin.earliest, end.latest, False)]
    else:
        found = [
            (begin.earliest, begin.latest, False),
            (begin.latest, end.earliest, True),
            (end.earliest, end.latest, False),
        ]
    return [
        Segment(kind, hundredths(first / longest * 100), hundredths(max(0.15, (last - first) / longest * 100)), sure)
        for first, last, sure in found
        if last > first or len(found) == 1
    ]


def _ticks(longest: float) -> tuple[Tick, ...]:
    """Round times, every other one for wide paper alone."""
    step = next((each for each in _TICKS if longest / each <= 8), _TICKS[-1])
    return tuple(
        Tick(
            hundredths(at / longest * 100),
            f"{at}{units.SPACE}s" if at < 600 else units.period(at),
            minor=index % 2 == 1,
        )
        for index, at in enumerate(range(0, int(longest) + 1, step))
        if at / longest <= 0.97
    )


def _number(of: float) -> str:
    return f"{of:.0f}" if of >= 9.95 else f"{of:.1f}".removesuffix(".0")


def _period(of: float) -> str:
    return units.period(of).replace(units.SPACE, " ")
