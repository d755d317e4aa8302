"""From grafanalib's objects to the JSON that Grafana 10 to 13 reads: Classic, schema 42.

grafanalib writes schema 12 with fields that Grafana's own JSON schema forbids. Raising the number alone would make legends vanish
(``showLegend`` came with 37) and lose table cells' display (38). So: nulls and dead fields are dropped, what moved is moved, and the
result is checked against `rules`. The same dashboard gives the same bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from grafanalib._gen import DashboardEncoder

from maibo_dashboards.errors import DashboardError
from maibo_dashboards.rules import broken_rules

if TYPE_CHECKING:
    from maibo_dashboards.panels import Panel

SCHEMA_VERSION: Final = 42

_DEAD_OF_DASHBOARD: Final = {"__inputs", "rows", "style", "hideControls", "sharedCrosshair", "gnetId", "id"}
_OF_PANEL: Final = {
    "type",
    "id",
    "title",
    "description",
    "gridPos",
    "datasource",
    "targets",
    "interval",
    "links",
    "options",
    "fieldConfig",
    "transformations",
    "repeat",
    "repeatDirection",
    "maxPerRow",
    "maxDataPoints",
    "transparent",
}
_OF_ROW: Final = {"type", "id", "title", "gridPos", "collapsed", "panels", "repeat"}
_OF_VARIABLE: Final = {
    "type",
    "name",
    "label",
    "query",
    "datasource",
    "current",
    "multi",
    "includeAll",
    "allValue",
    "options",
    "refresh",
    "regex",
    "sort",
    "hide",
    "definition",
}


def render(dashboard: Panel) -> str:
    """Modern JSON of a grafanalib dashboard. DashboardError if it breaks a rule."""
    document = modern(json.loads(json.dumps(dashboard.to_json_data(), cls=DashboardEncoder)))
    if broken := list(broken_rules(document)):
        raise DashboardError(f"the dashboard {document['title']!r} cannot be rendered: " + "; ".join(broken))
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def modern(old: dict[str, Any]) -> dict[str, Any]:
    """A dashboard as grafanalib writes it, as Grafana has it now; its rules are not asked."""
    new = {key: value for key, value in old.items() if key not in _DEAD_OF_DASHBOARD}
    return new | {
        "schemaVersion": SCHEMA_VERSION,
        # What is edited by hand is gone with the next generation.
        "editable": False,
        "panels": [_modern_row(panel) if panel["type"] == "row" else _modern_panel(panel) for panel in old["panels"]],
        "templating": {"list": [_modern_variable(variable) for variable in old["templating"]["list"]]},
        "timepicker": {"refresh_intervals": old["timepicker"]["refresh_intervals"]},
    }


def _modern_row(old: dict[str, Any]) -> dict[str, Any]:
    return _without_nulls(_only(_OF_ROW, old))


def _modern_panel(old: dict[str, Any]) -> dict[str, Any]:
    panel = _without_nulls(_only(_OF_PANEL, old))
    for empty in ("links", "transformations", "targets"):
        if not panel.get(empty, True):
            del panel[empty]
    defaults = panel["fieldConfig"]["defaults"]
    panel["fieldConfig"].setdefault("overrides", [])
    custom = defaults.setdefault("custom", {})
    options = panel["options"]
    if "legend" in options and panel["type"] in {"timeseries", "barchart"}:
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
    variable = _without_nulls(_only(_OF_VARIABLE, old))
    current = {key: value for key, value in variable.pop("current", {}).items() if key != "tags"}
    if current.get("value") == "$__all":
        current = {"selected": True, "text": ["All"], "value": ["$__all"]}
    if "value" in current:
        variable["current"] = current
    if variable["type"] == "query":
        variable["definition"] = variable["query"]
    return variable


def _only(keys: set[str], old: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in old.items() if key in keys}


def _without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    """Null says nothing, but for the first step of a scale, where it says "from minus infinity"."""
    return {key: child if key == "steps" else _cleaned(child) for key, child in value.items() if child is not None}


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return _without_nulls(value)
    return [_cleaned(child) for child in value] if isinstance(value, list) else value
