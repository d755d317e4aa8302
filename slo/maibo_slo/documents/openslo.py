"""OpenSLO v1: Service, SLI and SLO.

Everything of the standard is known here, so that nothing valid is called unknown; but what this version cannot judge (other
methods, calendar windows, thresholdMetric, composites) is an error, since an SLO that silently is not judged is worse than none.
Where OpenSLO's text and its own validator differ, the validator's reading holds, and what its official examples write against it
(``op`` beside a ratio) is a warning.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from maibo import semconv
from maibo_slo.documents.document import Document, Known, metadata
from maibo_slo.documents.durations import window_seconds
from maibo_slo.documents.fields import Fields, at_most
from maibo_slo.documents.kinds import CellSelector, Objective, Service, Sli, Slo
from maibo_slo.documents.selectors import MetricType, beyond, metric

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_WINDOW_DAYS: Final = 400
"""Counts are kept that long."""
_METHODS: Final = ("Occurrences", "Timeslices", "RatioTimeslices")
_NOT_JUDGED: Final = "is valid OpenSLO, but this version does not judge it"
_DESCRIPTION: Final = at_most(1050)
_WINDOW: Final = "timeWindow: [{duration: 28d, isRolling: true}]"
_COMPOSITE: Final = ("indicator", "indicatorRef", "compositeWeight")
_MAX_DECIMALS: Final = 12  # so that no target below 1 becomes 1.0 as a float
_ALL: Final = frozenset({semconv.SUCCESS, semconv.FAILURE})
_NO_CELLS: Final = CellSelector("")
"""Stands where an error was reported; no document with errors leaves this package."""


def service(document: Document) -> Service:
    """``kind: Service``."""
    spec = document.fields.mapping("spec", required=False)
    description = spec.text("description", default="", rule=_DESCRIPTION)
    spec.close()
    return Service(document.name, document.display_name, description, document.labels, document.origin)


def sli(document: Document, known: Known, types: Mapping[str, MetricType]) -> Sli:
    """``kind: SLI``."""
    spec = document.fields.mapping("spec")
    spec.text("description", default="", rule=_DESCRIPTION)
    return _sli(spec, document.name, known, types) or Sli(document.name, _NO_CELLS)


def slo(document: Document, known: Known, types: Mapping[str, MetricType]) -> Slo:
    """``kind: SLO``."""
    spec = document.fields.mapping("spec")
    description = spec.text("description", default="", rule=_DESCRIPTION)
    service_name = known.refer(spec, "service", "Service")
    method = spec.choice("budgetingMethod", _METHODS, mend="write Occurrences")
    if method in _METHODS[1:]:
        spec.error("budgetingMethod", f"{method} {_NOT_JUDGED}", "use Occurrences")
    goals = spec.mappings("objectives", mend="add objectives: [{target: 0.99}]")
    indicator = _indicator(spec, known, types, goals)
    result = Slo(
        name=document.name,
        display_name=document.display_name,
        description=description,
        service=service_name,
        indicator=indicator or Sli(document.name, _NO_CELLS),
        objectives=tuple(_objective(goal, method, indicator) for goal in goals),
        window_seconds=_window(spec),
        labels=document.labels,
        origin=document.origin,
    )
    if spec.has("alertPolicies"):
        spec.warning("alertPolicies", "alert policies are ignored by this version")
    _check_names(result.objectives, goals)
    spec.close()
    return result


def _indicator(spec: Fields, known: Known, types: Mapping[str, MetricType], goals: list[Fields]) -> Sli | None:
    """The one indicator of the SLO; None when it cannot be judged, which is reported."""
    inline, reference = spec.has("indicator"), spec.has("indicatorRef")
    composite = [goal for goal in goals if [part for part in _COMPOSITE if goal.has(part)]]
    if composite:
        composite[0].report.error(
            composite[0].at, composite[0].path, f"a composite SLO {_NOT_JUDGED}", "write one SLO for each indicator"
        )
        return None
    if inline == reference:
        spec.error("indicator", "give exactly one of indicator and indicatorRef")
        return None
    if reference:
        return known.slis.get(known.refer(spec, "indicatorRef", "SLI"))
    indicator = spec.mapping("indicator")
    name, _, _ = metadata(indicator)
    inner = indicator.mapping("spec")
    inner.text("description", default="", rule=_DESCRIPTION)
    indicator.close()
    return _sli(inner, name, known, types)


def _sli(spec: Fields, name: str, known: Known, types: Mapping[str, MetricType]) -> Sli | None:
    threshold, ratio_given = spec.has("thresholdMetric"), spec.has("ratioMetric")
    if threshold == ratio_given:
        spec.error("ratioMetric", "give exactly one of ratioMetric and thresholdMetric")
        return None
    if threshold:
        spec.error(
            "thresholdMetric",
            f"a thresholdMetric {_NOT_JUDGED}",
            "count events: use a ratioMetric, with maxDuration for latencies",
        )
        spec.close()
        return None
    ratio = spec.mapping("ratioMetric")
    spec.close()
    ratio.flag("counter")
    if [name for name in ("raw", "rawType") if ratio.has(name)]:
        ratio.error("raw", f"a raw ratio {_NOT_JUDGED}", "count events: give good and total")
        return None
    return _counts(ratio, name, known, types)


def _counts(ratio: Fields, name: str, known: Known, types: Mapping[str, MetricType]) -> Sli:
    errors_before = ratio.report.errors
    total = metric(ratio.mapping("total", mend="count all events"), _ALL, known, types)
    parts = {
        part: metric(ratio.mapping(part), frozenset({outcome}), known, types)
        for part, outcome in (("good", semconv.SUCCESS), ("bad", semconv.FAILURE))
        if ratio.has(part)
    }
    ratio.close()
    if len(parts) != 1:
        ratio.error("good", "give exactly one of good and bad")
    if ratio.report.errors == errors_before:
        for part, selector in parts.items():
            if surplus := beyond(selector, total):
                ratio.error(
                    part, f"{part} counts events that total does not: {surplus}", f"make {part} a part of total"
                )
    return Sli(name, total, **parts)


def _objective(goal: Fields, method: str, indicator: Sli | None) -> Objective:
    for slices in ("timeSliceTarget", "timeSliceWindow"):
        if goal.has(slices) and method == _METHODS[0]:
            goal.warning(slices, f"{slices} has no meaning with the method {method}", "remove it")
    for threshold in ("op", "value"):
        if goal.has(threshold) and indicator is not None:
            goal.warning(
                threshold,
                f"{threshold} has no meaning with a ratioMetric, and OpenSLO's validator refuses it",
                "remove it",
            )
    name = goal.text("displayName", default="", rule=at_most(63))
    target = _target(goal)
    goal.close()
    return Objective(name or f"{target.normalize():f}", float(target))


def _target(goal: Fields) -> Decimal:
    """The target as a ratio, exact: 99.9 % is 0.999, whatever floats make of it."""
    ratio, percent = goal.has("target"), goal.has("targetPercent")
    if ratio == percent:
        goal.error("target", "give exactly one of target and targetPercent")
        return Decimal(0)
    name, limit = ("target", 1) if ratio else ("targetPercent", 100)
    number = goal.number(name)
    if number is None:
        return Decimal(0)
    if not 0 < number < limit or number != round(number, _MAX_DECIMALS):
        mend = f"write targetPercent: {number}" if ratio and 1 < number < 100 else ""
        goal.error(name, f"must be above 0 and below {limit}, with at most {_MAX_DECIMALS} decimals", mend)
        return Decimal(0)
    return number if ratio else number / 100


def _check_names(objectives: tuple[Objective, ...], goals: list[Fields]) -> None:
    seen: set[str] = set()
    for objective, goal in zip(objectives, goals, strict=True):
        if objective.name in seen and objective.target:
            goal.error(
                "displayName", f"a second objective named {objective.name!r}", "give each a displayName of its own"
            )
        seen.add(objective.name)


def _window(spec: Fields) -> int:
    windows = spec.mappings("timeWindow", mend=f"add {_WINDOW}")
    if len(windows) > 1:
        spec.error("timeWindow", "must have exactly one item", "write one SLO for each window")
    seconds = [_rolling_seconds(window) for window in windows]
    return seconds[0] if seconds else 0


def _rolling_seconds(window: Fields) -> int:
    _check_rolling(window)
    text = window.text("duration", mend="such as 28d")
    window.close()
    if not text:
        return 0
    try:
        seconds = window_seconds(text)
    except ValueError:
        mend = "write a whole number above 0 and one of m (minutes), h, d, w, M (months), Q, Y: such as 28d"
        window.error("duration", f"{text!r} is not an OpenSLO duration", mend)
        return 0
    if text.endswith("m"):
        window.warning("duration", f"in {text!r}, m is minutes", f"write {text[:-1]}M if months are meant")
    if seconds > MAX_WINDOW_DAYS * 86_400:
        window.error(
            "duration", f"{text} is longer than the {MAX_WINDOW_DAYS} days that counts are kept", "use a shorter window"
        )
    return seconds


def _check_rolling(window: Fields) -> None:
    errors_before = window.report.errors
    rolling, calendar = window.flag("isRolling"), window.has("calendar")
    if window.report.errors > errors_before:
        return
    if rolling and calendar:
        window.error("calendar", "is not allowed in a rolling window", "remove it, or isRolling")
    elif calendar:
        window.error("calendar", f"a calendar window {_NOT_JUDGED}", f"use {_WINDOW}")
    elif not rolling:
        window.error("isRolling", "must be true, or a calendar be given", f"use {_WINDOW}")
