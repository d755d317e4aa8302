"""From the engine's judgements to the numbers of answers: SLOs, objectives, the scorecard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_slo.documents import Slo
from maibo_slo.engine.burn import BURN_WINDOWS
from maibo_slo.engine.groups import group_values
from maibo_slo.service.answers import (
    BurnRate,
    BurnRule,
    CompositePart,
    CorrectedAnswer,
    ObjectiveAnswer,
    PeriodAnswer,
    PolicyAnswer,
    ScorecardRow,
    SloAnswer,
)
from maibo_slo.service.flows import flow_of, utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from maibo_slo.documents import Calendar, Catalogue, FedSlo
    from maibo_slo.engine.certainty import Interval
    from maibo_slo.engine.intervals import Intervals
    from maibo_slo.engine.state import Assessment, Burn, Corrected, PolicyNow, Rule
    from maibo_slo.store.cells import Distribution

_WINDOWS: Final[Mapping[int, str]] = {seconds: name for name, seconds in BURN_WINDOWS.items()}


def slo_answer(
    slo: Slo | FedSlo, assessments: Sequence[Assessment], intervals: Intervals, *, evaluated_at: float | None
) -> SloAnswer:
    period = next((one.period for one in assessments if one.period is not None), None)
    return SloAnswer(
        name=slo.name,
        display_name=slo.display_name,
        description=slo.description,
        service=slo.service,
        journey=slo.journey,
        window=shorthand(slo.window_seconds) if slo.calendar is None else _calendar(slo.calendar),
        window_seconds=slo.window_seconds,
        threshold_us=_threshold_us(slo),
        objectives=[_objective(assessment, intervals) for assessment in _in_order(slo, assessments)],
        evaluated_at=None if evaluated_at is None else utc(evaluated_at),
        source=slo.source,
        method=slo.method,
        composite=slo.is_composite,
        group_by=list(slo.group_by),
        window_kind="rolling" if slo.calendar is None else "calendar",
        zone=None if slo.calendar is None else slo.calendar.zone,
        period=None if period is None else PeriodAnswer(begin=utc(period[0]), end=utc(period[1])),
        corrections=_corrections(assessments[0].corrected if assessments else ()),
        corrections_omitted=assessments[0].corrected_unshown if assessments else 0,
    )


def _threshold_us(slo: Slo | FedSlo) -> int | None:
    """What is fast; components of a composite may each say something else."""
    if slo.is_composite or not isinstance(slo, Slo):
        return None
    return (slo.indicator.good or slo.indicator.total).max_duration_us


def _in_order(slo: Slo | FedSlo, assessments: Sequence[Assessment]) -> list[Assessment]:
    rank = {objective.name: at for at, objective in enumerate(slo.objectives)}
    return sorted(assessments, key=lambda one: (rank.get(one.objective.name, len(rank)), one.group))


def _objective(assessed: Assessment, intervals: Intervals) -> ObjectiveAnswer:
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
        burn_rates=[_burn_rate(burn, intervals.of(burn)) for burn in assessed.burns],
        state=assessed.state,
        first_burning_at=None if first is None else utc(first),
        coverage=assessed.coverage,
        age_seconds=assessed.age_seconds,
        group=assessed.group,
        group_values=group_values(assessed.group),
        unit=assessed.unit,
        observed_minutes=assessed.observed_minutes,
        no_data_minutes=assessed.no_data_minutes,
        excluded_minutes=assessed.excluded_minutes,
        rules=[_rule(rule) for rule in assessed.rules],
        policy=_policy(assessed.policy),
        parts=[
            CompositePart(name=part.name, weight=part.weight, spent=part.spent, share=part.share)
            for part in assessed.parts
        ],
    )


def _burn_rate(burn: Burn, interval: Interval | None) -> BurnRate:
    return BurnRate(
        window=burn.window,
        window_seconds=burn.window_seconds,
        good=burn.good,
        bad=burn.bad,
        burn_rate=burn.rate,
        coverage=burn.coverage,
        lower=None if interval is None else interval.lower,
        upper=None if interval is None else interval.upper,
    )


def _rule(rule: Rule) -> BurnRule:
    return BurnRule(
        state=rule.state,
        long_window=_WINDOWS[rule.pair.long_seconds],
        short_window=_WINDOWS[rule.pair.short_seconds],
        factor=rule.pair.factor,
        reached=rule.reached,
        held_back=rule.held_back_by is not None,
        held_back_by=rule.held_back_by or "",
    )


def _policy(policy: PolicyNow | None) -> PolicyAnswer | None:
    return None if policy is None else PolicyAnswer(name=policy.policy, state=policy.state, since=utc(policy.since))


def _corrections(corrected: Iterable[Corrected]) -> list[CorrectedAnswer]:
    return [
        CorrectedAnswer(
            begin=utc(each.begin),
            end=utc(each.end),
            name=each.correction.name,
            kind=each.correction.kind,
            effect=each.correction.effect,
            who=each.correction.who,
            why=each.correction.why,
        )
        for each in corrected
    ]


def _calendar(calendar: Calendar) -> str:
    """As OpenSLO writes it: ``1M``."""
    return f"{calendar.count}{calendar.unit}"


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
        slos=sum(slo.service == service for slo in catalogue.judged.values()),
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
