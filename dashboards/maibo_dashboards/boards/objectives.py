"""The part of a journey's dashboard that is of its objectives: the table of all, then the chosen one in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_dashboards import panels, variables
from maibo_dashboards.boards import standing
from maibo_dashboards.boards.journeys import budgets
from maibo_dashboards.boards.scales import ALERTS_SCALE, STATE_COLOURS, budgets_height
from maibo_dashboards.panels import Panel, Row, Series
from maibo_dashboards.sql import budgets as budget_sql
from maibo_dashboards.sql.budgets import GROUP_CHOSEN, OBJECTIVE_CHOSEN, judged
from maibo_dashboards.targets import Sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.documents import Slo


def choices(slos: Sequence[Slo]) -> list[Panel]:
    """Which objective is told in full, and which groups."""
    if not slos:
        return []
    made = [variables.choice("objective", {each.key: each.name for each in judged(slos)})]
    if any(slo.group_by for slo in slos):
        made.append(variables.values("group", Sql(budget_sql.groups(slos))))
    return made


def rows(slos: Sequence[Slo]) -> list[Row]:
    """None where nothing is judged."""
    if not slos:
        return []
    every = judged(slos)
    chosen = OBJECTIVE_CHOSEN + (f" AND {GROUP_CHOSEN}" if any(slo.group_by for slo in slos) else "")
    return [
        [(24, 1, panels.heading("Objectives"))],
        [(24, budgets_height(slos), budgets(slos, {}))],
        [(4, 4, panel) for panel in _standing(every, chosen)],
        [(24, 8, standing.burndown("$objective", Sql(budget_sql.budget_left(every, chosen=chosen))))],
        [(12, 9, _sli(every, chosen)), (12, 9, _burns(every, chosen))],
        [(24, 6, _events(every, chosen))],
    ]


def _standing(every: Sequence[budget_sql.Judged], chosen: str) -> list[Panel]:
    def of(column: str) -> Sql:
        return Sql(budget_sql.standing(every, column, chosen=chosen))

    return [
        standing.objective(of("target")),
        panels.stat(
            "State",
            "Exhausted where a whole window's budget is spent, stale without data for 10 minutes, alerting while an alert fires.",
            of("state"),
            unit=panels.TEXT,
            states=STATE_COLOURS,
        ),
        panels.stat(
            "Attainment",
            "Good events / events over the SLO's window.",
            of("attainment"),
            unit=panels.RATIO,
            decimals=3,
        ),
        standing.budget_left(of("budget_left")),
        standing.exhausted_in(of("exhausted_in")),
        panels.stat(
            "Open alerts",
            "Alerts of this objective that fire.",
            of("alerts"),
            unit=panels.COUNT,
            scale=ALERTS_SCALE,
        ),
    ]


def _sli(every: Sequence[budget_sql.Judged], chosen: str) -> Panel:
    return panels.lines(
        "SLI and objective: $objective",
        "The share of good events of each interval, beside what the objective asks for. A composite has no events of its own.",
        Sql(budget_sql.attainment(every, chosen=chosen)),
        unit=panels.RATIO,
        series=[Series("objective", panels.RED, dashed=True, joined=True)],
        from_zero=False,
        most=1,
    )


def _burns(every: Sequence[budget_sql.Judged], chosen: str) -> Panel:
    return panels.lines(
        "Burn rates: $objective",
        "Bad share of each window, divided by the share that the objective allows; 1 spends exactly the budget. Dashed: what alerts go by. One fires when a "
        "long window and its short one are both above.",
        [
            Sql(budget_sql.burn_rates(every, chosen=chosen)),
            Sql(budget_sql.thresholds(every, chosen=OBJECTIVE_CHOSEN)),
        ],
        unit=panels.COUNT,
        series=[Series("/^page/", panels.RED, dashed=True), Series("/^ticket/", panels.ORANGE, dashed=True)],
    )


def _events(every: Sequence[budget_sql.Judged], chosen: str) -> Panel:
    return standing.events(
        "$objective",
        "Good and bad events a second: whether a burn is of many or of few. The newest point is still being counted.",
        Sql(budget_sql.events(every, chosen=chosen)),
    )
