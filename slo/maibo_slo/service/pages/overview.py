"""The page at /: journeys with a problem first, objectives worst first, unless another order is asked for. No numbers are made here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_slo.service.pages import charts, listing, units, words
from maibo_slo.service.pages.freshness import Freshness, freshness
from maibo_slo.service.pages.language import gettext
from maibo_slo.service.pages.links import journey_href, overview_href
from maibo_slo.service.pages.listing import Column, Heading
from maibo_slo.service.pages.objectives import ObjectiveRow, objective_rows, states
from maibo_slo.service.pages.shapes import Block, with_silent
from maibo_slo.service.pages.states import RANKS, STATES, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from maibo_slo.service.answers import (
        IngestAnswer,
        JourneyAnswer,
        JourneysAnswer,
        ObjectiveAnswer,
        SloAnswer,
        SlosAnswer,
        Span,
    )
    from maibo_slo.service.questions import PartHealth

WORST: Final = STATES["stale"].rank
"""Objectives up to this rank are a problem of their journey."""
SORTED_BY_BURN: Final = "1h"
"""The window whose burn rate the SLOs are sorted by."""


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
    fresh: Freshness
    over: bool
    """P99 is over the journey's threshold."""
    worst: State | None
    """Of the objectives over it, where that is a problem."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The page at /."""

    now: datetime
    window: Span
    journeys: tuple[JourneyRow, ...]
    more: int
    """Journeys that fit and are not shown unless all are asked for."""
    found: int
    """Journeys that are declared or had events, whether they fit the filter or not."""
    omitted: int
    """Journeys with events that were not asked about: less busy than those that were."""
    objectives: tuple[ObjectiveRow, ...]
    slos: int
    """How many there are in force."""
    more_slos: int
    """That fit and are not shown unless all are asked for."""
    states: tuple[tuple[State, int], ...]
    """How many objectives (of one with groups, groups) are in each state that occurs, worst first."""
    freshness: Freshness
    ingest: IngestAnswer
    unhealthy: tuple[PartHealth, ...]
    rate_per_second: float
    rate_per: str
    """What the rates of the journeys are told by: s, min or h."""
    asked: listing.Asked
    columns: Mapping[str, Heading]
    slo_columns: Mapping[str, Heading]
    all_href: str
    clear_href: str
    """Without what was typed."""
    kept: tuple[tuple[str, str], ...]
    """What the filter's form keeps."""

    @property
    def empty(self) -> bool:
        """Nothing was ever seen."""
        return self.freshness.newest is None


@dataclass(frozen=True, slots=True)
class _Seen:
    """A journey before it is drawn."""

    answer: JourneyAnswer
    worst: State | None
    fresh: Freshness
    over: bool

    @property
    def title(self) -> str:
        return words.journey(self.answer.display_name or self.answer.name)

    @property
    def usual(self) -> tuple[int, bool, bool, str]:
        """Problems first, then by name."""
        rank = WORST + 1 if self.worst is None else self.worst.rank
        return rank, not self.over, not self.fresh.stale, self.title.casefold()


JOURNEYS: Final[Mapping[str, Column[_Seen]]] = {
    "name": Column(lambda one: one.title.casefold()),
    "rate": Column(lambda one: one.answer.rate_per_second if one.answer.count else None, largest_first=True),
    "p99": Column(lambda one: one.answer.p99_us, largest_first=True),
    "success": Column(lambda one: one.answer.success_ratio),
    "age": Column(lambda one: one.fresh.age_seconds, largest_first=True),
}
SLOS: Final[Mapping[str, Column[SloAnswer]]] = {
    "name": Column(lambda slo: (slo.display_name or slo.name).casefold()),
    "attained": Column(lambda slo: _least(one.attainment for one in slo.objectives)),
    "left": Column(lambda slo: _least(one.budget_remaining_projected for one in slo.objectives)),
    "burn": Column(lambda slo: _most_burnt(slo.objectives), largest_first=True),
    "age": Column(lambda slo: _least(one.age_seconds for one in slo.objectives), largest_first=True),
}


