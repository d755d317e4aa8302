"""How objectives stand, as either data source's dashboards show it: the columns of the table of all, and numbers of the chosen one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_dashboards import panels
from maibo_dashboards.boards.scales import (
    AGE_SCALE,
    ALERTS_SCALE,
    BUDGET_SCALE,
    BURN_SCALE,
    EXHAUSTED_SCALE,
    OPEN,
)
from maibo_dashboards.panels import Column, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_dashboards.panels import Panel
    from maibo_dashboards.targets import Target, Targets
    from maibo_slo.documents import FedSlo, Slo


def columns(slos: Sequence[Slo | FedSlo], *, states: Mapping[str, str], alerts: str, has_details: bool) -> list[Column]:
    """The SLO has what the others leave. `alerts`: what theirs is called; details are of the journey, and none on the journey's own dashboard."""
    return [
        Column("Objective", width=110),
        Column("Group", hidden=not any(slo.group_by for slo in slos)),
        Column("State", states=states, width=100),
        Column("Target", panels.RATIO, decimals=3, width=100),
        Column("Window", panels.SECONDS, width=100),
        Column("Attainment", panels.RATIO, decimals=3, width=110),
        Column("Budget left", panels.RATIO, decimals=1, scale=BUDGET_SCALE, width=110),
        Column("Burn 1 h", panels.COUNT, decimals=1, scale=BURN_SCALE, width=90),
        Column("Burn 6 h", panels.COUNT, decimals=1, scale=BURN_SCALE, width=90),
        Column("Coverage", panels.RATIO, decimals=1, width=100),
        Column(alerts, panels.COUNT, scale=ALERTS_SCALE, width=110),
        Column("Data age", panels.SECONDS, scale=AGE_SCALE, width=100),
        Column("Details", url=OPEN, width=80, hidden=not has_details),
    ]


def objective(target: Target) -> Panel:
    return panels.stat("Objective", "The share of events that has to be good.", target, unit=panels.RATIO, decimals=3)


def budget_left(target: Target) -> Panel:
    return panels.stat(
        "Budget left",
        "Of the budget of the events that were observed in the window; of several groups, that with the least.",
        target,
        unit=panels.RATIO,
        decimals=1,
        scale=BUDGET_SCALE,
    )


def exhausted_in(target: Target) -> Panel:
    return panels.stat(
        "Exhausted in, at the soonest",
        "How long a whole window's budget lasts if it burns on as over the last 6 hours; a burn that leaves the rolling window gives time back. "
        "No data: it burns slower than it comes back, or is spent already.",
        target,
        unit=panels.SECONDS,
        scale=EXHAUSTED_SCALE,
    )


def burndown(chosen: str, target: Target) -> Panel:
    """`chosen`: which objective, by the dashboard's variables."""
    return panels.lines(
        f"Error budget: {chosen}",
        "The budget left of the window that ends at each moment, of what was observed in it. 100 % is untouched, below 0 it is overspent.",
        target,
        unit=panels.RATIO,
        scale=(Step(panels.RED), Step(panels.GREEN, 0.0)),
        filled=True,
        from_zero=False,
        most=1,
    )


def events(chosen: str, about: str, targets: Targets) -> Panel:
    return panels.lines(
        f"Events: {chosen}",
        about,
        targets,
        unit=panels.PER_SECOND,
        colours={"good": panels.GREEN, "bad": panels.RED},
        stacked=True,
        bars=True,
    )
