"""What a journey's page says beside its numbers: what became of those that began, why it failed, traces, and what to doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo.semconv import ABANDONED, FAILURE, SUCCESS
from maibo_slo.service.pages import charts, units, words
from maibo_slo.service.pages.language import gettext, marked, ngettext
from maibo_slo.service.pages.shapes import Block, ended, hundredths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maibo_slo.service.answers import Exemplar, JourneyAnswer, JourneyFlow, ReasonCount, Span

FUNNEL_STEPS = 2
"""Declared steps that make a funnel."""
DID_WITHOUT = 0.1
"""Of the journeys that succeeded: where so many did without a step, it is on some ways alone. Fewer may have done it before the window began."""
TRACES_SHOWN = 8
REASONS_SHOWN = 12
SERVICES_NAMED = 4
WHY = {
    "failed": marked("failed"),
    "over_threshold": marked("over the threshold"),
    "slowest": marked("slowest of its kind"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """So many of those that began."""

    kind: str
    """Also its colour."""
    word: str
    count: int | None
    share: float | None


@dataclass(frozen=True, slots=True)
class FlowPanel:
    """What became of the journeys that began in the window."""

    flow: JourneyFlow
    parts: tuple[Part, ...]
    bar: tuple[Block, ...]
    told: bool
    """Whether it is known how many began; else there is no bar either."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the funnel: how many of them there were, beside those of the step before."""

    title: str
    step: str
    """'' of the beginning and the end."""
    count: int
    failed: int
    share: float
    """Of the largest stage, those that began mostly."""
    bar: tuple[Block, ...]
    left: int | None
    """Fewer than at the stage before; None of a step that journeys succeed without: who did not come to it may be well."""
    most_left: bool


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """One reason for failures; the bar's width is a percentage of the most frequent one's."""

    reason: str
    where: str
    count: int
    width: float


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One trace, and why it is worth a look."""

    exemplar: Exemplar
    where: str
    version: str
    why: str


@dataclass(frozen=True, slots=True)
class TraceTable:
    """Traces of failures, or of slow ones."""

    name: str
    title: str
    rows: tuple[TraceRow, ...]
    more: int
    """Further ones among those that were asked for."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What a reader must know before trusting the numbers."""

    text: str
    wrong: bool
    """Something is wrong and can be mended; else it only has to be known."""


def flow_panel(flow: JourneyFlow | None) -> FlowPanel | None:
    """None where nobody began, or nothing is known of it."""
    if flow is None or not (flow.started or flow.succeeded or flow.failed):
        return None

    told = flow.abandoned is not None and flow.in_progress is not None

    def part(kind: str, word: str, count: int | None) -> Part:
        return Part(kind, word, count, None if count is None or not told or not flow.started else count / flow.started)

    parts = (
        part(SUCCESS, gettext("succeeded"), flow.succeeded),
        part(FAILURE, gettext("failed"), flow.failed),
        part(ABANDONED, gettext("abandoned"), flow.abandoned),
        part("under-way", gettext("under way"), flow.in_progress),
    )
    return FlowPanel(flow, parts, charts.flow_bar(flow), told)


def funnel(answer: JourneyAnswer, window: Span) -> tuple[Stage, ...]:
    """From the beginning over the declared steps to the end, each as often as it was counted; () where no steps are declared.

    A step that is done again counts again, so a stage may have more than the one before: nobody left there then. Nobody is said to have left before
    a step that journeys succeed without, such as another way to end; the stage after it is held against the one before it. How many began is counted
    by whole minutes: where the window is not of such, it is another window's number, and no stage.
    """
    steps = [
        (words.value(each.value), each.value, each.count, each.outcomes.get(FAILURE, 0))
        for each in answer.steps
        if each.declared
    ]
    if len(steps) < FUNNEL_STEPS or answer.step or not any(count for _, _, count, _ in steps):
        return ()
    ends = ended(answer.outcomes)
    stages = [*steps, (gettext("ended"), "", sum(ends.values()), ends.get(FAILURE, 0))]
    flow = answer.flow
    # Where fewer began than did the first step, not all that began were told.
    if flow is not None and (flow.begin, flow.end) == (window.begin, window.end) and flow.started >= steps[0][2]:
        stages.insert(0, (gettext("began"), "", flow.started, 0))
    most = max(count for _, _, count, _ in stages)
    enough = (1 - DID_WITHOUT) * ends.get(SUCCESS, 0)
    lost = _lost([None if step and count < enough else count for _, step, count, _ in stages])
    worst = max(left or 0 for left in lost)
    return tuple(
        Stage(
            title=title,
            step=step,
            count=count,
            failed=failed,
            share=count / most,
            bar=_bar(count - failed, failed, most),
            left=left,
            most_left=left is not None and left == worst > 0,
        )
        for (title, step, count, failed), left in zip(stages, lost, strict=True)
    )


