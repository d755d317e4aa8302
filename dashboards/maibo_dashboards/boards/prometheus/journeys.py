"""The dashboard of all journeys, and of all objectives' budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_dashboards import panels, variables
from maibo_dashboards.boards.prometheus.tables import error_budgets, every, joined
from maibo_dashboards.boards.scales import (
    AGE_SCALE,
    ALERTS_SCALE,
    BUDGET_SCALE,
    BURN_SCALE,
    OPEN,
    budgets_height,
    details_of,
)
from maibo_dashboards.naming import journey_uid, title, uid
from maibo_dashboards.panels import Column, Panel
from maibo_dashboards.promql import budgets, scaling
from maibo_dashboards.promql import journeys as promql
from maibo_dashboards.targets import Promql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.documents import Catalogue


def dashboard(catalogue: Catalogue) -> Panel:
    """Journeys that maibo tells of; SLOs from the documents."""
    slos = [slo for _, slo in sorted(catalogue.judged.items())]
    rows = [[(24, 9, _journeys(catalogue))]]
    if slos:
        rows.append([(24, budgets_height(slos), error_budgets(slos, details_of(catalogue, slos, "prometheus")))])
    rows += [[(12, 9, _rate()), (12, 9, _p99())], [(24, 8, _failures())]]
    return panels.dashboard(
        title=title("Journeys", "prometheus"),
        uid=uid("journeys", "prometheus"),
        description="Every journey that customers take: how many, how well, how fast; and what is left of the error budgets.",
        rows=rows,
        variables=every(),
        annotations=[alerts()],
    )


def alerts(*slos: str) -> Mapping[str, object]:
    """Marked while the engine holds that a budget burns as alerts have it."""
    asked = Promql(budgets.alerts(slos), legend="{{slo}} {{objective}} {{group}}: burns over {{window}}")
    return variables.annotation("Alerts", asked, colour=panels.RED)


def scaleups() -> Mapping[str, object]:
    """Marked once they are over."""
    return variables.annotation("Scale-ups", Promql(scaling.marks(), legend="{{workload}}"), colour=panels.GREEN)


def overrides() -> Mapping[str, object]:
    asked = Promql(scaling.overridden(), legend="{{target_namespace}}/{{target}}: a person's override")
    return variables.annotation("Overrides", asked, colour=panels.YELLOW)


def _journeys(catalogue: Catalogue) -> Panel:
    asked = promql.columns({name: journey_uid(name, "prometheus") for name in sorted(catalogue.journeys)})
    age = asked.pop("Data age")
    of_slos = {
        "Budget left": budgets.lowest_by_journey(),
        "Burn 1 h": budgets.highest_burn_by_journey("1h"),
        "Alerts": budgets.alerts_by_journey(),
    }
    return joined(
        "Journeys",
        "Whole journeys that ended within the time range. Success is success / (success + failure); quantiles are interpolated within buckets, ten a decade. Budget "
        "left is the least and burn the highest of the journey's objectives, each over its own window.",
        {**asked, **(of_slos if catalogue.judged else {}), "Data age": age},
        labels={"journey": "Journey", "details": "Details"},
        columns=[
            Column("Count", panels.COUNT, decimals=0, width=100),
            Column("Rate", panels.PER_SECOND, width=110),
            Column("Success", panels.RATIO, decimals=2, width=100),
            Column("P50", panels.SECONDS, width=100),
            Column("P99", panels.SECONDS, width=100),
            Column("Budget left", panels.RATIO, decimals=1, scale=BUDGET_SCALE, width=110),
            Column("Burn 1 h", panels.COUNT, decimals=1, scale=BURN_SCALE, width=90),
            Column("Alerts", panels.COUNT, scale=ALERTS_SCALE, width=110),
            Column("Data age", panels.SECONDS, scale=AGE_SCALE, width=100),
            Column("Details", url=OPEN, width=80),
        ],
        sort_by="Journey",
    )


def _rate() -> Panel:
    return panels.lines(
        "Rate",
        "Journeys that ended, a second, as Prometheus saw them counted.",
        Promql(promql.rate_by_journey(), legend="{{journey}}"),
        unit=panels.PER_SECOND,
    )


def _p99() -> Panel:
    return panels.lines(
        "P99",
        "99 of 100 journeys were at most this long: interpolated within a bucket of all their counts, never an average of percentiles.",
        Promql(promql.p99_by_journey(), legend="{{journey}}"),
        unit=panels.SECONDS,
        logarithmic=True,
    )


def _failures() -> Panel:
    return panels.lines(
        "Failure share",
        "Failure / (success + failure); abandoned journeys are the customer's choice.",
        Promql(promql.failures_by_journey(), legend="{{journey}}"),
        unit=panels.RATIO,
    )
