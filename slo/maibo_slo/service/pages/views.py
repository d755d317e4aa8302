"""What the templates show: the API's answers, sorted, with charts and links beside them. No numbers are made here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from maibo.semconv import OUTCOMES
from maibo_slo.engine.burn import fast_pairs
from maibo_slo.service.pages import charts, units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.service.answers import (
        BurnRate,
        HistogramAnswer,
        IngestAnswer,
        JourneyAnswer,
        JourneysAnswer,
        ObjectiveAnswer,
        Part,
        SloAnswer,
        SlosAnswer,
        Span,
    )
    from maibo_slo.service.questions import PartHealth

WINDOWS: Mapping[str, int] = {"5m": 300, "30m": 1_800, "1h": 3_600, "6h": 21_600, "1d": 86_400}
DEFAULT_WINDOW = "5m"
FILTERS = ("step", "tier", "version", "region")
CHIPS = ("5m", "1h", "6h", "3d")


@dataclass(frozen=True, slots=True)
class State:
    """What a state of an objective is called, which icon and colour it has, and how bad it is."""

    word: str
    icon: str
    tone: str
    rank: int
    meaning: str


STATES: Mapping[str, State] = {
    "exhausted": State("Exhausted", "cross", "bad", 0, "the error budget is spent"),
    "burning_fast": State(
        "Burning fast", "fast", "bad", 1, "the error budget is being spent so fast that someone should act now"
    ),
    "burning": State("Burning", "up", "warn", 2, "the error budget is being spent faster than it lasts"),
    "stale": State("Stale", "clock", "warn", 3, "there was data, but none of late"),
    "no_data": State("No data", "none", "quiet", 4, "nothing has been observed yet: neither good nor bad"),
    "ok": State("OK", "check", "good", 5, "the error budget lasts"),
}


@dataclass(frozen=True, slots=True)
class WindowLink:
    """One of the time windows that a page can show."""

    name: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class Chip:
    """A burn rate over one window, and how long a whole budget would last at it."""

    burn: BurnRate
    tone: str
    lasts_seconds: float | None


@dataclass(frozen=True, slots=True)
class ObjectiveRow:
    """One objective of one SLO."""

    slo: SloAnswer
    objective: ObjectiveAnswer
    href: str
    state: State
    bar: charts.BudgetBar
    chips: tuple[Chip, ...]

    @property
    def name(self) -> str:
        """The SLO's name, and the objective's where there are several."""
        title = self.slo.display_name or self.slo.name
        return title if len(self.slo.objectives) == 1 else f"{title} \u00b7 {self.objective.name}"

    @property
    def overview_chips(self) -> tuple[Chip, ...]:
        """Short to long; the SLO's own page has every window."""
        return tuple(chip for chip in self.chips if chip.burn.window in CHIPS)


@dataclass(frozen=True, slots=True)
class JourneyRow:
    """One journey of the overview."""

    answer: JourneyAnswer
    href: str
    rate: charts.Spark
    p99: charts.Spark
    outcomes: tuple[charts.Block, ...]
    stale: bool
    over: bool
    """P99 is over the journey's threshold."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the newest data is; `stale` where older than the limit."""

    newest: datetime | None
    age_seconds: float | None
    stale: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """The page at /."""

    now: datetime
    window: Span
    journeys: tuple[JourneyRow, ...]
    objectives: tuple[ObjectiveRow, ...]
    states: tuple[tuple[State, int], ...]
    """How many objectives are in each state that occurs, worst first."""
    freshness: Freshness
    ingest: IngestAnswer
    unhealthy: tuple[PartHealth, ...]
    rate_per_second: float

    @property
    def empty(self) -> bool:
        """Nothing was ever seen."""
        return self.freshness.newest is None


@dataclass(frozen=True, slots=True)
class PartRow:
    """One value of a dimension, and the link that shows its distribution alone."""

    part: Part
    href: str
    current: bool
    outcomes: tuple[charts.Block, ...]
    of_all: float | None


@dataclass(frozen=True, slots=True)
class PartTable:
    """A journey by one dimension."""

    dimension: str
    title: str
    rows: tuple[PartRow, ...]