def _lost(counts: Sequence[int | None]) -> list[int | None]:
    """How many fewer each is than the one before it that has any."""
    lost: list[int | None] = []
    before: int | None = None
    for count in counts:
        lost.append(None if count is None else max(0, (count if before is None else before) - count))
        before = before if count is None else count
    return lost


def _bar(sound: int, failed: int, most: int) -> tuple[Block, ...]:
    width, rest = (hundredths(number / most * 100) for number in (sound, failed))
    return (Block(SUCCESS, 0, width), Block(FAILURE, width, rest)) if failed else (Block(SUCCESS, 0, width),)


def reason_rows(reasons: Sequence[ReasonCount]) -> tuple[ReasonRow, ...]:
    """The most frequent first."""
    ordered = sorted(reasons, key=lambda each: (-each.count, each.step, each.reason))[:REASONS_SHOWN]
    most = ordered[0].count if ordered else 1
    return tuple(
        ReasonRow(
            reason=words.reason(each.reason),
            where=words.value(each.step) if each.step else gettext("the whole journey"),
            count=each.count,
            width=hundredths(max(2.0, each.count / most * 100)),
        )
        for each in ordered
    )


def trace_tables(exemplars: Sequence[Exemplar]) -> tuple[TraceTable, ...]:
    """Failures first, then what was slow; a failure that was slow too stands with the failures."""
    failed = [each for each in exemplars if each.why == "failed" or each.outcome == FAILURE]
    slow = [each for each in exemplars if each not in failed]
    tables = (("failed", gettext("Traces of failures"), failed), ("slow", gettext("Slow traces"), slow))
    return tuple(
        TraceTable(name, title, tuple(map(_trace_row, found[:TRACES_SHOWN])), max(0, len(found) - TRACES_SHOWN))
        for name, title, found in tables
        if found
    )


def doubts(answer: JourneyAnswer) -> tuple[Doubt, ...]:
    """Clocks that disagree, a limit that was reached, a sample."""
    return tuple(_doubts(answer))


def _trace_row(exemplar: Exemplar) -> TraceRow:
    return TraceRow(
        exemplar=exemplar,
        where=words.value(exemplar.step) if exemplar.step else gettext("the whole journey"),
        version=words.value(exemplar.version),
        why=gettext(WHY[exemplar.why]) if exemplar.why in WHY else exemplar.why,
    )


def _doubts(answer: JourneyAnswer) -> Iterator[Doubt]:
    if n := answer.skewed:
        services = list(dict.fromkeys(words.value(each.service) for each in answer.skewed_by))
        named = ", ".join(services[:SERVICES_NAMED]) + (", \u2026" if len(services) > SERVICES_NAMED else "")
        text = ngettext(
            "%(count)s event ended before it started: clocks disagree%(where)s. It has no duration and is in no outcome; mend the time on "
            "those machines.",
            "%(count)s events ended before they started: clocks disagree%(where)s. They have no duration and are in no outcome; mend the time "
            "on those machines.",
            n,
            count=units.count(n),
            where=f" ({named})" if named else "",
        )
        yield Doubt(text, wrong=True)
    if answer.overflow is not None:
        n = answer.overflow.count
        text = ngettext(
            "%(count)s event is counted as %(name)s.",
            "%(count)s events are counted as %(name)s.",
            n,
            count=units.count(n),
            name=gettext(words.OVER_THE_LIMIT),
        )
        yield Doubt(f"{text} {answer.overflow.mend}", wrong=True)
    if answer.sampled is not None:
        count, spans = units.count(answer.sampled.count), units.count(answer.sampled.spans)
        text = gettext(
            "Counts are estimated from a sample: %(count)s events from %(spans)s spans.", count=count, spans=spans
        )
        yield Doubt(text, wrong=False)
