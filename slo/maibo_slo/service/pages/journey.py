"""
The page at /journeys/{name}: the whole journey, or what was chosen of it. No numbers are made here.

A choice (step, tier, version, region) is for the whole page. The table of a dimension leaves that dimension's own choice out, so
that the other values stay on offer. A step runs in a service of its own, with versions of its own, so the table of steps leaves the
chosen version out as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo.semconv import FAILURE, OVERFLOW
from maibo_slo.engine.burn import MIN_BAD_EVENTS
from maibo_slo.service.pages import charts, units, words
from maibo_slo.service.pages.burnt import BurntTable
from maibo_slo.service.pages.causes import (
    Doubt,
    FlowPanel,
    ReasonRow,
    Stage,
    TraceTable,
    doubts,
    flow_panel,
    funnel,
    reason_rows,
    trace_tables,
)
from maibo_slo.service.pages.distribution import Distribution, distribution
from maibo_slo.service.pages.freshness import Freshness, freshness
from maibo_slo.service.pages.language import gettext, marked
from maibo_slo.service.pages.links import FILTERS, journey_href, traces_href
from maibo_slo.service.pages.objectives import ObjectiveRow, objective_rows
from maibo_slo.service.pages.shapes import Block, ended

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from maibo_slo.service.answers import (
        ExemplarsAnswer,
        HistogramAnswer,
        JourneyAnswer,
        Part,
        SlosAnswer,
        Span,
        StepPart,
    )

TITLES: Mapping[str, str] = {
    "step": marked("Steps"),
    "tier": marked("By tier"),
    "version": marked("By version"),
    "region": marked("By region"),
}
NAMES: Mapping[str, str] = {
    "step": marked("Step"),
    "tier": marked("Tier"),
    "version": marked("Version"),
    "region": marked("Region"),
    "reason": marked("Reason"),
}
VERSIONS_SHOWN = 8
SLOWER = 2.0
"""How many times the lowest P99 of its siblings a version's P99 is when the page calls it slower."""
FAILS_MORE = 0.01
"""How much higher than the lowest of its siblings a version's share of failures is when the page says that it fails more."""
ENOUGH_EVENTS = 20
"""Of a version, before it is compared with another."""


@dataclass(frozen=True, slots=True)
class PartRow:
    """One value of a dimension, and the link that shows it alone."""

    part: Part
    href: str
    current: bool
    outcomes: tuple[Block, ...]
    of_all: float | None
    worse: str = ""
    """What is worse about this version than about another; '' mostly."""
    services: tuple[str, ...] = ()
    versions: tuple[PartRow, ...] = ()
    """Of a step, when more than one was seen; the busiest first."""
    more_versions: int = 0


@dataclass(frozen=True, slots=True)
class PartTable:
    """A journey by one dimension."""

    dimension: str
    title: str
    name: str
    """Of the dimension."""
    rows: tuple[PartRow, ...]

    @property
    def rate_per(self) -> str:
        """What its rates are told by: s, min or h."""
        return units.rate_per(row.part.rate_per_second for row in self.rows)


@dataclass(frozen=True, slots=True)
class JourneyPage:
    """The page at /journeys/{name}."""

    now: datetime
    window: Span
    answer: JourneyAnswer
    within: float | None
    """The share of what ended that ended within the threshold."""
    histogram: HistogramAnswer
    distribution: Distribution | None
    filters: tuple[tuple[str, str], ...]
    clear_href: str
    outcomes: charts.Timeline
    p99: charts.Timeline
    tables: tuple[PartTable, ...]
    objectives: tuple[ObjectiveRow, ...]
    freshness: Freshness
    flow: FlowPanel | None
    reasons: tuple[ReasonRow, ...]
    traces: tuple[TraceTable, ...]
    traces_href: str
    doubts: tuple[Doubt, ...]
    funnel: tuple[Stage, ...]
    burnt: BurntTable | None
    """Of the objective over it that is the worst."""
    names: Mapping[str, str]
    """Of dimensions, and of what else a budget is burnt by."""
    silent: int | None
    """Abandoned, and nobody said so: beside the outcomes, in none of them."""


def kept(filters: Mapping[str, str], dimension: str) -> dict[str, str]:
    """What of the choice applies to the table of this dimension."""
    dropped = {"step", "version"} if dimension == "step" else {dimension}
    return {key: value for key, value in filters.items() if key not in dropped}


