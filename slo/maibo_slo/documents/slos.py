"""OpenSLO v1 ``SLO``.

Everything of the standard is read and held to its rules. What this version cannot judge (thresholdMetric, raw ratios, composites of a
Prometheus' events) is then an error, since an SLO that silently is not judged is worse than none; asked for the standard alone it is
fine. Where OpenSLO's text and its own validator differ, the validator's reading holds in strict mode, and
otherwise what its examples write against it (``op`` beside a ratio) is a warning.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypedDict

from maibo_slo.documents.alerts import OPERATORS, policies
from maibo_slo.documents.document import description
from maibo_slo.documents.durations import shorthand_seconds
from maibo_slo.documents.fields import Fields, at_most
from maibo_slo.documents.kinds import (
    COMPOSITE,
    FedSlo,
    Method,
    Objective,
    PromSli,
    PromSlo,
    ScaleupSli,
    ScaleupSlo,
    Sli,
    Slo,
)
from maibo_slo.documents.slis import RATIO, THRESHOLD, Indicator, indicator
from maibo_slo.documents.windows import window
from maibo_slo.documents.yaml import List, Scalar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.documents.document import Document, Known
    from maibo_slo.documents.kinds import AlertPolicy, Calendar, Origin
    from maibo_slo.documents.selectors import MetricType
    from maibo_slo.documents.windows import TimeWindow

OCCURRENCES: Final = "Occurrences"
TIMESLICES: Final = "Timeslices"
RATIO_TIMESLICES: Final = "RatioTimeslices"
_METHODS: Final[dict[str, Method]] = {method: method for method in (OCCURRENCES, TIMESLICES, RATIO_TIMESLICES)}
_INDICATOR: Final = ("indicator", "indicatorRef")
_SLICE_TARGET: Final = "timeSliceTarget"
_SLICE_WINDOW: Final = "timeSliceWindow"
_DAY: Final = 86_400
_WHOLE: Final = re.compile(r"[1-9][0-9]{0,8}")
_MAX_DECIMALS: Final = 12  # so that no target below 1 becomes 1.0 as a float
_MIN_WEIGHT: Final = Decimal("0.001")
_MAX_WEIGHT: Final = 1000
_NO_BUDGET: Final = (
    "100 % leaves no budget to spend: lower it, such as targetPercent: 99.9, and see maibo lint --explain SLO001"
)
_OBJECTIVES: Final = "add objectives: [{target: 0.99}]"
_RAW: Final = "~"
"""Begins the name under which the ledger keeps what was counted before it was judged."""


class _Common(TypedDict):
    """What every SLO has, whatever counts its events."""

    name: str
    display_name: str
    description: str
    service: str
    window_seconds: int
    labels: Mapping[str, tuple[str, ...]]
    origin: Origin
    alert_policies: tuple[AlertPolicy, ...]
    annotations: Mapping[str, str]
    method: Method
    calendar: Calendar | None


def slo(document: Document, known: Known, types: Mapping[str, MetricType]) -> Slo | FedSlo | None:
    """``kind: SLO``; None when it is not judged or wrong, which is told."""
    spec = document.fields.mapping("spec")
    text = description(spec)
    service = known.refer(spec, "service", "Service")
    goals = _goals(spec)
    method = _method(spec, goals)
    own, components = _indicators(spec, goals, known, types)
    objectives = tuple(_objective(goal, method, each) for goal, each in _each(goals, components))
    time_window = window(spec)
    for goal, objective in zip(goals, objectives, strict=True):
        _check_slice(goal, objective, time_window)
    _check_names(objectives, goals, composite=bool(components))
    _check_components(goals, components, objectives)
    head, measured = document.head, components[0] if components else own
    alert_policies = policies(spec, known)
    spec.close()
    if measured.counts is None or spec.report.standard:
        return None
    common: _Common = {
        "name": head.name,
        "display_name": head.display_name,
        "description": text,
        "service": service,
        "window_seconds": time_window.seconds,
        "labels": head.labels,
        "origin": head.origin,
        "alert_policies": alert_policies,
        "annotations": head.annotations,
        "method": method,
        "calendar": time_window.calendar,
    }
    if isinstance(measured.counts, Sli):
        whole = (_whole(objectives),) if components else ()
        return Slo(**common, indicator=measured.counts, objectives=(*objectives, *whole), group_by=measured.group_by)
    if components:
        return None  # which was told
    if isinstance(measured.counts, ScaleupSli):
        return ScaleupSlo(**common, objectives=objectives, indicator=measured.counts)
    _tell_of_rules(spec, measured, method, time_window)
    return PromSlo(
        **common,
        objectives=objectives,
        total=measured.counts.total,
        good=measured.counts.good,
        bad=measured.counts.bad,
        data_source=measured.data_source,
    )


def _each(goals: list[Fields], components: list[Indicator]) -> Sequence[tuple[Fields, Indicator | None]]:
    """Each objective, and in a composite the indicator on it."""
    return list(zip(goals, components, strict=True)) if components else [(goal, None) for goal in goals]


def _goals(spec: Fields) -> list[Fields]:
    """The objectives; OpenSLO's validator lets an SLO have none, and nothing can be judged then."""
    node = spec.node_of("objectives")
    if node is None or (isinstance(node, List) and not node.items):
        spec.unjudged("objectives", "an SLO without objectives", _OBJECTIVES)
        return []
    return spec.mappings("objectives", mend=_OBJECTIVES)


