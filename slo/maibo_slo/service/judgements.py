"""From the engine's judgements to the numbers of answers: SLOs, objectives, the scorecard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_slo.service.answers import BurnRate, ObjectiveAnswer, ScorecardRow, SloAnswer
from maibo_slo.service.flows import flow_of, utc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.documents import Catalogue, Slo
    from maibo_slo.engine.state import Assessment
    from maibo_slo.store.cells import Distribution


def slo_answer(slo: Slo, assessments: Sequence[Assessment], *, evaluated_at: float | None) -> SloAnswer:
    return SloAnswer(
        name=slo.name,
        display_name=slo.display_name,
        description=slo.description,
        service=slo.service,
        journey=slo.journey,
        window=shorthand(slo.window_seconds),
        window_seconds=slo.window_seconds,
        threshold_us=(slo.indicator.good or slo.indicator.total).max_duration_us,
        objectives=[_objective(assessment) for assessment in assessments],
        evaluated_at=None if evaluated_at is None else utc(evaluated_at),
    )


def _objective(assessed: Assessment) -> ObjectiveAnswer:
    first = assessed.first_burning_at
    return ObjectiveAnswer(
        name=assessed.objective.name,
        target=assessed.objective.target,
        good=assessed.good,
        bad=assessed.bad,
        attainment=assessed.budget.attainment,
        budget_events=assessed.budget.budget_events,
        budget_remaining=assessed.budget.remaining,
        budget_remaining_projected=assessed.budget.projected,
        burn_rates=[
            BurnRate(
                window=burn.window,
                window_seconds=burn.window_seconds,
                good=burn.good,
                bad=burn.bad,
                burn_rate=burn.rate,
                coverage=burn.coverage,
            )
            for burn in assessed.burns
        ],
        state=assessed.state,
        first_burning_at=None if first is None else utc(first),
        coverage=assessed.coverage,
        age_seconds=assessed.age_seconds,
    )


def score_row(
    service: str, catalogue: Catalogue, found: Mapping[str, Distribution], assessed: Sequence[Assessment]
) -> ScorecardRow:
    journeys = [journey.name for journey in catalogue.journeys.values() if journey.service == service]
    flow = flow_of((found[name] for name in journeys if name in found), seconds=1)
    mine = [assessment for assessment in assessed if assessment.slo.service == service]
    attained = [(a.budget.attainment, a.objective.target) for a in mine]
    met = sum(attainment is not None and attainment >= target for attainment, target in attained)
    without = sum(attainment is None for attainment, _ in attained)
    known = len(mine) - without
    remaining = [a.budget.remaining for a in mine if a.budget.remaining is not None]
    return ScorecardRow(
        service=service,
        journeys=len(journeys),
        slos=sum(slo.service == service for slo in catalogue.slos.values()),
        objectives_met=met,
        objectives_missed=known - met,
        objectives_without_data=without,
        worst_budget_remaining=min(remaining, default=None),
        count=flow["count"],
        p99_us=flow["p99_us"],
        score=met / known if known else None,
    )


def shorthand(seconds: int) -> str:
    """In the largest unit up to days that divides it, as OpenSLO writes durations.

    >>> shorthand(300), shorthand(28 * 86400)
    ('5m', '28d')
    """
    unit, size = next(
        (unit, size) for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)) if seconds % size == 0
    )
    return f"{seconds // size}{unit}"
