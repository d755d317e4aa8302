"""Tables of several queries: Grafana joins their rows by the labels that they share."""

from __future__ import annotations

from string import ascii_uppercase
from typing import TYPE_CHECKING, Final

from maibo_dashboards import panels, variables
from maibo_dashboards.boards import standing
from maibo_dashboards.boards.scales import STATE_COLOURS
from maibo_dashboards.promql import budgets, series
from maibo_dashboards.targets import Promql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_dashboards.panels import Column, Panel
    from maibo_slo.documents import FedSlo, Slo

ENGINE_STATES: Final = {"burning": panels.YELLOW, "burning_fast": panels.RED, "no_data": panels.GREY}
"""As the engine calls them."""


def every() -> list[Panel]:
    """Variables that each of these dashboards has."""
    return [
        variables.datasource("prometheus"),
        variables.values("job", series.JOBS, single=True),
    ]


def joined(
    title: str,
    description: str,
    asked: Mapping[str, str],
    *,
    labels: Mapping[str, str],
    columns: Sequence[Column],
    sort_by: str = "",
) -> Panel:
    """A row for each combination of labels. `asked`: column -> query, '' for one whose labels alone are shown; `labels`: label -> column."""
    refs = dict(zip(asked, ascii_uppercase, strict=False))
    values = {f"Value #{ref}" if len(refs) > 1 else "Value": column for column, ref in refs.items()}
    shown = {name: column for name, column in values.items() if column}
    return panels.table(
        title,
        description,
        [Promql(expr, ref=refs[column]) for column, expr in asked.items()],
        columns=columns,
        transformations=[
            panels.merged(),
            panels.organised(
                renamed={**labels, **shown},
                hidden={"Time", *(values.keys() - shown.keys())},
                order=[*(label for label in labels if label != "details"), *shown, *labels.keys() & {"details"}],
            ),
        ],
        sort_by=sort_by,
    )


def error_budgets(slos: Sequence[Slo | FedSlo], dashboards: Mapping[str, str]) -> Panel:
    """A row for each objective, and for each group of an SLO that has some. `dashboards`: SLO -> uid of what tells more; none where that is this one."""
    details = {"details": "Details"} if dashboards else {}
    return joined(
        "Error budgets",
        "Each objective (and group) over its own window, as of maibo's last tick. Budget left is of what was observed; coverage is the share of the window that "
        "was. Alerts: pairs of burn windows by which the engine alerts now.",
        budgets.columns([slo.name for slo in slos], dashboards),
        labels={"slo": "SLO", "objective": "Objective", "group": "Group", "state": "State", **details},
        columns=standing.columns(
            slos, states=STATE_COLOURS | ENGINE_STATES, alerts="Alerts", has_details=bool(dashboards)
        ),
        sort_by="Budget left",
    )