def _method(spec: Fields, goals: list[Fields]) -> Method:
    """The budgeting method; where it is missing, the only one that needs no slices."""
    sliced = [goal for goal in goals if goal.given(_SLICE_TARGET, _SLICE_WINDOW)]
    if not spec.has("budgetingMethod") and not sliced and not spec.report.strict:
        spec.deviation("budgetingMethod", f"is missing, {OCCURRENCES} is taken", f"write {OCCURRENCES}")
        return OCCURRENCES
    written = spec.choice("budgetingMethod", _METHODS, mend=f"write {OCCURRENCES}")
    for goal in goals:
        _check_meant(goal, written)
    return _METHODS.get(written, OCCURRENCES)


def _indicators(
    spec: Fields, goals: list[Fields], known: Known, types: Mapping[str, MetricType]
) -> tuple[Indicator, list[Indicator]]:
    """The one indicator of the SLO, and none on its objectives; a composite has one on each of them, and none here."""
    if not any(goal.given(*_INDICATOR) for goal in goals):
        measured, inlined = indicator(spec, known, types)
        for goal in goals:
            _check_threshold(goal, measured, inlined=inlined)
        return measured, []
    if given := spec.given(*_INDICATOR):
        spec.error(given[0], "an objective has an indicator too", "keep it here, or on each objective")
    return Indicator(), [_component(goal, known, types) for goal in goals]


def _component(goal: Fields, known: Known, types: Mapping[str, MetricType]) -> Indicator:
    if goal.given(*_INDICATOR):
        measured, _ = indicator(goal, known, types)
    else:
        measured, told = Indicator(), "has no indicator, and others of this SLO have"
        if goal.report.standard:
            goal.report.warning(goal.at, goal.path, told, "give it one")
        else:
            goal.report.error(goal.at, goal.path, told, "give it one")
    _check_threshold(goal, measured, inlined=False)  # OpenSLO's validator does not look at it in composites
    return measured


def _weight(goal: Fields, method: Method, *, composite: bool) -> float:
    weight = goal.number("compositeWeight")
    if weight is None:
        return 1.0
    if weight <= 0:
        goal.error("compositeWeight", "must be above 0", "remove it for a weight of 1")
    elif not composite:
        message = "compositeWeight has no meaning without an indicator on the objective"
        goal.warning("compositeWeight", message, "remove it")
    elif method == TIMESLICES and not goal.report.standard:
        message = f"has no meaning with {TIMESLICES}: a slice is bad when any component's is"
        goal.warning("compositeWeight", message, f"remove it, or use {RATIO_TIMESLICES}")
    if not _MIN_WEIGHT <= weight <= _MAX_WEIGHT:
        what = f"a compositeWeight that is not between {_MIN_WEIGHT} and {_MAX_WEIGHT}"
        goal.unjudged("compositeWeight", what, "weigh the others instead")
    return float(weight)


def _check_meant(goal: Fields, method: str) -> None:
    """A method of slices needs their length, and Timeslices what share of good events makes one good."""
    for name, methods, example in (
        (_SLICE_TARGET, (TIMESLICES,), "0.95"),
        (_SLICE_WINDOW, (TIMESLICES, RATIO_TIMESLICES), "1m"),
    ):
        if goal.has(name):
            if method in _METHODS and method not in methods:
                goal.warning(name, f"{name} has no meaning with the method {method}", "remove it")
        elif method in methods:
            goal.error(name, f"is required with the method {method}", f"such as {example}")


def _slice_target(goal: Fields) -> float | None:
    number = goal.number(_SLICE_TARGET)
    if number is None:
        return None
    if number == 0:
        goal.deviation(_SLICE_TARGET, "with a target of 0 every slice is good", "write a share above 0 and at most 1")
    elif not 0 < number <= 1:
        goal.error(_SLICE_TARGET, "must be above 0 and at most 1", "write a share: 0.95, not 95")
    return float(number)


def _slice_seconds(goal: Fields) -> int:
    node = goal.node_of(_SLICE_WINDOW)
    if isinstance(node, Scalar) and _WHOLE.fullmatch(node.text) and isinstance(node.value, Decimal):
        goal.deviation(_SLICE_WINDOW, "a number without a unit is minutes", f"write {node.text}m")
        return int(node.value) * 60
    return shorthand_seconds(goal, _SLICE_WINDOW, example="1m") if goal.has(_SLICE_WINDOW) else 0


def _check_slice(goal: Fields, objective: Objective, window: TimeWindow) -> None:
    """Slices are told apart in the window's own grid, so the last one must end with it; each is one row, of at most a day."""
    length = objective.slice_seconds
    if not length or not window.seconds:
        return
    if objective.slice_target == 0:
        goal.unjudged(_SLICE_TARGET, "a slice that is always good", "write a share above 0 and at most 1")
    fitting = next(seconds for seconds in range(min(length, _DAY), 0, -60) if window.seconds % seconds == 0)
    if fitting != length:
        why = "is longer than a day" if length > _DAY else "does not divide the window"
        goal.unjudged(_SLICE_WINDOW, f"a slice of {length // 60}m, which {why},", f"write {fitting // 60}m")


