"""OpenSLO v1 ``SLO``.

Everything of the standard is read and held to its rules. What this version cannot judge (other methods, calendar windows,
thresholdMetric, raw ratios, composites) is then an error, since an SLO that silently is not judged is worse than none; asked for the
standard alone it is fine. Where OpenSLO's text and its own validator differ, the validator's reading holds in strict mode, and
otherwise what its examples write against it (``op`` beside a ratio) is a warning.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.alerts import OPERATORS, policies
from maibo_slo.documents.document import description
from maibo_slo.documents.durations import shorthand_seconds
from maibo_slo.documents.fields import Fields, at_most
from maibo_slo.documents.kinds import Objective, PromSli, PromSlo, Slo
from maibo_slo.documents.slis import RATIO, THRESHOLD, Indicator, indicator
from maibo_slo.documents.windows import window
from maibo_slo.documents.yaml import List, Scalar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.documents.document import Document, Known
    from maibo_slo.documents.selectors import MetricType

OCCURRENCES: Final = "Occurrences"
TIMESLICES: Final = "Timeslices"
RATIO_TIMESLICES: Final = "RatioTimeslices"
_METHODS: Final = (OCCURRENCES, TIMESLICES, RATIO_TIMESLICES)
_INDICATOR: Final = ("indicator", "indicatorRef")
_SLICES: Final = ("timeSliceTarget", "timeSliceWindow")
_WHOLE: Final = re.compile(r"[1-9][0-9]{0,8}")
_MAX_DECIMALS: Final = 12  # so that no target below 1 becomes 1.0 as a float
_OBJECTIVES: Final = "add objectives: [{target: 0.99}]"


def slo(document: Document, known: Known, types: Mapping[str, MetricType]) -> Slo | PromSlo | None:
    """``kind: SLO``; None when it is not judged or wrong, which is told."""
    spec = document.fields.mapping("spec")
    text = description(spec)
    service = known.refer(spec, "service", "Service")
    goals = _goals(spec)
    method = _method(spec, goals)
    for goal in goals:
        _check_slices(goal, method)
    measured = _indicator(spec, goals, known, types)
    objectives = tuple(_objective(goal) for goal in goals)
    _check_names(objectives, goals)
    head, counts, seconds = document.head, measured.counts, window(spec)
    alert_policies = policies(spec, known)
    spec.close()
    if counts is None or spec.report.standard:
        return None
    if isinstance(counts, PromSli):
        message = "is judged by generated rules, not by this version's engine"
        spec.warning(spec.given(*_INDICATOR)[0], message, "see maibo generate rules")
        return PromSlo(
            name=head.name,
            display_name=head.display_name,
            description=text,
            service=service,
            total=counts.total,
            good=counts.good,
            bad=counts.bad,
            objectives=objectives,
            window_seconds=seconds,
            labels=head.labels,
            origin=head.origin,
            alert_policies=alert_policies,
            annotations=head.annotations,
        )
    return Slo(
        name=head.name,
        display_name=head.display_name,
        description=text,
        service=service,
        indicator=counts,
        objectives=objectives,
        window_seconds=seconds,
        labels=head.labels,
        origin=head.origin,
        alert_policies=alert_policies,
        annotations=head.annotations,
    )


def _goals(spec: Fields) -> list[Fields]:
    """The objectives; OpenSLO's validator lets an SLO have none, and nothing can be judged then."""
    node = spec.node_of("objectives")
    if node is None or (isinstance(node, List) and not node.items):
        spec.unjudged("objectives", "an SLO without objectives", _OBJECTIVES)
        return []
    return spec.mappings("objectives", mend=_OBJECTIVES)


def _method(spec: Fields, goals: list[Fields]) -> str:
    """The budgeting method; where it is missing, the only one that needs no slices."""
    sliced = [goal for goal in goals if goal.given(*_SLICES)]
    if not spec.has("budgetingMethod") and not sliced and not spec.report.strict:
        spec.deviation("budgetingMethod", f"is missing, {OCCURRENCES} is taken", f"write {OCCURRENCES}")
        return OCCURRENCES
    method = spec.choice("budgetingMethod", _METHODS, mend=f"write {OCCURRENCES}")
    if method in (TIMESLICES, RATIO_TIMESLICES):
        spec.unjudged("budgetingMethod", method, f"use {OCCURRENCES}")
    return method


