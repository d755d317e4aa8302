"""The dashboard of all journeys, and of all objectives' budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_dashboards import panels, variables
from maibo_dashboards.boards import standing
from maibo_dashboards.boards.prometheus import journeys as on_prometheus
from maibo_dashboards.boards.scales import (
    AGE_SCALE,
    ALERTS_SCALE,
    BUDGET_SCALE,
    BURN_SCALE,
    OPEN,
    STATE_COLOURS,
    budgets_height,
    details_of,
)
from maibo_dashboards.naming import journey_uid, uid
from maibo_dashboards.panels import Column, Panel
from maibo_dashboards.sql import budgets as budget_sql
from maibo_dashboards.sql import cells, marks
from maibo_dashboards.sql import journeys as sql
from maibo_dashboards.targets import Sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_dashboards.targets import Source
    from maibo_slo.documents import Catalogue, FedSlo, Slo


def dashboard(catalogue: Catalogue, source: Source = "clickhouse") -> Panel:
    """Journeys seen in the store, declared or not; SLOs from the documents."""
    if source == "prometheus":
        return on_prometheus.dashboard(catalogue)
    slos = [slo for _, slo in sorted(catalogue.judged.items())]
    rows = [[(24, max(6, min(9, 3 + len(catalogue.journeys))), _journeys(catalogue, source))]]
    if slos:
        rows.append([(24, budgets_height(slos), budgets(slos, details_of(catalogue, slos, source)))])
    rows += [[(12, 9, _rate()), (12, 9, _p99())], [(24, 8, _failures())]]
    return panels.dashboard(
        title="Journeys",
        uid=uid("journeys", source),
        description="Every journey that customers take: how many, how well, how fast; and what is left of the error budgets.",
        rows=rows,
        variables=[variables.datasource(source), variables.resolution(cells.RESOLUTIONS, default="1m")],
        annotations=[
            variables.annotation("Alerts", Sql(marks.alerts(sorted(catalogue.slos))), colour=panels.RED),
            variables.annotation("Corrections", Sql(marks.corrections()), colour=panels.PURPLE),
            variables.annotation("Chaos", Sql(marks.corrections(chaos=True)), colour=panels.ORANGE),
        ],
    )


def budgets(slos: Sequence[Slo | FedSlo], dashboards: Mapping[str, str]) -> Panel:
    """A row for each objective, and for each group of an SLO that has some."""
    return panels.table(
        "Error budgets",
        "Each objective (and group) over its own window, which ends with the time range. Budget left is of what was observed; coverage is the share "
        "of the window that was. State: exhausted where a whole window's budget is spent, stale without data for 10 minutes, alerting while an alert fires.",
        Sql(budget_sql.budgets(slos, dashboards)),
        columns=standing.columns(slos, states=STATE_COLOURS, alerts="Open alerts", has_details=bool(dashboards)),
    )


def _journeys(catalogue: Catalogue, source: Source) -> Panel:
    uids = {name: journey_uid(name, source) for name in sorted(catalogue.journeys)}
    slos = {name: catalogue.slos_of_journey(name) for name in _journeys_with_slos(catalogue)}
    return panels.table(
        "Journeys",
        "Whole journeys that ended within the time range. Success is success / (success + failure). Attainment, budget and burn are those of the "
        "journey's objective with the least budget left, each over its own window.",
        Sql(sql.journeys(uids, slos)),
        columns=[
            Column("Count", panels.COUNT, width=100),
            Column("Rate", panels.PER_SECOND, width=110),
            Column("Success", panels.RATIO, decimals=2, width=100),
            Column("P50", panels.MICROSECONDS, width=100),
            Column("P99", panels.MICROSECONDS, width=100),
            Column("Attainment", panels.RATIO, decimals=3, width=110),
            Column("Budget left", panels.RATIO, decimals=1, scale=BUDGET_SCALE, width=110),
            Column("Burn 1 h", panels.COUNT, decimals=1, scale=BURN_SCALE, width=90),
            Column("Burn 6 h", panels.COUNT, decimals=1, scale=BURN_SCALE, width=90),
            Column("Open alerts", panels.COUNT, scale=ALERTS_SCALE, width=110),
            Column("Data age", panels.SECONDS, scale=AGE_SCALE, width=100),
            Column("Details", url=OPEN, width=80),
        ],
    )


def _journeys_with_slos(catalogue: Catalogue) -> list[str]:
    return sorted({indicator.total.journey for slo in catalogue.slos.values() for indicator in slo.indicators})


def _rate() -> Panel:
    return panels.lines(
        "Rate",
        "Journeys that ended, a second. The newest point is still being counted.",
        Sql(sql.rate_by_journey()),
        unit=panels.PER_SECOND,
    )


def _p99() -> Panel:
    return panels.lines(
        "P99",
        "99 of 100 journeys were at most this long: nearest rank over each interval's counts, never an average of percentiles.",
        Sql(sql.p99_by_journey()),
        unit=panels.MICROSECONDS,
        logarithmic=True,
    )


def _failures() -> Panel:
    return panels.lines(
        "Failure share",
        "Failure / (success + failure) of each interval; abandoned journeys are the customer's choice.",
        Sql(sql.failures_by_journey()),
        unit=panels.RATIO,
    )
