"""From grafanalib's objects to the JSON that Grafana 10 to 13 reads: Classic, schema 42.

grafanalib writes schema 12 with fields that Grafana's own JSON schema forbids. Raising the number alone would make legends vanish
(``showLegend`` came with 37) and lose table cells' display (38). So: nulls and dead fields are dropped, what moved is moved, and the
result is checked against the rules below. The same dashboard gives the same bytes.

Rules: unique panel ids; no overlap and nothing beyond 24 columns; a title, a description, a unit and the data source variable
on every panel; every variable that is used is declared, and no data source's uid is written in.
"""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from grafanalib._gen import DashboardEncoder

from maibo_dashboards.errors import DashboardError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_dashboards.panels import Panel

SCHEMA_VERSION: Final = 42
COLUMNS: Final = 24

_DEAD_OF_DASHBOARD: Final = {"__inputs", "rows", "style", "hideControls", "sharedCrosshair", "gnetId", "id"}
_DEAD_OF_PANEL: Final = {
    "editable",
    "error",
    "height",
    "span",
    "minSpan",
    "columns",
    "fontSize",
    "color",
    "mappings",
    "hideTimeOverride",
}
_DEAD_OF_VARIABLE: Final = {"useTags", "tagsQuery", "tagValuesQuery", "auto", "auto_min", "auto_count"}
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)")


def render(dashboard: Panel) -> str:
    """Modern JSON of a grafanalib dashboard. DashboardError if it breaks a rule."""
    document = _modern(json.loads(json.dumps(dashboard.to_json_data(), cls=DashboardEncoder)))
    broken = list(_broken_rules(document))
    if broken:
        raise DashboardError(f"the dashboard {document['title']!r} cannot be rendered: " + "; ".join(broken))
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _modern(old: dict[str, Any]) -> dict[str, Any]:
    new = {key: value for key, value in old.items() if key not in _DEAD_OF_DASHBOARD}
    return new | {
        "schemaVersion": SCHEMA_VERSION,
        "panels": [_modern_panel(panel) for panel in old["panels"]],
        "templating": {"list": [_modern_variable(variable) for variable in old["templating"]["list"]]},
        "timepicker": {"refresh_intervals": old["timepicker"]["refresh_intervals"]},
    }


def _modern_panel(old: dict[str, Any]) -> dict[str, Any]:
    panel = _without_nulls({key: value for key, value in old.items() if key not in _DEAD_OF_PANEL})
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults.setdefault("custom", {})
    options = panel["options"]
    if "legend" in options:
        options["legend"]["showLegend"] = True
    if custom.get("scaleDistribution", {}).get("type") == "linear":
        custom["scaleDistribution"] = {"type": "linear"}
    if panel["type"] == "table":
        custom["cellOptions"] = {"type": custom.pop("displayMode")}
        custom["inspect"] = False
        options |= {"frameIndex": 0, "cellHeight": "sm"}
    if panel["type"] == "barchart":
        options |= {"xTickLabelMaxLength": 0, "fullHighlight": False}
    if panel["type"] == "stat":
        options |= {"wideLayout": True, "showPercentChange": False, "percentChangeColorMode": "standard"}
    return panel


def _modern_variable(old: dict[str, Any]) -> dict[str, Any]:
    variable = _without_nulls({key: value for key, value in old.items() if key not in _DEAD_OF_VARIABLE})
    current = {key: value for key, value in variable.pop("current", {}).items() if key != "tags"}
    if current.get("value") == "$__all":
        current = {"selected": True, "text": ["All"], "value": ["$__all"]}
    if "value" in current:
        variable["current"] = current
    if variable["type"] == "query":
        variable["definition"] = variable["query"]
    return variable


def _without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    """Null says nothing, but for the first step of a scale, where it says "from minus infinity"."""
    return {key: child if key == "steps" else _cleaned(child) for key, child in value.items() if child is not None}


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return _without_nulls(value)
    return [_cleaned(child) for child in value] if isinstance(value, list) else value


def _broken_rules(document: dict[str, Any]) -> Iterator[str]:
    panels = document["panels"]
    if len({panel["id"] for panel in panels}) != len(panels):
        yield "panel ids are not unique"
    for panel in panels:
        yield from _broken_rules_of_panel(panel)
    for one, other in combinations(panels, 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield f"panels {one['title']!r} and {other['title']!r} overlap"
    declared = {variable["name"] for variable in document["templating"]["list"]}
    used = _variables_used(document)
    if undeclared := used - declared:
        yield f"variables are used but not declared: {', '.join(sorted(undeclared))}"
    if unused := declared - used:
        yield f"variables are declared but not used: {', '.join(sorted(unused))}"


def _broken_rules_of_panel(panel: dict[str, Any]) -> Iterator[str]:
    name = f"panel {panel['title']!r}"
    units = [panel["fieldConfig"]["defaults"].get("unit")]
    units += [
        each["value"]
        for over in panel["fieldConfig"]["overrides"]
        for each in over["properties"]
        if each["id"] == "unit"
    ]
    if not any(units):
        yield f"{name} has no unit"
    if not panel["title"] or not panel.get("description"):
        yield f"{name} lacks a title or a description"
    if panel["gridPos"]["x"] + panel["gridPos"]["w"] > COLUMNS:
        yield f"{name} goes beyond {COLUMNS} columns"
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    if any(source["uid"] != "${datasource}" for source in sources):
        yield f"{name} names a data source instead of the variable"


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    def apart(at: str, size: str) -> bool:
        return one[at] + one[size] <= other[at] or other[at] + other[size] <= one[at]

    return not apart("x", "w") and not apart("y", "h")


def _variables_used(document: dict[str, Any]) -> set[str]:
    """Names after a dollar sign; those that begin with two underscores are Grafana's own."""
    text = json.dumps({key: value for key, value in document.items() if key not in {"title", "description"}})
    names = {braced or plain for braced, plain in _VARIABLE.findall(text)}
    return {name for name in names if not name.startswith("__")}
