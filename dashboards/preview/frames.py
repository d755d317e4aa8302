"""What Grafana's panels get: a dashboard's own queries, asked of a store, as data frames; what a viewer finds chosen when it is opened.

Series are made of rows as the data source does it: in the format of time series, texts are labels and each combination of them is a field.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from maibo_dashboards.expansion import Grafana
from maibo_dashboards.targets import TIME_SERIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maibo_slo.store import Store

Json = dict[str, Any]

WIDTH: Final = 1600
"""Of a dashboard, CSS pixels; the app draws it so wide."""
COLUMNS: Final = 24
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_STEPS: Final = (
    1,
    2,
    5,
    10,
    15,
    20,
    30,
    60,
    120,
    300,
    600,
    900,
    1200,
    1800,
    3600,
    7200,
    10_800,
    21_600,
    43_200,
    86_400,
)
"""Seconds that Grafana rounds an interval to."""


@dataclass(frozen=True, slots=True)
class View:
    """A dashboard as somebody who opens it sees it at `end`."""

    document: Mapping[str, Any]
    begin: int
    end: int
    chosen: Mapping[str, str] = field(default_factory=dict)
    """Of variables with one value; a variable that is not here is at "All"."""

    def looked(self, panel: Mapping[str, Any] | None = None) -> Grafana:
        """How the data source expands what this panel asks."""
        shortest = _interval_seconds(self, panel or {})
        chosen = {name: [value] for name, value in self.chosen.items() if name != "resolution"}
        return Grafana(self.begin, self.end, shortest, self.chosen.get("resolution", "1m"), chosen)


def opened(store: Store, document: Mapping[str, Any], *, end: int, reach: str = "") -> View:
    """With its time range (or `reach`, such as ``now-6h``) ending at `end`, and each variable at what it is at first."""
    since = reach or document["time"]["from"]
    view = View(document, end - _seconds(since.removeprefix("now-")), end)
    chosen: dict[str, str] = {}
    for variable in document["templating"]["list"]:
        if (value := _first(store, view, variable)) is not None:
            chosen[variable["name"]] = value
    return View(document, view.begin, end, chosen)


def told(store: Store, view: View) -> Json:
    """All that the app draws a dashboard from."""
    return {
        "dashboard": view.document,
        "range": [view.begin * 1000, view.end * 1000],
        "variables": dict(view.chosen),
        "frames": {str(panel["id"]): panel_frames(store, view, panel) for panel in panels(view.document)},
        "marks": [mark for each in view.document["annotations"]["list"] for mark in _marks(store, view, each)],
    }


def panels(document: Mapping[str, Any]) -> list[Json]:
    """Those that ask something."""
    return [panel for panel in document["panels"] if panel.get("targets")]


def panel_frames(store: Store, view: View, panel: Mapping[str, Any]) -> list[Json]:
    """A frame for each target, in order."""
    looked = view.looked(panel)
    return [frame(store, looked.expand(target["rawSql"]), target) for target in panel["targets"]]


def frame(store: Store, sql: str, target: Mapping[str, Any]) -> Json:
    """Of one answer."""
    result = store.client().query(sql)
    fields = [
        {"name": name, "type": _kind(type_.name), "values": [_value(value) for value in values]}
        for name, type_, values in zip(result.column_names, result.column_types, _columns(result), strict=True)
    ]
    if target["format"] == TIME_SERIES:
        fields = _wide(fields)
    return {"refId": target["refId"], "fields": fields}


def _columns(result: Any) -> Sequence[Sequence[Any]]:
    rows = result.result_rows
    return [[row[place] for row in rows] for place in range(len(result.column_names))]


def _kind(type_: str) -> str:
    if "DateTime" in type_:
        return "time"
    return "string" if "String" in type_ or "Enum" in type_ or "UUID" in type_ else "number"


def _value(value: Any) -> Any:
    """As JSON has it: times in unix ms."""
    if isinstance(value, datetime):
        return round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000)
    if isinstance(value, str) or value is None:
        return value
    number = float(value)
    return number if math.isfinite(number) else None


def _wide(fields: list[Json]) -> list[Json]:
    """Rows of (time, labels, values) as one field for each value and combination of labels."""
    time = next((each for each in fields if each["type"] == "time"), None)
    labels = [each for each in fields if each["type"] == "string"]
    if time is None or not labels:
        return fields
    times = sorted(set(time["values"]))
    places = {at: place for place, at in enumerate(times)}
    found: dict[tuple[str, ...], Json] = {}
    numbers = [each for each in fields if each["type"] == "number"]
    for row, at in enumerate(time["values"]):
        of = tuple(str(each["values"][row]) for each in labels)
        for each in numbers:
            series = found.setdefault(
                (each["name"], *of),
                {
                    "name": each["name"],
                    "type": "number",
                    "labels": dict(zip((label["name"] for label in labels), of, strict=True)),
                    "values": [None] * len(times),
                },
            )
            series["values"][places[at]] = each["values"][row]
    return [{**time, "values": times}, *(found[key] for key in sorted(found))]


def _marks(store: Store, view: View, annotation: Mapping[str, Any]) -> Iterator[Json]:
    if not annotation["enable"]:
        return
    answer = frame(store, view.looked().expand(annotation["target"]["rawSql"]), {"format": 1, "refId": "Anno"})
    columns = {each["name"]: each["values"] for each in answer["fields"]}
    for row, time in enumerate(columns.get("time", ())):
        end = columns["timeEnd"][row] if "timeEnd" in columns else None
        yield {"name": annotation["name"], "color": annotation["iconColor"], "time": time, "timeEnd": end}


def _first(store: Store, view: View, variable: Mapping[str, Any]) -> str | None:
    """None: all. Where there is nothing to choose from, nothing is chosen: an empty text."""
    match variable["type"]:
        case "custom" | "textbox":
            options = variable["options"]
            return str(next((each["value"] for each in options if each["selected"]), options[0]["value"]))
        case "query" if not variable["includeAll"]:
            rows = store.rows(view.looked().expand(variable["query"]))
            return str(rows[0][0]) if rows else ""
    return None


def _interval_seconds(view: View, panel: Mapping[str, Any]) -> int:
    """Grafana's: about a point a pixel, rounded, and not below what the panel asks for at the least."""
    pixels = WIDTH * panel.get("gridPos", {}).get("w", COLUMNS) / COLUMNS
    wished = (view.end - view.begin) / pixels
    rounded = next((step for step in _STEPS if step * 1.25 >= wished), _STEPS[-1])
    said = str(panel.get("interval", "")).replace("$resolution", view.chosen.get("resolution", "1m"))
    return max(rounded, _seconds(said) if said else 1)


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if found is None:
        raise ValueError(f"not a duration: {text}")
    return int(found[1]) * _UNITS[found[2]]