def overview(
    journeys: JourneysAnswer,
    slos: SlosAnswer,
    ingest: IngestAnswer,
    health: Sequence[PartHealth],
    *,
    at: float,
    base: str,
    carried: Mapping[str, str],
    asked: listing.Asked,
) -> Overview:
    """Everything at a glance; `at` is the end of the window, unix s."""
    seen = _seen(journeys.journeys, slos.slos, at=at)
    fit = listing.ordered(
        (one for one in seen if asked.fits(one.title, one.answer.name)), JOURNEYS, asked.sort, lambda one: one.usual
    )
    fit_slos = listing.ordered((slo for slo in slos.slos if _fits(slo, asked)), SLOS, asked.slos, _badness)
    most = None if asked.everything else listing.SHOWN
    shown = fit[:most]
    lag = max(0.0, at - slos.now.timestamp())
    rows = objective_rows([_aged(slo, lag) for slo in fit_slos[:most]], base=base, carried=carried)
    if asked.slos:
        place = {slo.name: at for at, slo in enumerate(fit_slos)}
        rows = tuple(sorted(rows, key=lambda row: place[row.slo.name]))

    # All journeys' series have the same slices.
    length = charts.slice_seconds(shown[0].answer.series if shown else (), journeys.window)

    def here(**query: str) -> str:
        said = {**carried, **asked.query, **query}
        return overview_href(base=base, carried={name: value for name, value in said.items() if value})

    return Overview(
        now=journeys.now,
        window=journeys.window,
        journeys=tuple(_row(one, journeys.window, length=length, base=base, carried=carried) for one in shown),
        more=len(fit) - len(shown),
        found=len(seen),
        omitted=journeys.omitted,
        objectives=rows,
        slos=len(slos.slos),
        more_slos=len(fit_slos) - len(fit_slos[:most]),
        states=states(slos.slos),
        freshness=freshness(journeys.journeys, at=at),
        ingest=ingest,
        unhealthy=tuple(each for each in health if not each.ok),
        rate_per_second=sum(answer.rate_per_second for answer in journeys.journeys),
        rate_per=units.rate_per(one.answer.rate_per_second for one in shown),
        asked=asked,
        columns=listing.headings(JOURNEYS, asked.sort, lambda sort: here(sort=sort)),
        slo_columns=listing.headings(SLOS, asked.slos, lambda sort: here(slos=sort) + "#slos-title"),
        all_href=here(all="1"),
        clear_href=here(q=""),
        kept=tuple({**carried, **asked.query, "q": ""}.items()),
    )


def _seen(journeys: Iterable[JourneyAnswer], slos: Iterable[SloAnswer], *, at: float) -> list[_Seen]:
    worst = _worst(slos)
    return [
        _Seen(
            answer=answer,
            worst=worst.get(answer.name),
            fresh=freshness([answer], at=at),
            over=answer.p99_us is not None and answer.threshold_us is not None and answer.p99_us > answer.threshold_us,
        )
        for answer in journeys
    ]


def _worst(slos: Iterable[SloAnswer]) -> dict[str, State]:
    """By journey: of the objectives over it, where that is a problem."""
    found: dict[str, State] = {}
    for slo in slos:
        for one in slo.objectives if slo.journey else ():
            rank = RANKS.get(one.state, WORST + 1)
            if rank <= WORST and (slo.journey not in found or rank < found[slo.journey].rank):
                found[slo.journey] = STATES[one.state]
    return found


def _fits(slo: SloAnswer, asked: listing.Asked) -> bool:
    return asked.fits(slo.name, slo.display_name, slo.journey, slo.service)


def _aged(slo: SloAnswer, seconds: float) -> SloAnswer:
    """As old as its data is by now: it was judged a few seconds ago."""
    objectives = [
        one if one.age_seconds is None else one.model_copy(update={"age_seconds": one.age_seconds + seconds})
        for one in slo.objectives
    ]
    return slo.model_copy(update={"objectives": objectives})


def _badness(slo: SloAnswer) -> tuple[int, float, str]:
    """As of an objective's row, of the worst one."""
    rank, left = min(map(_standing, slo.objectives), default=(WORST, 1.0))
    return rank, left, (slo.display_name or slo.name).casefold()


def _standing(objective: ObjectiveAnswer) -> tuple[int, float]:
    left = objective.budget_remaining_projected
    return RANKS.get(objective.state, len(STATES)), 1.0 if left is None else left


def _least(numbers: Iterable[float | None]) -> float | None:
    return min((number for number in numbers if number is not None), default=None)


def _most_burnt(objectives: Iterable[ObjectiveAnswer]) -> float | None:
    burns = (burn for one in objectives for burn in one.burn_rates if burn.window == SORTED_BY_BURN)
    return max((burn.burn_rate for burn in burns if burn.burn_rate is not None), default=None)


def _row(seen: _Seen, span: Span, *, length: float, base: str, carried: Mapping[str, str]) -> JourneyRow:
    answer = seen.answer
    busy = [point for point in answer.series if point.count]
    fastest = max((point.rate_per_second for point in busy), default=None)
    slowest = max((point.p99_us for point in busy if point.p99_us is not None), default=None)
    silent = None if answer.flow is None else answer.flow.silent
    return JourneyRow(
        answer=answer,
        href=journey_href(answer.name, base=base, carried=carried),
        rate=charts.spark(
            [(point.at, point.rate_per_second) for point in busy],
            span,
            length=length,
            label=gettext("rate over the window, at most %(rate)s", rate=units.rate(fastest)),
        ),
        p99=charts.spark(
            [(point.at, point.p99_us) for point in busy if point.p99_us is not None],
            span,
            length=length,
            label=gettext("P99 over the window, at most %(time)s", time=units.duration(slowest)),
        ),
        outcomes=charts.outcome_bar(with_silent(answer.outcomes, silent)),
        silent=silent,
        left=None if answer.flow is None else answer.flow.abandoned,
        fresh=seen.fresh,
        over=seen.over,
        worst=seen.worst,
    )
