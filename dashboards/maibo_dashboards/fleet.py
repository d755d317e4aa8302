"""The dashboard of all journeys, and of all objectives' budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_dashboards import panels, queries
from maibo_dashboards.naming import FLEET_UID, journey_uid
from maibo_dashboards.panels import Column, Panel, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.documents import Catalogue, Slo

BUDGET_SCALE = (Step(panels.RED), Step(panels.YELLOW, 0.0), Step(panels.GREEN, 0.25))


def dashboard(catalogue: Catalogue) -> Panel:
    """Journeys seen in the store, declared or not; SLOs from the documents."""
    slos = [catalogue.slos[name] for name in sorted(catalogue.slos)]
    uids = {name: journey_uid(name) for name in sorted(catalogue.journeys)}
    rows = [[(24, 9, _journeys(queries.journeys(uids)))], [(12, 9, _rate()), (12, 9, _p99())]]
    if slos:
        rows.append([(24, 9, budgets(slos))])
    return panels.dashboard(
        title="Journeys",
        uid=FLEET_UID,
        description="Every journey that customers take: how many, how well, how fast; and what is left of the error budgets.",
        rows=rows,
        variables=[panels.datasource_variable(), panels.resolution_variable(queries.RESOLUTIONS, default="1m")],
    )


def budgets(slos: Sequence[Slo]) -> Panel:
    return panels.table(
        "Error budgets",
        "Each objective over its own window, which ends with the time range. Budget left is told over what was observed: coverage says "
        "which share of the window's minutes had any event. Empty means no data.",
        queries.budgets(slos),
        columns=[
            Column("Target", panels.RATIO, decimals=3),
            Column("Window", panels.SECONDS),
            Column("Attainment", panels.RATIO, decimals=3),
            Column("Budget left, observed", panels.RATIO, decimals=1, scale=BUDGET_SCALE),
            Column("Coverage", panels.RATIO, decimals=1),
        ],
    )


def _journeys(sql: str) -> Panel:
    return panels.table(
        "Journeys",
        "Whole journeys that ended within the time range. Success is success / (success + failure); latency is over successes and failures.",
        sql,
        columns=[
            Column("Count", panels.COUNT),
            Column("Rate", panels.PER_SECOND),
            Column("Success", panels.RATIO, decimals=2),
            Column("P50", panels.MICROSECONDS),
            Column("P99", panels.MICROSECONDS),
            Column("Newest", panels.FROM_NOW),
            Column("Details", "string", url="/d/${__value.raw}?${__url_time_range}"),
        ],
    )


def _rate() -> Panel:
    return panels.lines(
        "Rate",
        "Journeys that ended, a second. The newest point is still being counted.",
        [queries.rate_by_journey()],
        unit=panels.PER_SECOND,
    )


def _p99() -> Panel:
    return panels.lines(
        "P99",
        "99 of 100 journeys were at most this long: nearest rank over each interval's counts, never an average of percentiles.",
        [queries.p99_by_journey()],
        unit=panels.MICROSECONDS,
        logarithmic=True,
    )