@dataclass(frozen=True, slots=True)
class JourneyPage:
    """The page at /journeys/{name}."""

    now: datetime
    window: Span
    answer: JourneyAnswer
    within: float | None
    histogram: HistogramAnswer
    histogram_within: int | None
    distribution: charts.Distribution | None
    filters: tuple[tuple[str, str], ...]
    clear_href: str
    outcomes: charts.Timeline
    p99: charts.Timeline
    tables: tuple[PartTable, ...]
    objectives: tuple[ObjectiveRow, ...]
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class SloPage:
    """The page at /slos/{name}."""

    now: datetime
    slo: SloAnswer
    objectives: tuple[ObjectiveRow, ...]
    journey_href: str | None


def overview(
    journeys: JourneysAnswer,
    slos: SlosAnswer,
    ingest: IngestAnswer,
    health: Sequence[PartHealth],
    *,
    base: str,
    window: str,
    stale_after_seconds: float,
) -> Overview:
    """Journeys by name, objectives worst first."""
    rows = [
        _journey_row(answer, journeys.window, base=base, window=window, stale_after_seconds=stale_after_seconds)
        for answer in sorted(journeys.journeys, key=lambda each: (each.display_name or each.name).casefold())
    ]
    objectives = objective_rows(slos.slos, base=base)
    words = {row.state.word: row.state for row in objectives}
    return Overview(
        now=journeys.now,
        window=journeys.window,
        journeys=tuple(rows),
        objectives=objectives,
        states=tuple(
            (state, sum(row.state is state for row in objectives))
            for state in sorted(words.values(), key=lambda state: state.rank)
        ),
        freshness=_newest(journeys.journeys, stale_after_seconds),
        ingest=ingest,
        unhealthy=tuple(each for each in health if not each.ok),
        rate_per_second=sum(answer.rate_per_second for answer in journeys.journeys),
    )


def journey_page(
    answer: JourneyAnswer,
    histogram: HistogramAnswer,
    slos: SlosAnswer,
    *,
    filters: Mapping[str, str],
    base: str,
    window: str,
    stale_after_seconds: float,
) -> JourneyPage:
    """One journey: its distribution (of one step or part, when filtered), its outcomes and P99 over time, its parts."""
    span = histogram.window
    timed = _timed(answer.outcomes)
    threshold_us = histogram.threshold_us
    return JourneyPage(
        now=histogram.now,
        window=span,
        answer=answer,
        within=None if answer.within_threshold is None or not timed else answer.within_threshold / timed,
        histogram=histogram,
        histogram_within=_within(histogram),
        distribution=charts.distribution(
            histogram.bars, p50_us=histogram.p50_us, p99_us=histogram.p99_us, threshold_us=threshold_us
        ),
        filters=tuple(filters.items()),
        clear_href=journey_href(answer.name, base=base, window=window),
        outcomes=charts.outcomes_over_time(answer.series, span),
        p99=charts.p99_over_time(answer.series, span, threshold_us=answer.threshold_us),
        tables=tuple(_part_tables(answer, filters, base=base, window=window)),
        objectives=objective_rows([slo for slo in slos.slos if slo.journey == answer.name], base=base),
        freshness=_newest([answer], stale_after_seconds),
    )


def objective_rows(slos: Sequence[SloAnswer], *, base: str) -> tuple[ObjectiveRow, ...]:
    """Every objective, worst first, then by name."""
    rows = [
        ObjectiveRow(
            slo=slo,
            objective=objective,
            href=slo_href(slo.name, base=base),
            state=STATES.get(objective.state) or State(objective.state, "none", "quiet", 6, objective.state),
            bar=charts.budget_bar(objective),
            chips=tuple(_chip(burn, slo, target=objective.target) for burn in objective.burn_rates),
        )
        for slo in slos
        for objective in slo.objectives
    ]
    return tuple(sorted(rows, key=lambda row: (row.state.rank, row.name.casefold())))


def slo_page(slo: SloAnswer, *, now: float, base: str, window: str) -> SloPage:
    """One SLO and its objectives, as the document orders them."""
    by_name = {row.objective.name: row for row in objective_rows([slo], base=base)}
    return SloPage(
        now=datetime.fromtimestamp(now, UTC),
        slo=slo,
        objectives=tuple(by_name[objective.name] for objective in slo.objectives),
        journey_href=journey_href(slo.journey, base=base, window=window) if slo.journey else None,
    )


