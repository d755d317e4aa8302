"""The panels' vocabulary: grafanalib with our defaults, ClickHouse as the data source, and a description on everything.

grafanalib publishes no types and stopped at Grafana 9; what it writes is brought up to date in `render`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grafanalib.core

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

g: Any = grafanalib.core
"""Without types: what type checkers guess of it is wrong."""

SOURCE_TYPE: Final = "grafana-clickhouse-datasource"
SOURCE: Final = {"type": SOURCE_TYPE, "uid": "${datasource}"}

Panel = Any
"""One of grafanalib's panels, which have no types."""

# Grafana's unit ids
MICROSECONDS: Final = "µs"
SECONDS: Final = "s"
PER_SECOND: Final = "cps"
RATIO: Final = "percentunit"
COUNT: Final = "short"
FROM_NOW: Final = "dateTimeFromNow"

GREEN, YELLOW, RED, BLUE, GREY = "green", "yellow", "red", "blue", "text"
OUTCOME_COLOURS: Final = {"success": GREEN, "failure": RED, "abandoned": "#8e8e8e"}

_TIME_SERIES, _TABLE = 0, 1


@dataclass(frozen=True, slots=True)
class Query:
    """One SQL query of a panel; grafanalib asks for its JSON."""

    sql: str
    ref: str = "A"
    as_table: bool = False

    def to_json_data(self) -> dict[str, object]:
        return {
            "refId": self.ref,
            "datasource": SOURCE,
            "editorType": "sql",
            "rawSql": self.sql,
            "format": _TABLE if self.as_table else _TIME_SERIES,
        }


@dataclass(frozen=True, slots=True)
class Step:
    """A colour from a value on; the first step of a scale has no value."""

    colour: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """How a table shows one column."""

    name: str
    unit: str
    decimals: int | None = None
    scale: Sequence[Step] = ()
    url: str = ""


def stat(
    title: str, description: str, sql: str, *, unit: str, scale: Sequence[Step] = (), decimals: int | None = None
) -> Panel:
    """One big number."""
    return g.Stat(
        title=title,
        description=description,
        targets=[Query(sql, as_table=True)],
        format=unit,
        decimals=decimals,
        thresholds=_scale(scale),
        color={"mode": "thresholds"},
        graphMode="none",
        reduceCalc="lastNotNull",
        noValue="no data",
        dataSource=SOURCE,
    )


def lines(
    title: str,
    description: str,
    queries: Sequence[str],
    *,
    unit: str,
    scale: Sequence[Step] = (),
    colours: Mapping[str, str] | None = None,
    stacked: bool = False,
    from_zero: bool = True,
    logarithmic: bool = False,
) -> Panel:
    """Series over time; steps of a scale are drawn as lines."""
    return g.TimeSeries(
        title=title,
        description=description,
        targets=[Query(sql, ref=f"Q{number}") for number, sql in enumerate(queries, start=1)],
        unit=unit,
        thresholds=_scale(scale),
        thresholdsStyleMode="line" if len(scale) > 1 else "off",
        overrides=[
            _override(name, {"color": {"mode": "fixed", "fixedColor": colour}})
            for name, colour in (colours or {}).items()
        ],
        stacking={"mode": "normal" if stacked else "none", "group": "A"},
        fillOpacity=25 if stacked else 0,
        lineWidth=1,
        valueMin=0 if from_zero and not logarithmic else None,
        scaleDistributionType="log" if logarithmic else "linear",
        scaleDistributionLog=10,
        showPoints="auto",
        tooltipMode="multi",
        tooltipSort="desc",
        interval="$resolution",
        maxDataPoints=None,
        dataSource=SOURCE,
    )


def table(title: str, description: str, sql: str, *, columns: Sequence[Column]) -> Panel:
    return g.Table(
        title=title,
        description=description,
        targets=[Query(sql, as_table=True)],
        overrides=[_column(column) for column in columns],
        thresholds=_scale(()),
        maxDataPoints=None,
        dataSource=SOURCE,
    )


