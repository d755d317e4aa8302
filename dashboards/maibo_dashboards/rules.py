"""What every dashboard keeps: the rules of Grafana's dashboard-linter, re-stated, and ours. A dashboard that breaks one is not rendered.

* The dashboard: a title, a uid, a description, a time zone that the viewer chooses, a refresh no shorter than 10 s, not editable by hand;
  unique ids of panels, no overlap, nothing beyond 24 columns.
* A panel: a title, a description, a unit, what to say without data; the data source variable and no other, targets of its kind, each with
  a ref of its own and a query that is not empty; a legend that is shown, a scale whose first step has no value.
* PromQL: rates over ``$__rate_interval``; a counter is never shown as it is.
* Variables: the data source that can be chosen is of the kind that is asked; each declared one is used, each used one is declared; a label on all, and those that ask, ask again with the time range.
* Annotations: the data source variable, a query, a colour.

Left out of the linter's: its rules about the variables ``job`` and ``instance`` of Prometheus mixins, and those about Loki.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from maibo_dashboards.targets import TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS: Final = 24
SHORTEST_REFRESH_SECONDS: Final = 10

_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_RATE: Final = re.compile(r"\bi?rate\s*\([^\[\]()]*\[([^\]]*)\]")
_COUNTER: Final = re.compile(r"\b\w+_total\b(?!\s*(?:\{[^}]*\}\s*)?\[)")
_SILENT: Final = {"row", "text"}
"""Kinds of panels that ask nothing."""


def broken_rules(document: dict[str, Any]) -> Iterator[str]:
    """Each broken rule, in words; none when all is well."""
    yield from _of_dashboard(document)
    for panel in document["panels"]:
        yield from _of_panel(panel)
    for one, other in combinations(document["panels"], 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield f"panels {one['title']!r} and {other['title']!r} overlap"
    yield from _of_variables(document)
    for annotation in document["annotations"]["list"]:
        yield from _of_annotation(annotation)


def _of_dashboard(document: dict[str, Any]) -> Iterator[str]:
    for field in ("title", "uid", "description"):
        if not document.get(field):
            yield f"the dashboard has no {field}"
    if document.get("timezone") != "browser":
        yield "the dashboard's time zone is not the viewer's"
    if document.get("editable", True):
        yield "the dashboard is editable by hand"
    refresh = document.get("refresh")
    if refresh and int(refresh[:-1]) * _SECONDS[refresh[-1]] < SHORTEST_REFRESH_SECONDS:
        yield f"the dashboard refreshes every {refresh}, more often than every {SHORTEST_REFRESH_SECONDS} s"
    ids = Counter(panel["id"] for panel in document["panels"])
    if repeated := sorted(id_ for id_, count in ids.items() if count > 1):
        yield f"panel ids are not unique: {', '.join(map(str, repeated))}"


def _of_panel(panel: dict[str, Any]) -> Iterator[str]:
    name = f"panel {panel['title']!r}"
    if panel["gridPos"]["x"] + panel["gridPos"]["w"] > COLUMNS:
        yield f"{name} goes beyond {COLUMNS} columns"
    if panel["type"] in _SILENT:
        if panel["type"] == "row" and not panel["title"]:
            yield "a row has no title"
        return
    if not panel["title"] or not panel.get("description"):
        yield f"{name} lacks a title or a description"
    yield from _of_fields(name, panel)
    yield from _of_targets(name, panel)


def _of_fields(name: str, panel: dict[str, Any]) -> Iterator[str]:
    fields = panel["fieldConfig"]
    defaults = fields["defaults"]
    units = [defaults.get("unit"), panel["options"].get("yAxis", {}).get("unit")]
    units += [each["value"] for over in fields["overrides"] for each in over["properties"] if each["id"] == "unit"]
    if not any(units):
        yield f"{name} has no unit"
    if not defaults.get("noValue"):
        yield f"{name} does not say when it has no data"
    if "legend" in panel["options"] and not {"showLegend", "show"} & panel["options"]["legend"].keys():
        yield f"{name} does not say whether it shows its legend"
    steps = defaults.get("thresholds", {}).get("steps", [])
    if not steps or steps[0].get("value", 0) is not None:
        yield f"{name} has a scale whose first step is not from minus infinity on"


def _of_targets(name: str, panel: dict[str, Any]) -> Iterator[str]:
    source, targets = panel.get("datasource", {}), panel.get("targets", [])
    yield from _of_source(name, source)
    if not targets:
        yield f"{name} asks nothing"
    refs = Counter(target["refId"] for target in targets)
    if repeated := sorted(ref for ref, count in refs.items() if count > 1):
        yield f"{name} has several targets called {', '.join(repeated)}"
    for target in targets:
        if target["datasource"] != source:
            yield f"{name} asks another data source than its own"
        query = target.get("rawSql") or target.get("expr") or ""
        if not query.strip():
            yield f"{name} has an empty query"
        yield from _of_promql(name, target.get("expr", ""))


def _of_source(name: str, source: dict[str, Any]) -> Iterator[str]:
    if source.get("uid") != "${datasource}" or source.get("type") not in TYPES.values():
        yield f"{name} names a data source instead of the variable"


def _of_promql(name: str, expr: str) -> Iterator[str]:
    if any(window != "$__rate_interval" for window in _RATE.findall(expr)):
        yield f"{name} has a rate over something else than $__rate_interval"
    if _COUNTER.search(expr):
        yield f"{name} shows a counter that only grows, without rate or increase"


def _of_variables(document: dict[str, Any]) -> Iterator[str]:
    variables = document["templating"]["list"]
    declared = {variable["name"] for variable in variables}
    used = _variables_used(document)
    if undeclared := used - declared:
        yield f"variables are used but not declared: {', '.join(sorted(undeclared))}"
    if unused := declared - used:
        yield f"variables are declared but not used: {', '.join(sorted(unused))}"
    if (chosen := _types_chosen(document)) != (asked := _types_asked(document)) and asked:
        yield f"the variable chooses {', '.join(sorted(chosen)) or 'nothing'}, but {', '.join(sorted(asked))} is asked"
    for variable in variables:
        name = f"variable {variable['name']!r}"
        if not variable.get("label"):
            yield f"{name} has no label"
        if variable["type"] == "query":
            yield from _of_source(name, variable.get("datasource", {}))
            if variable.get("refresh") != 2:
                yield f"{name} is not asked again when the time range changes"


def _types_chosen(document: dict[str, Any]) -> set[str]:
    return {each["query"] for each in document["templating"]["list"] if each["type"] == "datasource"}


def _types_asked(document: dict[str, Any]) -> set[str]:
    asking = [*document["panels"], *document["annotations"]["list"], *document["templating"]["list"]]
    return {each["datasource"]["type"] for each in asking if each.get("datasource", {}).get("type")}


def _of_annotation(annotation: dict[str, Any]) -> Iterator[str]:
    name = f"annotation {annotation['name']!r}"
    yield from _of_source(name, annotation.get("datasource", {}))
    if not (annotation.get("target", {}).get("rawSql") or annotation.get("expr")):
        yield f"{name} has an empty query"
    if not annotation.get("iconColor"):
        yield f"{name} has no colour"


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    def apart(at: str, size: str) -> bool:
        return one[at] + one[size] <= other[at] or other[at] + other[size] <= one[at]

    return not apart("x", "w") and not apart("y", "h")


def _variables_used(document: dict[str, Any]) -> set[str]:
    """Names after a dollar sign; those that begin with two underscores are Grafana's own."""
    text = json.dumps({key: value for key, value in document.items() if key not in {"title", "description"}})
    names = {braced or plain for braced, plain in _VARIABLE.findall(text)}
    return {name for name in names if not name.startswith("__")}