def _indicator(spec: Fields, goals: list[Fields], known: Known, types: Mapping[str, MetricType]) -> Indicator:
    """The one indicator of the SLO; a composite has one on each objective, and none here."""
    composite = [goal for goal in goals if goal.given(*_INDICATOR)]
    if not composite:
        measured, inlined = indicator(spec, known, types)
        for goal in goals:
            _weight(goal, composite=False)
            _check_threshold(goal, measured, inlined=inlined)
        return measured
    if given := spec.given(*_INDICATOR):
        spec.error(given[0], "an objective has an indicator too", "keep it here, or on each objective")
    first = composite[0]
    first.report.unjudged(first.at, first.path, "a composite SLO", "write one SLO for each indicator")
    for goal in goals:
        _weight(goal, composite=True)
        if goal.given(*_INDICATOR):
            measured, _ = indicator(goal, known, types)
            _check_threshold(goal, measured, inlined=False)  # OpenSLO's validator does not look at it in composites
        else:
            _check_threshold(goal, Indicator(), inlined=False)
            goal.report.warning(goal.at, goal.path, "has no indicator, and others of this SLO have", "give it one")
    return Indicator()


def _weight(goal: Fields, *, composite: bool) -> None:
    weight = goal.number("compositeWeight")
    if weight is not None and weight <= 0:
        goal.error("compositeWeight", "must be above 0", "remove it for a weight of 1")
    elif weight is not None and not composite:
        message = "compositeWeight has no meaning without an indicator on the objective"
        goal.warning("compositeWeight", message, "remove it")


def _check_slices(goal: Fields, method: str) -> None:
    """A method of slices needs their length, and Timeslices what share of good events makes one good."""
    for name, read, methods, example in (
        ("timeSliceTarget", _slice_target, (TIMESLICES,), "0.95"),
        ("timeSliceWindow", _slice_window, (TIMESLICES, RATIO_TIMESLICES), "1m"),
    ):
        if goal.has(name):
            read(goal, name)
            if method in _METHODS and method not in methods:
                goal.warning(name, f"{name} has no meaning with the method {method}", "remove it")
        elif method in methods:
            goal.error(name, f"is required with the method {method}", f"such as {example}")


def _slice_target(goal: Fields, name: str) -> None:
    number = goal.number(name)
    if number == 0:
        goal.deviation(name, "with a target of 0 every slice is good", "write a share above 0 and at most 1")
    elif number is not None and not 0 < number <= 1:
        goal.error(name, "must be above 0 and at most 1", "write a share: 0.95, not 95")


def _slice_window(goal: Fields, name: str) -> None:
    node = goal.node_of(name)
    if isinstance(node, Scalar) and _WHOLE.fullmatch(node.text) and isinstance(node.value, Decimal):
        goal.deviation(name, "a number without a unit is minutes", f"write {node.text}m")
    else:
        shorthand_seconds(goal, name, example="1m")


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


def _objective(goal: Fields) -> Objective:
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
    if not 0 <= number < limit:
        mend = f"write targetPercent: {number}" if ratio and 1 < number < 100 else ""
        goal.error(name, f"must be above 0 and below {limit}", mend)
        return Decimal(0)
    if number == 0:
        goal.unjudged(name, "a target of 0", "write what share of events must be good")
    elif number != round(number, _MAX_DECIMALS):
        goal.unjudged(name, f"a target of more than {_MAX_DECIMALS} decimals", f"use at most {_MAX_DECIMALS}")
    return number if ratio else number / 100


def _check_names(objectives: tuple[Objective, ...], goals: list[Fields]) -> None:
    seen: set[str] = set()
    for objective, goal in zip(objectives, goals, strict=True):
        if objective.name in seen and objective.target:
            what = f"a second objective named {objective.name!r}"
            goal.unjudged("displayName", what, "give each a displayName of its own")
        seen.add(objective.name)