def bars(title: str, description: str, sql: str, *, colours: Mapping[str, str]) -> Panel:
    """A bar for each row; the first column names it."""
    return g.BarChart(
        title=title,
        description=description,
        targets=[Query(sql, as_table=True)],
        stacking="normal",
        showValue="never",
        xTickLabelSpacing=100,
        thresholdSteps=_scale(()),
        overrides=[
            _override(name, {"color": {"mode": "fixed", "fixedColor": colour}}) for name, colour in colours.items()
        ],
        tooltipMode="multi",
        maxDataPoints=None,
        dataSource=SOURCE,
        extraJson={"fieldConfig": {"defaults": {"unit": COUNT}}},
    )


def dashboard(
    *,
    title: str,
    uid: str,
    description: str,
    rows: Sequence[Sequence[tuple[int, int, Panel]]],
    variables: Sequence[Panel],
    annotations: Sequence[Mapping[str, object]] = (),
) -> Panel:
    """A dashboard of rows; each panel comes with its width (of 24) and height, and is placed left to right, top to bottom."""
    return g.Dashboard(
        title=title,
        uid=uid,
        description=description,
        tags=["maibo"],
        panels=list(_placed(rows)),
        templating=g.Templating(list=list(variables)),
        annotations=g.Annotations(list=[*annotations]),
        links=[g.DashboardLink(title="maibo", tags=["maibo"], asDropdown=True, includeVars=True, type="dashboards")],
        time=g.Time("now-6h", "now"),
        timezone="browser",
        refresh="30s",
        graphTooltip=1,
    )


def datasource_variable() -> Panel:
    return g.Template(name="datasource", label="Data source", type="datasource", query=SOURCE_TYPE)


def resolution_variable(resolutions: Mapping[str, str], *, default: str) -> Panel:
    """Which tier of the cells is read; also the shortest interval that panels ask for."""
    return g.Template(
        name="resolution",
        label="Resolution",
        type="custom",
        query=", ".join(f"{label} : {key}" for key, label in resolutions.items()),
        options=[{"selected": key == default, "text": label, "value": key} for key, label in resolutions.items()],
        sort=0,
    )


def values_variable(name: str, sql: str) -> Panel:
    """Narrow to some values of a dimension; all of them at first."""
    return g.Template(
        name=name,
        label=name.capitalize(),
        type="query",
        query=sql,
        dataSource=SOURCE,
        includeAll=True,
        multi=True,
        default="$__all",
        refresh=2,
    )


def annotation(name: str, sql: str, *, colour: str) -> Mapping[str, object]:
    target = {"refId": "Anno", "editorType": "sql", "rawSql": sql, "format": _TABLE}
    return {"name": name, "enable": True, "iconColor": colour, "datasource": SOURCE, "target": target}


def _placed(rows: Sequence[Sequence[tuple[int, int, Panel]]]) -> list[Panel]:
    placed: list[Panel] = []
    y = 0
    for row in rows:
        x = 0
        for width, height, panel in row:
            panel.gridPos = g.GridPos(h=height, w=width, x=x, y=y)
            panel.id = len(placed) + 1
            placed.append(panel)
            x += width
        y += max((height for _, height, _ in row), default=0)
    return placed


def _scale(steps: Sequence[Step]) -> list[dict[str, object]]:
    return [{"color": step.colour, "value": step.value} for step in steps or (Step(GREY),)]


def _override(name: str, properties: Mapping[str, object]) -> dict[str, object]:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": id_, "value": value} for id_, value in properties.items()],
    }


def _column(column: Column) -> dict[str, object]:
    properties: dict[str, object] = {"unit": column.unit}
    if column.decimals is not None:
        properties["decimals"] = column.decimals
    if column.scale:
        properties["thresholds"] = {"mode": "absolute", "steps": _scale(column.scale)}
        properties["custom.cellOptions"] = {"type": "color-text"}
    if column.url:
        properties["links"] = [{"title": "Open", "url": column.url}]
    return _override(column.name, properties)