def _check_threshold(goal: Fields, measured: Indicator, *, inlined: bool) -> None:
    """``op`` and ``value`` are of thresholds; OpenSLO's validator looks at them where the SLI is inlined in the SLO."""
    if goal.has("op"):
        goal.choice("op", OPERATORS)
    goal.number("value")
    for name in ("op", "value"):
        if goal.has(name) and measured.metric == RATIO:
            tell = goal.deviation if inlined else goal.warning
            tell(name, f"{name} has no meaning with a {RATIO}", "remove it")
        elif not goal.has(name) and measured.metric == THRESHOLD:
            tell = goal.error if inlined else goal.warning
            tell(name, f"is required with a {THRESHOLD}", "such as op: lte and value: 500")


def _objective(goal: Fields, method: Method, component: Indicator | None) -> Objective:
    name = goal.text("displayName", default="", rule=at_most(63))
    target = _target(goal)
    slice_target, slice_seconds = _slice_target(goal), _slice_seconds(goal)
    weight = _weight(goal, method, composite=component is not None)
    goal.close()
    counts = component.counts if component else None
    return Objective(
        name=name or (counts.name if counts else f"{target.normalize():f}"),
        target=float(target),
        slice_seconds=0 if method == OCCURRENCES else slice_seconds,
        slice_target=slice_target if method == TIMESLICES else None,
        indicator=counts,
        weight=weight,
    )


def _whole(components: tuple[Objective, ...]) -> Objective:
    """The objective of a composite SLO as a whole, as strict as the strictest of its components."""
    return Objective(COMPOSITE, max(each.target for each in components), components[0].slice_seconds)


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
    if not 0 <= number < limit:
        mend = f"write targetPercent: {number}" if ratio and 1 < number < 100 else _NO_BUDGET if number == limit else ""
        goal.error(name, f"must be above 0 and below {limit}", mend)
        return Decimal(0)
    if number == 0:
        goal.unjudged(name, "a target of 0", "write what share of events must be good")
    elif number != round(number, _MAX_DECIMALS):
        goal.unjudged(name, f"a target of more than {_MAX_DECIMALS} decimals", f"use at most {_MAX_DECIMALS}")
    return number if ratio else number / 100


def _check_names(objectives: tuple[Objective, ...], goals: list[Fields], *, composite: bool) -> None:
    seen: set[str] = set()
    for objective, goal in zip(objectives, goals, strict=True):
        what = f"objective named {objective.name!r}"
        if objective.name in seen and objective.target:
            goal.unjudged("displayName", f"a second {what}", "give each a displayName of its own")
        elif composite and objective.name == COMPOSITE:
            goal.unjudged("displayName", f"an {what}", "give it another displayName: the SLO as a whole has this one")
        elif objective.name.startswith(_RAW):
            goal.unjudged("displayName", f"an {what}", "begin it with a letter or digit")
        seen.add(objective.name)


def _check_components(goals: list[Fields], components: list[Indicator], objectives: tuple[Objective, ...]) -> None:
    """What a composite SLO asks of its components: cells, one length of slices, no groups."""
    for goal, component, objective in zip(goals, components, objectives, strict=False):
        at, path = goal.at, goal.path
        if component.counts is not None and not isinstance(component.counts, Sli):
            counted = "events that a Prometheus counts" if isinstance(component.counts, PromSli) else "scale-ups"
            what = f"a composite of {counted}"
            goal.report.unjudged(at, path, what, "write one SLO for each indicator")
        if component.group_by:
            goal.report.error(at, path, "groupBy has no meaning in a composite SLO", "remove groupBy, or the others")
        if objective.slice_seconds != objectives[0].slice_seconds and objectives[0].slice_seconds:
            what = "a composite SLO with slices of different lengths"
            goal.unjudged(_SLICE_WINDOW, what, f"write {objectives[0].slice_seconds // 60}m, as the first has")


def _tell_of_rules(spec: Fields, measured: Indicator, method: Method, window: TimeWindow) -> None:
    """What of a Prometheus SLO the engine does not judge, and what of it generated rules do not."""
    if measured.data_source is None:
        message = "is judged by generated rules alone: nothing says at which address its Prometheus answers"
        mend = (
            "refer by metricSourceRef to a DataSource with connectionDetails: {url: ...}, or see maibo generate rules"
        )
        spec.warning(spec.given(*_INDICATOR)[0], message, mend)
    if method != OCCURRENCES:
        message = f"generated rules count events, not slices: they judge this SLO by {OCCURRENCES}"
        spec.warning("budgetingMethod", message, "let maibo's own alerts judge it, or expect other numbers")
    if window.calendar is not None:
        message = f"generated rules know no calendar: they judge this SLO over {window.seconds // _DAY} days that roll"
        spec.warning("timeWindow", message, "let maibo's own alerts judge it, or expect other numbers")
