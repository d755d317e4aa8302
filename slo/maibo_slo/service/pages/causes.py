"""What a journey's page says beside its numbers: what became of those that began, why it failed, traces, and what to doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo.semconv import ABANDONED, FAILURE, SUCCESS
from maibo_slo.service.pages import charts, units, words
from maibo_slo.service.pages.shapes import hundredths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maibo_slo.service.answers import Exemplar, JourneyAnswer, JourneyFlow, ReasonCount
    from maibo_slo.service.pages.shapes import Block

TRACES_SHOWN = 8
REASONS_SHOWN = 12
SERVICES_NAMED = 4
WHY = {"failed": "failed", "over_threshold": "over the threshold", "slowest": "slowest of its kind"}


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
        part(SUCCESS, "succeeded", flow.succeeded),
        part(FAILURE, "failed", flow.failed),
        part(ABANDONED, "abandoned", flow.abandoned),
        part("under-way", "under way", flow.in_progress),
    )
    return FlowPanel(flow, parts, charts.flow_bar(flow), told)


def reason_rows(reasons: Sequence[ReasonCount]) -> tuple[ReasonRow, ...]:
    """The most frequent first."""
    ordered = sorted(reasons, key=lambda each: (-each.count, each.step, each.reason))[:REASONS_SHOWN]
    most = ordered[0].count if ordered else 1
    return tuple(
        ReasonRow(
            reason=words.reason(each.reason),
            where=words.value(each.step) if each.step else "the whole journey",
            count=each.count,
            width=hundredths(max(2.0, each.count / most * 100)),
        )
        for each in ordered
    )


def trace_tables(exemplars: Sequence[Exemplar]) -> tuple[TraceTable, ...]:
    """Failures first, then what was slow; a failure that was slow too stands with the failures."""
    failed = [each for each in exemplars if each.why == "failed" or each.outcome == FAILURE]
    slow = [each for each in exemplars if each not in failed]
    tables = (("failed", "Traces of failures", failed), ("slow", "Slow traces", slow))
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
        where=words.value(exemplar.step) if exemplar.step else "whole journey",
        version=words.value(exemplar.version),
        why=WHY.get(exemplar.why, exemplar.why),
    )


def _doubts(answer: JourneyAnswer) -> Iterator[Doubt]:
    if n := answer.skewed:
        services = list(dict.fromkeys(words.value(each.service) for each in answer.skewed_by))
        named = ", ".join(services[:SERVICES_NAMED]) + (", \u2026" if len(services) > SERVICES_NAMED else "")
        text = (
            f"{_events(n)} ended before {'it' if n == 1 else 'they'} started: clocks disagree{f' ({named})' if named else ''}. "
            "They have no duration and are in no outcome; mend the time on those machines."
        )
        yield Doubt(text, wrong=True)
    if answer.overflow is not None:
        n = answer.overflow.count
        text = f"{_events(n)} {'is' if n == 1 else 'are'} counted as {words.OVER_THE_LIMIT}. {answer.overflow.mend}"
        yield Doubt(text, wrong=True)
    if answer.sampled is not None:
        count, spans = units.count(answer.sampled.count), units.count(answer.sampled.spans)
        yield Doubt(f"Counts are estimated from a sample: {count} events from {spans} spans.", wrong=False)


def _events(count: int) -> str:
    return f"{units.count(count)} event{'' if count == 1 else 's'}"
