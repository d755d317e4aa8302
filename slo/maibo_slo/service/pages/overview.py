"""The page at /: journeys by name, objectives worst first. No numbers are made here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.service.pages import charts, units, words
from maibo_slo.service.pages.freshness import Freshness, freshness
from maibo_slo.service.pages.links import journey_href
from maibo_slo.service.pages.objectives import ObjectiveRow, State, objective_rows, states
from maibo_slo.service.pages.shapes import Block, with_silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from maibo_slo.service.answers import IngestAnswer, JourneyAnswer, JourneysAnswer, SlosAnswer, Span
    from maibo_slo.service.questions import PartHealth


@dataclass(frozen=True, slots=True)
class JourneyRow:
    """One journey of the overview."""

    answer: JourneyAnswer
    href: str
    rate: charts.Spark
    p99: charts.Spark
    outcomes: tuple[Block, ...]
    silent: int | None
    """Abandoned, and nobody said so."""
    left: int | None
    """Abandoned, of those that began in the window."""
    stale: bool
    over: bool
    """P99 is over the journey's threshold."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The page at /."""

    now: datetime
    window: Span
    journeys: tuple[JourneyRow, ...]
    omitted: int
    """Journeys with events that have no row: less busy than those that have one."""
    objectives: tuple[ObjectiveRow, ...]
    states: tuple[tuple[State, int], ...]
    """How many objectives (of one with groups, groups) are in each state that occurs, worst first."""
    freshness: Freshness
    ingest: IngestAnswer
    unhealthy: tuple[PartHealth, ...]
    rate_per_second: float
    rate_per: str
    """What the rates of the journeys are told by: s, min or h."""

    @property
    def empty(self) -> bool:
        """Nothing was ever seen."""
        return self.freshness.newest is None


def overview(
    journeys: JourneysAnswer,
    slos: SlosAnswer,
    ingest: IngestAnswer,
    health: Sequence[PartHealth],
    *,
    base: str,
    window: str,
) -> Overview:
    """Everything at a glance."""
    answers = sorted(journeys.journeys, key=lambda each: words.journey(each.display_name or each.name).casefold())
    objectives = objective_rows(slos.slos, base=base)
    return Overview(
        now=journeys.now,
        window=journeys.window,
        journeys=tuple(_row(answer, journeys.window, base=base, window=window) for answer in answers),
        omitted=journeys.omitted,
        objectives=objectives,
        states=states(slos.slos),
        freshness=freshness(journeys.journeys),
        ingest=ingest,
        unhealthy=tuple(each for each in health if not each.ok),
        rate_per_second=sum(answer.rate_per_second for answer in journeys.journeys),
        rate_per=units.rate_per(answer.rate_per_second for answer in journeys.journeys),
    )


def _row(answer: JourneyAnswer, span: Span, *, base: str, window: str) -> JourneyRow:
    length = charts.slice_seconds(answer.series, span)
    busy = [point for point in answer.series if point.count]
    fastest = max((point.rate_per_second for point in busy), default=None)
    slowest = max((point.p99_us for point in busy if point.p99_us is not None), default=None)
    silent = None if answer.flow is None else answer.flow.silent
    return JourneyRow(
        answer=answer,
        href=journey_href(answer.name, base=base, window=window),
        rate=charts.spark(
            [(point.at, point.rate_per_second) for point in busy],
            span,
            length=length,
            label=f"rate over the window, at most {units.rate(fastest)}",
        ),
        p99=charts.spark(
            [(point.at, point.p99_us) for point in busy if point.p99_us is not None],
            span,
            length=length,
            label=f"P99 over the window, at most {units.duration(slowest)}",
        ),
        outcomes=charts.outcome_bar(with_silent(answer.outcomes, silent)),
        silent=silent,
        left=None if answer.flow is None else answer.flow.abandoned,
        stale=freshness([answer]).stale,
        over=answer.p99_us is not None and answer.threshold_us is not None and answer.p99_us > answer.threshold_us,
    )