def journey_href(name: str, *, base: str, window: str, filters: Mapping[str, str] | None = None) -> str:
    """Where a journey's page is; with filters, its distribution is that of one step or part."""
    return _href("journeys", name, base=base, query={"window": window, **(filters or {})})


def slo_href(name: str, *, base: str) -> str:
    """Where an SLO's page is."""
    return _href("slos", name, base=base, query={})


def _href(kind: str, name: str, *, base: str, query: Mapping[str, str]) -> str:
    """A name may hold slashes, so it is quoted whole. Browsers fold the segments '.' and '..', and routes end at a newline: such
    names go into the query.
    """
    if name in {"", ".", ".."} or "\n" in name:
        return f"{base}/{kind}?{urlencode({'name': name, **query})}"
    # A lone surrogate cannot be quoted as UTF-8; such a name cannot come from OTLP, but a page must not fail over it.
    path = f"{base}/{kind}/{quote(name, safe='', errors='replace')}"
    return f"{path}?{urlencode(query, errors='replace')}" if query else path


def _journey_row(
    answer: JourneyAnswer, span: Span, *, base: str, window: str, stale_after_seconds: float
) -> JourneyRow:
    length = charts.slice_seconds(answer.series, span)
    busy = [point for point in answer.series if point.count]
    fastest = max((point.rate_per_second for point in busy), default=None)
    slowest = max((point.p99_us for point in busy if point.p99_us is not None), default=None)
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
        outcomes=charts.outcome_bar(answer.outcomes),
        stale=answer.age_seconds is not None and answer.age_seconds > stale_after_seconds,
        over=answer.p99_us is not None and answer.threshold_us is not None and answer.p99_us > answer.threshold_us,
    )


def _part_tables(answer: JourneyAnswer, filters: Mapping[str, str], *, base: str, window: str) -> list[PartTable]:
    titles = {"step": "Steps", "tier": "By tier", "version": "By version", "region": "By region"}
    parts = {"step": answer.steps, **answer.by}
    tables = []
    for dimension in (*FILTERS, *sorted(set(parts) - set(FILTERS))):
        if not parts.get(dimension):
            continue
        rows = []
        for part in parts[dimension]:
            chosen = filters.get(dimension) == part.value
            others = {key: value for key, value in filters.items() if key != dimension}
            query = others if chosen else {**others, dimension: part.value}
            rows.append(
                PartRow(
                    part=part,
                    href=journey_href(answer.name, base=base, window=window, filters=query),
                    current=chosen,
                    outcomes=charts.outcome_bar(part.outcomes),
                    of_all=part.count / answer.count if answer.count and dimension != "step" else None,
                )
            )
        tables.append(PartTable(dimension, titles.get(dimension, f"By {dimension}"), tuple(rows)))
    return tables


def _chip(burn: BurnRate, slo: SloAnswer, *, target: float) -> Chip:
    """Red where the burn is above the factor by which the engine calls it fast, amber where the budget does not last."""
    if burn.burn_rate is None:
        return Chip(burn, "quiet", None)
    lasts = slo.window_seconds / burn.burn_rate if burn.burn_rate > 0 else None
    pairs = fast_pairs(slo.window_seconds, target=target)
    fast = any(
        burn.window_seconds in {pair.long_seconds, pair.short_seconds} and burn.burn_rate > pair.factor
        for pair in pairs
    )
    return Chip(burn, "bad" if fast else "warn" if burn.burn_rate > 1 else "good", lasts)


def _newest(journeys: Sequence[JourneyAnswer], stale_after_seconds: float) -> Freshness:
    seen = [answer for answer in journeys if answer.last_event_at is not None]
    newest = max((answer.last_event_at for answer in seen if answer.last_event_at is not None), default=None)
    age = min((answer.age_seconds for answer in seen if answer.age_seconds is not None), default=None)
    return Freshness(newest, age, stale=age is not None and age > stale_after_seconds)


def _timed(outcomes: Mapping[str, int]) -> int:
    return sum(outcomes.get(kind, 0) for kind in OUTCOMES[:2])


def _within(histogram: HistogramAnswer) -> int | None:
    """Events at or under the threshold, from the bars: exact, since thresholds are bin edges."""
    limit = histogram.threshold_us
    if limit is None:
        return None
    return sum(_timed(bar.outcomes) for bar in histogram.bars if bar.upper_us <= limit * (1 + 1e-9))
