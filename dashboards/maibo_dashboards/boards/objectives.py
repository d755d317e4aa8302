"""The part of a journey's dashboard that is of its objectives: the table of all, then the chosen one in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_dashboards import panels, variables
from maibo_dashboards.boards.journeys import budgets
from maibo_dashboards.boards.scales import ALERTS_SCALE, BUDGET_SCALE, EXHAUSTED_SCALE, STATE_COLOURS, budgets_height
from maibo_dashboards.panels import Panel, Row, Series, Step
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
        [(24, 8, _burndown(every, chosen))],
        [(12, 9, _sli(every, chosen)), (12, 9, _burns(every, chosen))],
        [(24, 6, _events(every, chosen))],
    ]


def _standing(every: Sequence[budget_sql.Judged], chosen: str) -> list[Panel]:
    def stat(title: str, about: str, column: str, unit: str, **more: object) -> Panel:
        asked = Sql(budget_sql.standing(every, column, chosen=chosen))
        return panels.stat(title, about, asked, unit=unit, **more)  # type: ignore[arg-type]  # passed on

    return [
        stat("Objective", "The share of events that has to be good.", "target", panels.RATIO, decimals=3),
        stat(
            "State",
            "Exhausted where a whole window's budget is spent, stale without data for 10 minutes, alerting while an alert fires.",
            "state",
            panels.TEXT,
            states=STATE_COLOURS,
        ),
        stat("Attainment", "Good events / events over the SLO's window.", "attainment", panels.RATIO, decimals=3),
        stat(
            "Budget left",
            "Of the budget of the events that were observed in the window; of several groups, that with the least.",
            "budget_left",
            panels.RATIO,
            decimals=1,
            scale=BUDGET_SCALE,
        ),
        stat(
            "Exhausted in, at the soonest",
            "How long a whole window's budget lasts if it burns on as over the last 6 hours; a burn that leaves the rolling window gives time back. "
            "No data: it burns slower than it comes back, or is spent already.",
            "exhausted_in",
            panels.SECONDS,
            scale=EXHAUSTED_SCALE,
        ),
        stat("Open alerts", "Alerts of this objective that fire.", "alerts", panels.COUNT, scale=ALERTS_SCALE),
    ]


def _burndown(every: Sequence[budget_sql.Judged], chosen: str) -> Panel:
    return panels.lines(
        "Error budget: $objective",
        "The budget left of the window that ends at each moment, of what was observed in it. 100 % is untouched, below 0 it is overspent.",
        Sql(budget_sql.budget_left(every, chosen=chosen)),
        unit=panels.RATIO,
        scale=(Step(panels.RED), Step(panels.GREEN, 0.0)),
        filled=True,
        from_zero=False,
        most=1,
    )


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
    return panels.lines(
        "Events: $objective",
        "Good and bad events a second: whether a burn is of many or of few. The newest point is still being counted.",
        Sql(budget_sql.events(every, chosen=chosen)),
        unit=panels.PER_SECOND,
        colours={"good": panels.GREEN, "bad": panels.RED},
        stacked=True,
        bars=True,
    )
