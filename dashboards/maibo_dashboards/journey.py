"""The dashboard of one journey: its flow, its latency against the threshold, its versions and steps, its SLOs' budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_dashboards import panels, queries
from maibo_dashboards.fleet import budgets
from maibo_dashboards.naming import journey_uid
from maibo_dashboards.panels import Column, Panel, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.documents import Catalogue, Journey, Objective, Slo

HOUR = 3600


def dashboard(catalogue: Catalogue, journey: Journey) -> Panel:
    slos = catalogue.slos_of_journey(journey.name)
    rows = [
        _numbers(journey),
        [(12, 9, _outcomes(journey)), (12, 9, _latency(journey))],
        [(12, 9, _distribution(journey)), (12, 9, _steps(journey))],
        [(12, 8, _version_rate(journey)), (12, 8, _version_p99(journey))],
    ]
    if slos:
        objectives = [(slo, objective) for slo in slos for objective in slo.objectives]
        rows += [
            [(24, 3 + len(objectives), budgets(slos))],
            [(12, 9, _budget_left(objectives)), (12, 9, _burn_rate(objectives))],
        ]
    return panels.dashboard(
        title=f"Journey: {journey.display_name}",
        uid=journey_uid(journey.name),
        description=journey.description or f"The journey {journey.name}.",
        rows=rows,
        variables=_variables(journey),
        annotations=[panels.annotation("Versions", queries.version_changes(journey.name), colour=panels.BLUE)],
    )


def _variables(journey: Journey) -> list[Panel]:
    return [
        panels.datasource_variable(),
        panels.resolution_variable(queries.RESOLUTIONS, default="1m"),
        *(panels.values_variable(name, queries.values_of(name, journey.name)) for name in queries.FILTERS),
    ]


def _numbers(journey: Journey) -> list[tuple[int, int, Panel]]:
    numbers = queries.summary(journey.name, threshold_us=journey.threshold_us)
    latency_scale = () if journey.threshold_us is None else (Step(panels.GREEN), Step(panels.RED, journey.threshold_us))
    width = 24 // len(numbers)
    row = [
        (panels.stat("Rate", "Journeys that ended, a second.", numbers["rate"], unit=panels.PER_SECOND, decimals=1)),
        panels.stat(
            "Success",
            "success / (success + failure): abandoned ones are the customer's choice.",
            numbers["success"],
            unit=panels.RATIO,
            decimals=3,
        ),
        panels.stat(
            "P99", "99 of 100 were at most this long.", numbers["p99"], unit=panels.MICROSECONDS, scale=latency_scale
        ),
    ]
    if "within" in numbers:
        title = f"Within {_duration(journey.threshold_us or 0)}"
        about = "The share of successes and failures that took at most what customers call fast. Exact: counted, not interpolated."
        row.append(panels.stat(title, about, numbers["within"], unit=panels.RATIO, decimals=3))
    return [(width, 4, panel) for panel in row]


def _outcomes(journey: Journey) -> Panel:
    return panels.lines(
        "Rate by outcome",
        "Journeys that ended, a second, by outcome. The newest point is still being counted; a gap means nothing was.",
        [queries.rate_by_outcome(journey.name)],
        unit=panels.PER_SECOND,
        colours=panels.OUTCOME_COLOURS,
        stacked=True,
    )


def _latency(journey: Journey) -> Panel:
    threshold = [Step("transparent"), Step(panels.RED, journey.threshold_us)] if journey.threshold_us else []
    return panels.lines(
        "Latency",
        "Nearest-rank percentiles over each interval's counts; the line is what customers call fast.",
        [queries.latency(journey.name)],
        unit=panels.MICROSECONDS,
        scale=threshold,
    )


def _distribution(journey: Journey) -> Panel:
    colours = {outcome: panels.OUTCOME_COLOURS[outcome] for outcome in ("success", "failure")}
    return panels.bars(
        "Latency distribution",
        "How many journeys took how long within the time range, 20 bars to a decade; a bar is named by its upper edge.",
        queries.distribution(journey.name),
        colours=colours,
    )


def _steps(journey: Journey) -> Panel:
    return panels.table(
        "Steps",
        "The steps of this journey, each counted by itself.",
        queries.steps(journey.name),
        columns=[
            Column("Count", panels.COUNT),
            Column("Success", panels.RATIO, decimals=2),
            Column("P50", panels.MICROSECONDS),
            Column("P99", panels.MICROSECONDS),
        ],
    )


def _version_rate(journey: Journey) -> Panel:
    return panels.lines(
        "Rate by version",
        "Journeys that ended, a second, by the service and version that ended them.",
        [queries.version_rate(journey.name)],
        unit=panels.PER_SECOND,
    )


def _version_p99(journey: Journey) -> Panel:
    return panels.lines(
        "P99 by version",
        "The P99 of each version's own journeys: a slow release stands apart from the one beside it.",
        [queries.version_p99(journey.name)],
        unit=panels.MICROSECONDS,
    )


def _budget_left(objectives: Sequence[tuple[Slo, Objective]]) -> Panel:
    return panels.lines(
        "Budget left, observed",
        "Over each SLO's window that ends there, of what was observed in it. 100 % is untouched, at 0 the budget is spent.",
        [queries.budget_left(slo, objective) for slo, objective in objectives],
        unit=panels.RATIO,
        scale=[Step("transparent"), Step(panels.RED, 0.0)],
        from_zero=False,
    )


def _burn_rate(objectives: Sequence[tuple[Slo, Objective]]) -> Panel:
    return panels.lines(
        "Burn rate, 1 h",
        "Bad share of the last hour, divided by the share that the objective allows. 1 spends exactly the budget over the SLO's window.",
        [queries.burn_rate(slo, objective, window_seconds=HOUR) for slo, objective in objectives],
        unit=panels.COUNT,
        scale=[Step("transparent"), Step(panels.YELLOW, 1.0)],
    )


def _duration(us: int) -> str:
    for unit, size in (("s", 1_000_000), ("ms", 1_000)):
        if us >= size:
            return f"{us / size:g} {unit}"
    return f"{us} µs"
