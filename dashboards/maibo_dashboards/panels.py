"""The panels' vocabulary: grafanalib with our defaults, a description and an empty state on everything.

grafanalib publishes no types and stopped at Grafana 9; what it writes is brought up to date in `render`. Kinds that it does not know, or
knows as they were long ago, are written here as Grafana 13 has them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import grafanalib.core

from maibo_dashboards.targets import Promql, Sql, reference

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from maibo_dashboards.targets import Target, Targets

g: Any = grafanalib.core
"""Without types: what type checkers guess of it is wrong."""

Panel = Any
"""One of grafanalib's panels, which have no types."""
Row = list[tuple[int, int, Panel]]
"""Width, of 24 columns, and height of each."""

# Grafana's unit ids
MICROSECONDS: Final = "µs"
SECONDS: Final = "s"
PER_SECOND: Final = "cps"
RATIO: Final = "percentunit"
COUNT: Final = "short"
TEXT: Final = "string"
BYTES: Final = "bytes"

GREEN, YELLOW, ORANGE, RED, BLUE, PURPLE, GREY = "green", "yellow", "orange", "red", "blue", "purple", "text"
FADED: Final = "#8e8e8e"
OUTCOME_COLOURS: Final = {"success": GREEN, "failure": RED, "abandoned": FADED}

NO_DATA: Final = "no data"
OPEN: Final = "Open"
NO_VALUE: Final = "–"  # noqa: RUF001 -- a dash for nothing is typography
"""The same in a cell of a table."""


@dataclass(frozen=True, slots=True)
class Step:
    """A colour from a value on; the first step of a scale has no value."""

    colour: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """How a table shows one column."""

    name: str
    unit: str = TEXT
    decimals: int | None = None
    scale: Sequence[Step] = ()
    url: str = ""
    """What a click on the cell, which says `OPEN`, opens; ``${__value.raw}``, ``${__data.fields.Name}``, ``${__url_time_range}`` are Grafana's."""
    width: int | None = None
    hidden: bool = False
    states: Mapping[str, str] | None = None
    """Colours of words."""


@dataclass(frozen=True, slots=True)
class Series:
    """How one series is drawn that is not like the others."""

    name: str
    """As the legend says it; ``/.../`` is a pattern."""
    colour: str = ""
    dashed: bool = False
    fill_to: str = ""
    """The series down to which the area is filled: a band."""
    unit: str = ""
    """Its own, on an axis of its own at the right."""
    width: int | None = None
    bars: bool = False
    line: bool = False
    """A line over stacked bars or areas, not one of them."""
    joined: bool = False
    """Drawn over gaps: it has few points, beside a series with many."""


def stat(
    title: str,
    description: str,
    targets: Targets,
    *,
    unit: str,
    scale: Sequence[Step] = (),
    decimals: int | None = None,
    states: Mapping[str, str] | None = None,
    filled: bool = False,
    empty: str = NO_DATA,
) -> Panel:
    """One big number, or one for each column of the row; `states` colours words, `empty` is said where there is none."""
    asked = _asked(targets, as_table=True)
    return g.Stat(
        title=title,
        description=description,
        targets=asked,
        format=unit,
        decimals=decimals,
        thresholds=_scale(scale),
        mappings=[*_words(states), _nothing(empty, FADED if filled else GREY)],
        color={"mode": "thresholds"},
        colorMode="background_solid" if filled else "value",
        graphMode="none",
        reduceCalc="lastNotNull",
        fields="/.*/" if states else "",
        noValue=empty,
        maxDataPoints=None,
        dataSource=_source(asked),
    )