def journey_page(
    answer: JourneyAnswer,
    histogram: HistogramAnswer,
    slos: SlosAnswer,
    exemplars: ExemplarsAnswer,
    *,
    burnt: BurntTable | None = None,
    offered: Mapping[str, JourneyAnswer],
    filters: Mapping[str, str],
    at: float,
    base: str,
    carried: Mapping[str, str],
    api: Mapping[str, str],
) -> JourneyPage:
    """`at` is the end of the range, unix s, and `api` the range as the API is asked for it. `answer`, `histogram` and `exemplars` are about the choice; `offered` has for each dimension the answer that its table is made of."""
    span = histogram.window
    timed = sum(ended(answer.outcomes).values())
    return JourneyPage(
        now=histogram.now,
        window=span,
        answer=answer,
        within=None if answer.within_threshold is None or not timed else answer.within_threshold / timed,
        histogram=histogram,
        distribution=distribution(
            histogram.bars, p50_us=histogram.p50_us, p99_us=histogram.p99_us, threshold_us=histogram.threshold_us
        ),
        filters=tuple(filters.items()),
        clear_href=journey_href(answer.name, base=base, carried=carried),
        outcomes=charts.outcomes_over_time(answer.series, span),
        p99=charts.p99_over_time(answer.series, span, threshold_us=answer.threshold_us),
        tables=tuple(_tables(offered, filters, base=base, carried=carried)),
        objectives=objective_rows([slo for slo in slos.slos if slo.journey == answer.name], base=base, carried=carried),
        freshness=freshness([answer], at=at),
        flow=flow_panel(answer.flow),
        reasons=reason_rows(answer.reasons),
        traces=trace_tables(exemplars.exemplars),
        traces_href=traces_href(answer.name, base=base, query={**api, **filters}),
        doubts=doubts(answer),
        funnel=funnel(answer, span),
        burnt=burnt,
        names=NAMES,
        silent=None if answer.flow is None else answer.flow.silent,
    )


def _tables(
    offered: Mapping[str, JourneyAnswer], filters: Mapping[str, str], *, base: str, carried: Mapping[str, str]
) -> Iterator[PartTable]:
    for dimension in FILTERS:
        answer = offered[dimension]
        rows = _Rows(answer.name, dimension, filters, base=base, carried=carried)
        made: Iterator[PartRow]
        if dimension == "step":
            made = (rows.step(part) for part in answer.steps)
        else:
            parts = answer.by.get(dimension, [])
            worse = compared(parts) if dimension == "version" else {}
            made = (
                rows.one(part, {dimension: part.value}, of=answer.count, worse=worse.get(part.value, ""))
                for part in parts
            )
        if found := tuple(made):
            yield PartTable(dimension, gettext(TITLES[dimension]), gettext(NAMES[dimension]), found)


class _Rows:
    """The rows of one table, with links that keep the rest of the choice."""

    def __init__(
        self, name: str, dimension: str, filters: Mapping[str, str], *, base: str, carried: Mapping[str, str]
    ) -> None:
        self._name, self._filters = name, filters
        self._kept = kept(filters, dimension)
        self._base, self._carried = base, carried

    def one(
        self,
        part: Part,
        choice: Mapping[str, str],
        *,
        of: int | None,
        worse: str = "",
        services: Sequence[str] = (),
        versions: Sequence[PartRow] = (),
        more_versions: int = 0,
    ) -> PartRow:
        """A row; the link of what is chosen already lets it go."""
        chosen = {**self._kept, **choice}
        current = chosen == self._filters
        query = self._kept if current else chosen
        return PartRow(
            part=part,
            href=journey_href(self._name, base=self._base, carried=self._carried, filters=query),
            current=current,
            outcomes=charts.outcome_bar(part.outcomes),
            of_all=part.count / of if of else None,
            worse=worse,
            services=tuple(services),
            versions=tuple(versions),
            more_versions=more_versions,
        )

    def step(self, part: StepPart) -> PartRow:
        """A step, and its versions where more than one was seen."""
        versions = part.versions if len(part.versions) > 1 else []
        worse = compared(versions)
        # What is worse is shown even if it is rare: a release begins with little traffic.
        shown = sorted(versions, key=lambda each: not worse.get(each.value))[:VERSIONS_SHOWN]
        rows = [
            self.one(each, {"step": part.value, "version": each.value}, of=part.count, worse=worse.get(each.value, ""))
            for each in versions
            if each in shown
        ]
        return self.one(
            part,
            {"step": part.value},
            of=None,
            services=part.services,
            versions=rows,
            more_versions=len(versions) - len(rows),
        )


def compared(versions: Sequence[Part]) -> dict[str, str]:
    """What is worse about a version than about the best of the others, by version; a hint where to look, not a judgement."""
    timed = {each.value: ended(each.outcomes) for each in versions}
    known = [
        each
        for each in versions
        if sum(timed[each.value].values()) >= ENOUGH_EVENTS and each.p99_us and each.value != OVERFLOW
    ]
    if len(known) < 2:
        return {}
    failures = {each.value: timed[each.value].get(FAILURE, 0) for each in known}
    fastest = min(known, key=lambda each: each.p99_us or 0)
    soundest = min(known, key=lambda each: 1 - (each.success_ratio or 0))
    remarks = {}
    for each in known:
        said = []
        times = (each.p99_us or 0) / (fastest.p99_us or 1)
        if times >= SLOWER:
            said.append(
                gettext(
                    "P99 is %(times)s that of %(other)s",
                    times=f"{times:.1f}{units.TIMES}",
                    other=words.value(fastest.value),
                )
            )
        more = (soundest.success_ratio or 0) - (each.success_ratio or 0)
        if more >= FAILS_MORE and failures[each.value] >= MIN_BAD_EVENTS:
            said.append(gettext("fails more than %(other)s", other=words.value(soundest.value)))
        remarks[each.value] = gettext(", ").join(said)
    return remarks
