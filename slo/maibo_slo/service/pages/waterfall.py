"""The page of one scale-up: a waterfall of its phases and of its pods. No numbers are made here.

Every drawing is an SVG without a viewBox, x in percent, as in `shapes`; each says in words what it shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_slo.service.pages import units
from maibo_slo.service.pages.language import gettext
from maibo_slo.service.pages.scaleup_words import POD_WORDS, SAYING_MORE, clocks, pods_in_words, seconds
from maibo_slo.service.pages.scaleups import ScaleUpRow, row_of
from maibo_slo.service.pages.scaling import face
from maibo_slo.service.pages.shapes import Tick, hundredths
from maibo_slo.store.scaleups import PodState, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.service.scaleup_answers import OneScaleUpAnswer, PhaseAnswer, PodAnswer

PODS: Final = 60
"""So many have a row of the waterfall: those that took longest."""
_TICKS: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21_600, 86_400)


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


def scaleup_page(answer: OneScaleUpAnswer, *, base: str) -> ScaleUpPage:
    """The waterfall: a row a phase of the decision, then one a pod."""
    shown_pods = answer.added_pods[:PODS]
    drawn = [*answer.phases, *(phase for pod in shown_pods for phase in pod.phases)]
    longest = max([answer.latency.latest, *(phase.end.latest for phase in drawn), 1e-3])
    labels = {phase.stage: gettext(phase.label) for phase in drawn}
    return ScaleUpPage(
        answer=answer,
        row=row_of(answer, now=answer.now, base=base),
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
    state = gettext(POD_WORDS[of.state]) + (f": {of.unschedulable}" if of.unschedulable else "")
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