def lines(
    title: str,
    description: str,
    targets: Targets,
    *,
    unit: str,
    scale: Sequence[Step] = (),
    colours: Mapping[str, str] | None = None,
    series: Sequence[Series] = (),
    stacked: bool = False,
    bars: bool = False,
    filled: bool = False,
    from_zero: bool = True,
    logarithmic: bool = False,
    most: float | None = None,
    decimals: int | None = None,
    interval: str | None = None,
) -> Panel:
    """Series over time; the steps of a scale are drawn as lines, or, `filled`, colour the area.

    `interval` is the shortest step that Grafana asks for: by default the chosen resolution where the query reads cells, a minute else.
    A band between two series is the upper one with `Series.fill_to` the lower one.
    """
    asked = _asked(targets, as_table=False)
    styles = [*(Series(name, colour) for name, colour in (colours or {}).items()), *series]
    return g.TimeSeries(
        title=title,
        description=description,
        targets=asked,
        unit=unit,
        thresholds=_scale(scale),
        thresholdsStyleMode="off" if len(scale) < 2 else "line",
        colorMode="thresholds" if filled else "palette-classic",
        gradientMode="scheme" if filled else "none",
        overrides=[_series(each) for each in styles],
        stacking={"mode": "normal" if stacked else "none", "group": "A"},
        drawStyle="bars" if bars else "line",
        fillOpacity=70 if bars or stacked else 25 if filled else 0,
        # The line of a stacked series of zeros would be drawn over the one below it.
        lineWidth=0 if bars or stacked else 1,
        showPoints="never" if bars else "auto",
        scaleDistributionType="log" if logarithmic else "linear",
        scaleDistributionLog=10,
        tooltipMode="multi",
        tooltipSort="desc",
        interval=_interval(asked) if interval is None else interval,
        maxDataPoints=None,
        dataSource=_source(asked),
        extraJson=_defaults(min=0 if from_zero and not logarithmic else None, max=most, decimals=decimals),
    )


def table(
    title: str,
    description: str,
    targets: Targets,
    *,
    columns: Sequence[Column],
    transformations: Sequence[Mapping[str, object]] = (),
    sort_by: str = "",
) -> Panel:
    """Rows. Several targets are joined by `transformations` (`merged`, `organised`)."""
    asked = _asked(targets, as_table=True)
    return g.Table(
        title=title,
        description=description,
        targets=asked,
        overrides=[_column(column) for column in columns],
        thresholds=_scale(()),
        transformations=list(transformations),
        sortBy=[g.TableSortByField(displayName=sort_by, desc=False)] if sort_by else [],
        maxDataPoints=None,
        dataSource=_source(asked),
        extraJson=_defaults(),
    )


def merged() -> Mapping[str, object]:
    """A transformation: the rows of several targets side by side, matched by the columns that they share."""
    return {"id": "merge", "options": {}}


def organised(
    *, renamed: Mapping[str, str], hidden: Collection[str] = (), order: Sequence[str] = ()
) -> Mapping[str, object]:
    """A transformation: columns renamed, left out, and in order (by their old names)."""
    return {
        "id": "organize",
        "options": {
            "renameByName": dict(renamed),
            "excludeByName": dict.fromkeys(sorted(hidden), True),
            "indexByName": {name: index for index, name in enumerate(order)},
        },
    }


def bars(
    title: str,
    description: str,
    targets: Targets,
    *,
    colours: Mapping[str, str] | None = None,
    horizontal: bool = False,
) -> Panel:
    """A bar for each row; the first column names it."""
    asked = _asked(targets, as_table=True)
    return g.BarChart(
        title=title,
        description=description,
        targets=asked,
        orientation="horizontal" if horizontal else "auto",
        stacking="normal",
        showValue="never",
        xTickLabelSpacing=0 if horizontal else 100,
        thresholdSteps=_scale(()),
        overrides=[_series(Series(name, colour)) for name, colour in (colours or {}).items()],
        tooltipMode="multi",
        maxDataPoints=None,
        dataSource=_source(asked),
        extraJson=_defaults(unit=COUNT),
    )


def heatmap(title: str, description: str, targets: Targets, *, unit: str) -> Panel:
    """Buckets over time. A numeric column for each bucket, in order; a column's name is its upper edge in `unit`."""
    asked = _asked(targets, as_table=False)
    return _panel(
        "heatmap",
        title,
        description,
        asked,
        interval=_interval(asked),
        custom={
            "hideFrom": {"tooltip": False, "viz": False, "legend": False},
            "scaleDistribution": {"type": "linear"},
        },
        options={
            "calculate": False,
            "cellGap": 1,
            "cellValues": {"unit": COUNT},
            "color": {
                "mode": "scheme",
                "scheme": "Turbo",
                "fill": "dark-orange",
                "scale": "exponential",
                "exponent": 0.5,
                "steps": 64,
                "reverse": False,
            },
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            # A cell without events stays empty.
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "le"},
            "showValue": "never",
            "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": True},
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
        },
    )


