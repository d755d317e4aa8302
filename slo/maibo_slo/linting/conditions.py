"""Rules about AlertConditions: whether what they wait for can happen, and means what it is taken for."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from maibo_slo.linting.findings import Finding, Rule, budget_of, number, percent
from maibo_slo.linting.subject import DAY, Subject, days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.documents import AlertCondition, Catalogue
    from maibo_slo.linting.written import Library

BELOW_SUSTAINABLE: Final = Rule("SLO025", "warning", "The alert fires although the budget lasts")
NEVER_FIRES: Final = Rule("SLO026", "error", "The alert cannot fire")
UPSIDE_DOWN: Final = Rule("SLO027", "warning", "The alert fires while all is well")
QUOTED: Final = Rule("SLO028", "warning", "The burn rate belongs to another window")

_TABLE: Final = ((Decimal("14.4"), 3600), (Decimal(6), 6 * 3600), (Decimal(3), DAY), (Decimal(1), 3 * DAY))
"""Factor and lookback of the SRE Workbook (chapter 5), made for a window of 30 days."""
_TABLE_DAYS: Final = 30
_ABOVE: Final = ("gt", "gte")


def conditions(catalogue: Catalogue, library: Library) -> Iterator[Finding]:
    """What is wrong whichever SLO asks for it."""
    slos = catalogue.every_slo.values()
    policies = (*catalogue.alert_policies.values(), *(policy for slo in slos for policy in slo.alert_policies))
    every = (*catalogue.alert_conditions.values(), *(policy.condition for policy in policies))
    for condition in {(one.origin.file, one.origin.line, one.name): one for one in every}.values():
        if condition.op not in _ABOVE:
            message = f"fires while the burn rate is {_spoken(condition.op)} {number(condition.threshold)}: always, but in trouble"
            yield _finding(UPSIDE_DOWN, condition, library, message, "write op: gt", "op")
        elif condition.threshold < 1:
            left = number((1 - condition.threshold) * 100)
            message = (
                f"fires at a burn of {number(condition.threshold)}, which ends the window with {left} % of the budget left: "
                "somebody is woken for an SLO that is met"
            )
            yield _finding(BELOW_SUSTAINABLE, condition, library, message, "write threshold: 1 or more", "threshold")


def asked_for(subject: Subject) -> Iterator[Finding]:
    """What is wrong with the conditions that an SLO asks for, given its target and window."""
    for index, policy in enumerate(subject.slo.alert_policies):
        condition = policy.condition
        if condition.op not in _ABOVE:
            continue
        yield from _never_fires(subject, index, condition)
        yield from _quoted(subject, index, condition)


def _never_fires(subject: Subject, index: int, condition: AlertCondition) -> Iterator[Finding]:
    for objective in subject.objectives:
        budget = budget_of(objective.target)
        if condition.threshold * budget >= 1:
            message = (
                f"alert condition {condition.name!r} waits for a burn of {number(condition.threshold)}, and at {percent(objective.target)} a total "
                f"outage burns {number(1 / budget)}: it never fires"
            )
            mend = f"use a threshold below {number(1 / budget)}, or a higher target"
            yield subject.finding(NEVER_FIRES, message, mend, "alertPolicies", index)


def _quoted(subject: Subject, index: int, condition: AlertCondition) -> Iterator[Finding]:
    if (condition.threshold, condition.lookback_seconds) not in _TABLE:
        return
    there = condition.threshold * condition.lookback_seconds / (_TABLE_DAYS * DAY)
    here = condition.threshold * condition.lookback_seconds / subject.slo.window_seconds
    if not Decimal("0.75") < here / there < Decimal("1.5"):
        lookback = days(condition.lookback_seconds)
        fitting = number(there * subject.slo.window_seconds / condition.lookback_seconds)
        message = (
            f"alert condition {condition.name!r}: a burn of {number(condition.threshold)} over {lookback} spends {number(there * 100)} % of a "
            f"30-day budget, but {number(here * 100)} % of this one of {subject.window}"
        )
        mend = f"for {number(there * 100)} % use {fitting}, but never less than 1"
        yield subject.finding(QUOTED, message, mend, "alertPolicies", index)


def _finding(rule: Rule, condition: AlertCondition, library: Library, message: str, mend: str, field: str) -> Finding:
    at = library.written(condition.origin, condition.name).position("spec", "condition", field)
    return Finding(rule, at, condition.name, f"alert condition {condition.name!r} {message}", mend)


def _spoken(op: str) -> str:
    return {"lt": "below", "lte": "at most"}.get(op, op)
