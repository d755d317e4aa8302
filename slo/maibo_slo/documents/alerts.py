"""OpenSLO v1 ``AlertPolicy``, ``AlertCondition`` and ``AlertNotificationTarget``, as documents or inlined in one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from maibo_slo.documents.document import description, metadata
from maibo_slo.documents.durations import shorthand_seconds
from maibo_slo.documents.kinds import AlertCondition, AlertNotificationTarget, AlertPolicy
from maibo_slo.documents.yaml import List

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maibo_slo.documents.document import Document, Known, Metadata
    from maibo_slo.documents.fields import Fields

OPERATORS: Final = ("lte", "gte", "lt", "gt")
_BURN_RATE: Final = "burnrate"
_INLINE: Final = ("kind", "metadata", "spec")
_T = TypeVar("_T")


def condition(document: Document, _known: Known) -> AlertCondition | None:
    """``kind: AlertCondition``."""
    return _condition(document.head, document.fields.mapping("spec"))


def target(document: Document, _known: Known) -> AlertNotificationTarget:
    """``kind: AlertNotificationTarget``."""
    return _target(document.head, document.fields.mapping("spec"))


def policy(document: Document, known: Known) -> AlertPolicy | None:
    """``kind: AlertPolicy``."""
    return _policy(document.head, document.fields.mapping("spec"), known)


def policies(spec: Fields, known: Known) -> tuple[AlertPolicy, ...]:
    """The ``alertPolicies`` of an SLO."""
    node = spec.node_of("alertPolicies")
    if node is None or (isinstance(node, List) and not node.items):
        return ()
    found = [_policy_of_slo(item, known) for item in spec.mappings("alertPolicies")]
    if not spec.report.standard:
        spec.warning(
            "alertPolicies",
            "alert policies are read, and this version makes no alert of them",
            "maibo generate rules makes alerts for every SLO",
        )
    return tuple(each for each in found if each is not None)


def _policy_of_slo(item: Fields, known: Known) -> AlertPolicy | None:
    reference = "alertPolicyRef"
    if item.has("targetRef") and not item.has(reference):
        item.deviation("targetRef", "targetRef is of notification targets", f"write {reference}")
        reference = "targetRef"
    return _either(item, reference, "AlertPolicy", known, known.policies, lambda head, spec: _policy(head, spec, known))


def _policy(head: Metadata, spec: Fields, known: Known) -> AlertPolicy | None:
    text = description(spec)
    when = {name: spec.flag(f"alertWhen{name}") for name in ("NoData", "Resolved", "Breaching")}
    if not any(when.values()):
        spec.warning("alertWhenBreaching", "this policy never alerts", "set alertWhenBreaching: true")
    items = spec.mappings("conditions", mend="add conditions: [{conditionRef: ...}]")
    if len(items) > 1:
        spec.error("conditions", "must have exactly one item", "write one policy for each condition")
    conditions = [
        _either(item, "conditionRef", "AlertCondition", known, known.conditions, _condition) for item in items
    ]
    targets = [
        _either(item, "targetRef", "AlertNotificationTarget", known, known.targets, _target)
        for item in spec.mappings("notificationTargets", mend="add notificationTargets: [{targetRef: ...}]")
    ]
    spec.close()
    if not conditions or conditions[0] is None:
        return None
    return AlertPolicy(
        name=head.name,
        display_name=head.display_name,
        description=text,
        when_no_data=when["NoData"],
        when_resolved=when["Resolved"],
        when_breaching=when["Breaching"],
        condition=conditions[0],
        targets=tuple(each for each in targets if each is not None),
        origin=head.origin,
    )


def _condition(head: Metadata, spec: Fields) -> AlertCondition | None:
    text = description(spec)
    severity = spec.text("severity", mend="such as page or ticket")
    inner = spec.mapping("condition", mend="such as {kind: burnrate, op: gte, threshold: 2, lookbackWindow: 1h}")
    spec.close()
    if inner.has("kind"):
        inner.choice("kind", (_BURN_RATE,))
    else:
        inner.deviation("kind", f"the kind of condition is missing, {_BURN_RATE} is taken", f"write kind: {_BURN_RATE}")
    op = inner.choice("op", OPERATORS, mend="write gte")
    if op in ("lte", "lt"):
        message = f"with {op} it holds while the budget burns slower than the threshold"
        inner.warning("op", message, "write gte, unless that is meant")
    if not inner.has("threshold"):
        inner.error("threshold", "is required", "a burn rate, such as 14.4")
    threshold = inner.number("threshold")
    lookback = shorthand_seconds(inner, "lookbackWindow", example="1h")
    after = shorthand_seconds(inner, "alertAfter", example="5m", required=False, zero=True)
    inner.close()
    if threshold is None:
        return None
    return AlertCondition(head.name, head.display_name, text, severity, op, threshold, lookback, after, head.origin)


def _target(head: Metadata, spec: Fields) -> AlertNotificationTarget:
    text = description(spec)
    destination = spec.text("target", mend="such as slack")
    spec.close()
    return AlertNotificationTarget(head.name, head.display_name, text, destination, head.origin)


def _either(
    item: Fields,
    reference: str,
    kind: str,
    known: Known,
    declared: Mapping[str, _T],
    read: Callable[[Metadata, Fields], _T | None],
) -> _T | None:
    """What an item refers to, or inlines as a document without apiVersion; None when wrong, which is told."""
    referred, inline = item.has(reference), bool(item.given(*_INLINE))
    result = None
    if referred == inline:
        item.error(reference, f"give exactly one of {reference} and an inlined {kind} (kind, metadata, spec)")
    elif referred:
        result = declared.get(known.refer(item, reference, kind))
    else:
        if item.has("kind"):
            item.choice("kind", (kind,))
        else:
            item.deviation("kind", f"the kind of what is inlined is missing, {kind} is taken", f"write kind: {kind}")
        result = read(metadata(item), item.mapping("spec"))
    item.close()
    return result