def state_timeline(
    title: str,
    description: str,
    targets: Targets,
    *,
    states: Mapping[str, str],
    unit: str = TEXT,
    interval: str | None = None,
) -> Panel:
    """Words over time, a lane for each series; `states` are their colours."""
    asked = _asked(targets, as_table=False)
    return _panel(
        "state-timeline",
        title,
        description,
        asked,
        interval=_interval(asked) if interval is None else interval,
        defaults={"unit": unit, "mappings": _words(states), "color": {"mode": "thresholds"}},
        custom={"lineWidth": 0, "fillOpacity": 80, "hideFrom": {"tooltip": False, "viz": False, "legend": False}},
        options={
            "mergeValues": True,
            "showValue": "auto",
            "alignValue": "left",
            "rowHeight": 0.9,
            "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        },
    )


def text(title: str, markdown: str) -> Panel:
    """Words for who reads the dashboard; asks nothing."""
    return _panel("text", title, "", [], options={"mode": "markdown", "content": markdown})


def heading(title: str) -> Panel:
    """A row's heading: takes (24, 1) of the grid."""
    return g.RowPanel(title=title)


def abreast(several: Sequence[Panel], *, height: int) -> Row:
    """A row of panels as wide as each other; what is left over is the first one's."""
    width, spare = divmod(24, len(several))
    return [(width + (spare if index == 0 else 0), height, panel) for index, panel in enumerate(several)]


def dashboard(
    *,
    title: str,
    uid: str,
    description: str,
    rows: Sequence[Sequence[tuple[int, int, Panel]]],
    variables: Sequence[Panel],
    annotations: Sequence[Mapping[str, object]] = (),
    begin: str = "now-6h",
    refresh: str = "30s",
) -> Panel:
    """A dashboard of rows; each panel comes with its width (of 24) and height, and is placed left to right, top to bottom.

    A ``heading`` is a row by itself: ``[(24, 1, panels.heading("Budgets"))]``. `variables` and `annotations` are made by
    `maibo_dashboards.variables`.
    """
    return g.Dashboard(
        title=title,
        uid=uid,
        description=description,
        tags=["maibo"],
        panels=list(_placed(rows)),
        templating=g.Templating(list=list(variables)),
        annotations=g.Annotations(list=[*annotations]),
        links=[
            g.DashboardLink(
                title="maibo",
                tags=["maibo"],
                asDropdown=True,
                includeVars=False,
                type="dashboards",
                tooltip="Dashboards of maibo",
            )
        ],
        time=g.Time(begin, "now"),
        timezone="browser",
        refresh=refresh,
        graphTooltip=1,
    )


def _asked(targets: Targets, *, as_table: bool) -> list[Target]:
    """In the form that the panel needs, each with a name of its own: those that share one are numbered."""
    several = [targets] if isinstance(targets, Sql | Promql) else list(targets)
    if as_table:
        several = [
            replace(each, as_table=True) if isinstance(each, Sql) else replace(each, instant=True) for each in several
        ]
    if len({each.ref for each in several}) < len(several):
        several = [replace(each, ref=f"Q{number}") for number, each in enumerate(several, start=1)]
    return several


def _source(asked: Sequence[Target]) -> dict[str, str]:
    return reference(asked[0].source)


def _interval(asked: Sequence[Target]) -> str | None:
    """Never finer than what is read: cells of the chosen resolution, or minutes. Prometheus knows its own."""
    if any(isinstance(each, Promql) for each in asked):
        return None
    return "$resolution" if any("${resolution}" in each.text for each in asked if isinstance(each, Sql)) else "1m"


def _defaults(**defaults: object) -> dict[str, object]:
    """Of every field of a panel, beside what grafanalib says."""
    told = {key: value for key, value in defaults.items() if value is not None}
    return {"fieldConfig": {"defaults": {"noValue": NO_DATA, **told}}}


class _Modern(g.Panel):  # type: ignore[misc]  # grafanalib has no types
    """A kind of panel as Grafana has it now."""

    kind: str
    body: Mapping[str, object]

    def to_json_data(self) -> object:
        return self.panel_json({"type": self.kind, **self.body})


def _panel(
    kind: str,
    title: str,
    description: str,
    asked: Sequence[Target],
    *,
    options: Mapping[str, object],
    defaults: Mapping[str, object] | None = None,
    custom: Mapping[str, object] | None = None,
    interval: str | None = None,
) -> Panel:
    panel = _Modern(
        title=title,
        description=description,
        targets=list(asked),
        thresholds=_scale(()),
        interval=interval,
        maxDataPoints=None,
        dataSource=_source(asked) if asked else None,
    )
    panel.kind = kind
    told = {"noValue": NO_DATA, **(defaults or {}), **({"custom": dict(custom)} if custom else {})}
    panel.body = {"options": dict(options), "fieldConfig": {"defaults": told, "overrides": []}}
    return panel


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


def _thresholds(steps: Sequence[Step]) -> dict[str, object]:
    return {"mode": "absolute", "steps": _scale(steps)}


def _words(states: Mapping[str, str] | None) -> list[dict[str, object]]:
    """Value mappings: a word in a colour."""
    if not states:
        return []
    options = {
        word: {"color": colour, "index": index, "text": word} for index, (word, colour) in enumerate(states.items())
    }
    return [{"type": "value", "options": options}]


def _nothing(text: str, colour: str) -> dict[str, object]:
    """A value mapping: what is not known has no part in a scale's colours."""
    return {"type": "special", "options": {"match": "null+nan", "result": {"color": colour, "index": 99, "text": text}}}


def _override(name: str, properties: Mapping[str, object]) -> dict[str, object]:
    return {
        "matcher": {"id": "byRegexp" if name.startswith("/") else "byName", "options": name},
        "properties": [{"id": id_, "value": value} for id_, value in properties.items()],
    }


def _series(series: Series) -> dict[str, object]:
    properties: dict[str, object] = {}
    if series.colour:
        properties["color"] = {"mode": "fixed", "fixedColor": series.colour}
    if series.dashed:
        properties["custom.lineStyle"] = {"fill": "dash", "dash": [10, 10]}
    if series.fill_to:
        properties |= {"custom.fillBelowTo": series.fill_to, "custom.fillOpacity": 20}
    if series.unit:
        properties |= {"unit": series.unit, "custom.axisPlacement": "right"}
    if series.width is not None:
        properties["custom.lineWidth"] = series.width
    if series.joined:
        properties["custom.spanNulls"] = True
    if series.bars:
        properties |= {"custom.drawStyle": "bars", "custom.fillOpacity": 40, "custom.lineWidth": 0}
    if series.line:
        properties |= {
            "custom.drawStyle": "line",
            "custom.fillOpacity": 0,
            "custom.lineWidth": 2,
            "custom.showPoints": "always",
            "custom.stacking": {"mode": "none", "group": "B"},
        }
    return _override(series.name, properties)


def _column(column: Column) -> dict[str, object]:
    properties: dict[str, object] = {"unit": column.unit, "noValue": NO_VALUE}
    if column.decimals is not None:
        properties["decimals"] = column.decimals
    if column.scale:
        properties["thresholds"] = _thresholds(column.scale)
    if column.url:
        properties["links"] = [{"title": OPEN, "url": column.url}]
        properties["mappings"] = [{"type": "regex", "options": {"pattern": ".+", "result": {"index": 0, "text": OPEN}}}]
    if column.scale or column.states:
        properties["mappings"] = [*_words(column.states), _nothing(NO_VALUE, GREY)]
        properties["custom.cellOptions"] = {"type": "color-text"}
    if column.width is not None:
        properties["custom.width"] = column.width
    if column.hidden:
        # Grafana 13's table knows the second alone.
        properties |= {"custom.hidden": True, "custom.hideFrom.viz": True}
    return _override(column.name, properties)
