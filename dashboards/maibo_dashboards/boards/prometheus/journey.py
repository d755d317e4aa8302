"""The dashboard of one journey: how it goes now, its objectives and their budgets, its latency.

Steps, reasons, and who differs from whom are in the store alone: as series they would be too many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_dashboards import panels, variables
from maibo_dashboards.boards import standing
from maibo_dashboards.boards.prometheus.journeys import alerts, overrides, scaleups
from maibo_dashboards.boards.prometheus.tables import error_budgets, every
from maibo_dashboards.boards.scales import (
    AGE_SCALE,
    ALERTS_SCALE,
    budgets_height,
    duration,
    threshold_lines,
    threshold_scale,
)
from maibo_dashboards.naming import journey_title, journey_uid
from maibo_dashboards.panels import Panel, Row, Series
from maibo_dashboards.promql import budgets
from maibo_dashboards.promql import journeys as promql
from maibo_dashboards.targets import Promql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.documents import Catalogue, Journey, Slo

CHOSEN: Final = "$slo $objective"


def dashboard(catalogue: Catalogue, journey: Journey) -> Panel:
    """Whoever is woken reads it from the top: is it bad, since when, how fast."""
    slos = catalogue.slos_of_journey(journey.name)
    return panels.dashboard(
        title=journey_title(journey, catalogue.journeys.values(), "prometheus"),
        uid=journey_uid(journey.name, "prometheus"),
        description=journey.description or f"The journey {journey.name}.",
        rows=[_now(journey), *_objectives(slos), *_traffic(journey)],
        variables=[*every(), *_choices(slos)],
        annotations=[
            *([alerts(*(slo.name for slo in slos))] if slos else []),
            scaleups(),
            overrides(),
        ],
    )


def _choices(slos: Sequence[Slo]) -> list[Panel]:
    """Which objective is told in full, and which groups."""
    if not slos:
        return []
    choices = [
        variables.values("slo", Promql(budgets.slos([slo.name for slo in slos])), label="SLO", single=True),
        variables.values("objective", Promql(budgets.objectives()), single=True),
    ]
    if _is_grouped(slos):
        choices.append(variables.values("group", Promql(budgets.groups()), every=".*"))
    return choices


def _is_grouped(slos: Sequence[Slo]) -> bool:
    return any(slo.group_by for slo in slos)


def _now(journey: Journey) -> Row:
    name, threshold = journey.name, _seconds(journey)
    row = [
        panels.stat(
            "Rate",
            "Journeys that ended, a second.",
            Promql(promql.ended_a_second(name)),
            unit=panels.PER_SECOND,
            decimals=1,
        ),
        panels.stat(
            "Success",
            "success / (success + failure): abandoned ones are the customer's choice.",
            Promql(promql.success(name)),
            unit=panels.RATIO,
            decimals=3,
        ),
        panels.stat(
            "P99",
            "99 of 100 were at most this long, interpolated within a bucket.",
            Promql(promql.p99(name)),
            unit=panels.SECONDS,
            scale=threshold_scale(threshold),
        ),
    ]
    if journey.threshold_us is not None:
        row.append(
            panels.stat(
                f"Within {duration(journey.threshold_us)}",
                "The share of successes and failures that took at most what customers call fast. The threshold is a bucket's edge.",
                Promql(promql.within(name, journey.threshold_us)),
                unit=panels.RATIO,
                decimals=3,
            )
        )
    row.append(
        panels.stat(
            "Data age",
            "Time since the newest journey, of the last hour.",
            Promql(promql.age(name)),
            unit=panels.SECONDS,
            scale=AGE_SCALE,
        )
    )
    return panels.abreast(row, height=4)


def _objectives(slos: Sequence[Slo]) -> list[Row]:
    """The table of all; then the chosen one in full."""
    if not slos:
        return []
    grouped = _is_grouped(slos)
    left = Promql(budgets.budget_left_by_group(grouped=grouped), legend="budget left {{group}}")
    return [
        [(24, 1, panels.heading("Objectives"))],
        [(24, budgets_height(slos), error_budgets(slos, {}))],
        _standing(grouped=grouped),
        [(24, 8, standing.burndown(CHOSEN, left))],
        [(12, 9, _sli(grouped=grouped)), (12, 9, _burns(grouped=grouped))],
        [(24, 6, _events(grouped=grouped))],
    ]


def _standing(*, grouped: bool) -> Row:
    stats = [
        standing.objective(Promql(budgets.objective())),
        panels.stat(
            "Attainment",
            "Good events / events over the SLO's window; of several groups, the least.",
            Promql(budgets.attainment(grouped=grouped)),
            unit=panels.RATIO,
            decimals=3,
        ),
        standing.budget_left(Promql(budgets.budget_left(grouped=grouped))),
        standing.exhausted_in(Promql(budgets.exhausted_in(grouped=grouped))),
        panels.stat(
            "Alerts",
            "Pairs of burn windows by which the engine alerts now.",
            Promql(budgets.reached(grouped=grouped)),
            unit=panels.COUNT,
            scale=ALERTS_SCALE,
        ),
    ]
    return [(4 if index == 0 else 5, 4, stat) for index, stat in enumerate(stats)]


def _sli(*, grouped: bool) -> Panel:
    return panels.lines(
        f"SLI and objective: {CHOSEN}",
        "The share of good events of the 5 minutes before each moment, beside what the objective asks for. A composite has no events of its own.",
        [
            Promql(budgets.sli(grouped=grouped), legend="SLI"),
            Promql(budgets.objective(), legend="objective"),
        ],
        unit=panels.RATIO,
        series=[Series("objective", panels.RED, dashed=True)],
        from_zero=False,
        most=1,
    )


def _burns(*, grouped: bool) -> Panel:
    return panels.lines(
        f"Burn rates: {CHOSEN}",
        "Bad share of each window, divided by the share that the objective allows; 1 spends exactly the budget. Dashed: what alerts go by, by the long window. "
        "One fires when that and its short one are both above.",
        [
            Promql(budgets.burn_rates(grouped=grouped), legend="{{window}} {{group}}"),
            Promql(budgets.factors(), legend="above, {{window}}"),
        ],
        unit=panels.COUNT,
        series=[Series("/^above/", panels.RED, dashed=True)],
    )


def _events(*, grouped: bool) -> Panel:
    return standing.events(
        CHOSEN,
        "Good and bad events a second over the 5 minutes before each moment: whether a burn is of many or of few.",
        [
            Promql(budgets.events_a_second(bad=False, grouped=grouped), legend="good"),
            Promql(budgets.events_a_second(bad=True, grouped=grouped), legend="bad"),
        ],
    )


def _traffic(journey: Journey) -> list[Row]:
    return [
        [(24, 1, panels.heading("Traffic and latency"))],
        [(12, 9, _outcomes(journey)), (12, 9, _latency(journey))],
        [(24, 10, _heatmap(journey))],
    ]


def _outcomes(journey: Journey) -> Panel:
    return panels.lines(
        "Rate by outcome",
        "Journeys that ended, a second, by outcome, as Prometheus saw them counted.",
        Promql(promql.rate_by_outcome(journey.name), legend="{{outcome}}"),
        unit=panels.PER_SECOND,
        colours=panels.OUTCOME_COLOURS,
        stacked=True,
    )


def _latency(journey: Journey) -> Panel:
    return panels.lines(
        "Latency",
        "Percentiles of all counts together, interpolated within a bucket; the line is what customers call fast.",
        [Promql(promql.latency(journey.name, level), legend=f"P{level * 100:g}") for level in (0.5, 0.9, 0.99)],
        unit=panels.SECONDS,
        scale=threshold_lines(_seconds(journey)),
    )


def _heatmap(journey: Journey) -> Panel:
    return panels.heatmap(
        "Latency over time",
        "How many successes and failures a second took how long: ten rows a decade, and what customers call fast as an edge.",
        Promql(promql.buckets(journey.name), legend="{{le}}", as_heatmap=True),
        unit=panels.SECONDS,
    )


def _seconds(journey: Journey) -> float | None:
    return None if journey.threshold_us is None else journey.threshold_us / 1e6
