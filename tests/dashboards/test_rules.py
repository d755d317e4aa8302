"""Each rule that dashboards keep, by breaking it in one that keeps them all."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from maibo_dashboards import panels, variables
from maibo_dashboards.errors import DashboardError
from maibo_dashboards.render import render
from maibo_dashboards.rules import broken_rules
from maibo_dashboards.targets import Promql, Sql

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_dashboards.panels import Panel

SPEND = (
    "SELECT $__timeInterval(t) AS time, sum(n) AS Value FROM cells_${resolution} WHERE tier IN (${tier:singlequote})"
)


def board(*, width: int = 12) -> Panel:
    rate = panels.lines("Rate", "How many.", Sql(SPEND), unit=panels.PER_SECOND)
    scale = panels.stat("P99", "How long.", Sql(SPEND), unit=panels.MICROSECONDS)
    return panels.dashboard(
        title="Good",
        uid="good",
        description="It keeps every rule.",
        rows=[
            [(24, 1, panels.heading("All"))],
            [(width, 8, rate), (12, 8, scale)],
            [(24, 3, panels.text("Read", "Me."))],
        ],
        variables=[
            variables.datasource(),
            variables.resolution({"1m": "1 min", "1h": "1 h"}, default="1m"),
            variables.values("tier", Sql("SELECT DISTINCT tier FROM cells_1m")),
        ],
        annotations=[variables.annotation("Marks", Sql("SELECT now() AS time, 'x' AS text"), colour=panels.RED)],
    )


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    rendered: dict[str, Any] = json.loads(render(board()))
    return rendered


def test_a_good_dashboard_breaks_none(good: dict[str, Any]) -> None:
    assert list(broken_rules(good)) == []


def panel(document: dict[str, Any]) -> dict[str, Any]:
    """The first that asks something."""
    found: dict[str, Any] = document["panels"][1]
    return found


def variable(document: dict[str, Any]) -> dict[str, Any]:
    """The one that asks something."""
    found: dict[str, Any] = document["templating"]["list"][2]
    return found


def defaults(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = panel(document)["fieldConfig"]["defaults"]
    return found


def annotation(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["annotations"]["list"][0]
    return found


def another(document: dict[str, Any]) -> dict[str, Any]:
    """Beside the first target, one like it."""
    panel(document)["targets"].append(deepcopy(panel(document)["targets"][0]))
    found: dict[str, Any] = panel(document)["targets"][1]
    return found


SPOILT: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a title": (lambda board: board.update(title=""), "the dashboard has no title"),
    "a uid": (lambda board: board.pop("uid"), "the dashboard has no uid"),
    "a description": (lambda board: board.update(description=""), "the dashboard has no description"),
    "the viewer's time": (lambda board: board.update(timezone="utc"), "time zone is not the viewer's"),
    "hands off": (lambda board: board.update(editable=True), "is editable by hand"),
    "patience": (lambda board: board.update(refresh="5s"), "refreshes every 5s"),
    "ids": (lambda board: panel(board).update(id=3), "ids are not unique: 3"),
    "room": (lambda board: panel(board)["gridPos"].update(w=13), "overlap"),
    "the grid": (lambda board: board["panels"][2]["gridPos"].update(w=13), "beyond 24 columns"),
    "a row's title": (lambda board: board["panels"][0].update(title=""), "a row has no title"),
    "a panel's title": (lambda board: panel(board).update(title=""), "lacks a title or a description"),
    "a panel's description": (lambda board: panel(board).pop("description"), "lacks a title or a description"),
    "a unit": (lambda board: defaults(board).pop("unit"), "has no unit"),
    "an empty state": (lambda board: defaults(board).pop("noValue"), "does not say when it has no data"),
    "a legend": (lambda board: panel(board)["options"]["legend"].pop("showLegend"), "whether it shows its legend"),
    "a scale's begin": (lambda board: defaults(board)["thresholds"]["steps"][0].update(value=0), "minus infinity"),
    "a scale": (lambda board: defaults(board).pop("thresholds"), "minus infinity"),
    "the variable": (lambda board: panel(board)["datasource"].update(uid="abc"), "names a data source instead"),
    "a known type": (lambda board: panel(board)["datasource"].update(type="loki"), "names a data source instead"),
    "any data source": (lambda board: panel(board).pop("datasource"), "names a data source instead"),
    "one data source": (lambda board: another(board).update(refId="B", datasource={}), "asks another data source"),
    "targets": (lambda board: panel(board).pop("targets"), "asks nothing"),
    "refs": (another, "several targets called A"),
    "a query": (lambda board: panel(board)["targets"][0].update(rawSql=" "), "has an empty query"),
    "declared ones": (lambda board: panel(board)["targets"][0].update(rawSql="SELECT $other"), "not declared: other"),
    "used ones": (lambda board: board["panels"].pop(1) and board["panels"].pop(1), "not used: datasource, resolution"),
    "a source to choose": (
        lambda board: board["templating"]["list"][0].update(query="prometheus"),
        "the variable chooses prometheus, but grafana-clickhouse-datasource is asked",
    ),
    "a label": (lambda board: variable(board).pop("label"), "variable 'tier' has no label"),
    "a variable's source": (lambda board: variable(board)["datasource"].update(uid="abc"), "variable 'tier' names"),
    "asking again": (lambda board: variable(board).update(refresh=1), "not asked again when the time range changes"),
    "a mark's source": (lambda board: annotation(board).pop("datasource"), "annotation 'Marks' names a data source"),
    "a mark's query": (lambda board: annotation(board).pop("target"), "annotation 'Marks' has an empty query"),
    "a mark's colour": (lambda board: annotation(board).update(iconColor=""), "annotation 'Marks' has no colour"),
}


@pytest.mark.parametrize("without", SPOILT)
def test_a_dashboard_is_not_well_without(good: dict[str, Any], without: str) -> None:
    spoil, said = SPOILT[without]
    spoilt = deepcopy(good)
    if without == "used ones":  # nor are panels, which use the others
        for each in (annotation(spoilt), variable(spoilt)):
            each.pop("datasource")
    spoil(spoilt)
    assert said in "; ".join(broken_rules(spoilt))


@pytest.mark.parametrize(
    ("expr", "said"),
    [
        ("sum(rate(maibo_spans_total[5m]))", "a rate over something else than $__rate_interval"),
        ('sum(irate(maibo_spans_total{a="b"}[1m]))', "a rate over something else than $__rate_interval"),
        ("sum(maibo_spans_total)", "shows a counter that only grows"),
        ('maibo_spans_total{result="counted"}', "shows a counter that only grows"),
        ("sum(rate(maibo_spans_total[$__rate_interval]))", ""),
        ('sum by (a) (increase(maibo_spans_total{a="b"}[$__range]))', ""),
        ('maibo_slo_burn_rate{window="1h"}', ""),
    ],
)
def test_promql_tells_rates_as_grafana_asks_them(expr: str, said: str) -> None:
    told = panels.dashboard(
        title="PromQL",
        uid="promql",
        description="One query.",
        rows=[[(24, 8, panels.lines("Rate", "How many.", Promql(expr), unit=panels.PER_SECOND))]],
        variables=[variables.datasource("prometheus")],
    )
    if said:
        with pytest.raises(DashboardError, match=r"PromQL.* cannot be rendered.*") as refused:
            render(told)
        assert said in str(refused.value)
    else:
        render(told)


def test_a_row_wider_than_the_grid_is_not_rendered() -> None:
    with pytest.raises(DashboardError, match="beyond 24 columns"):
        render(board(width=20))
