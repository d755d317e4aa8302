"""Rules about targets: what they allow, and whether anybody can be told in time."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from maibo_slo.engine.burn import MIN_BAD_EVENTS, REACHABLE, fast_pairs
from maibo_slo.linting.findings import Rule, budget_of, number, percent
from maibo_slo.linting.subject import DAY, days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.documents import Objective
    from maibo_slo.linting.findings import Finding
    from maibo_slo.linting.subject import Subject

BELOW_ONE: Final = Rule("SLO009", "warning", "The budget is smaller than one event")
BELOW_ALERT: Final = Rule("SLO010", "warning", "The budget is gone before an alert may fire")
OUT_OF_REACH: Final = Rule("SLO011", "warning", "The page's burn rate cannot be reached")
BELOW_HALF: Final = Rule("SLO012", "warning", "The target asks for less than half")
EQUAL: Final = Rule("SLO013", "warning", "Two objectives have the same target")
LESSER: Final = Rule("SLO014", "info", "An objective is missed only after another one")
DIFFERENT: Final = Rule("SLO037", "info", "The parts of a composite have different targets")
BELOW_SLICE: Final = Rule("SLO039", "warning", "The budget is smaller than one slice")
SAME_TWICE: Final = Rule("SLO015", "warning", "Two SLOs promise the same")

_NEVER_LOWERED: Final = 1 - 1e-9
"""A target so high that every factor is in reach: what `fast_pairs` gives for it is the factor as scaled to the window."""


def budgets(subject: Subject) -> Iterator[Finding]:
    """Every finding about the objectives' targets."""
    for index, objective in enumerate(subject.objectives):
        yield from _events(subject, index, objective)
        yield from _slices(subject, index, objective)
        yield from _out_of_reach(subject, index, objective)
        if objective.target < 0.5:
            message = f"a target of {percent(objective.target)} lets {percent(budget_of(objective.target))} of all events be bad"
            yield subject.of_objective(BELOW_HALF, message, _meant(objective), index)
        if not subject.slo.is_composite:
            yield from _beside(subject, index, objective)
    if subject.slo.is_composite:
        yield from _different(subject)
    if twin := subject.others.twins.get(subject.slo.name):
        message = f"counts the same events over the same {subject.window} with the same targets as SLO {twin!r}"
        yield subject.finding(SAME_TWICE, message, "remove one of them")


def _events(subject: Subject, index: int, objective: Objective) -> Iterator[Finding]:
    """What the budget is in events, where the traffic is known."""
    if subject.events_per_day is None or subject.slo.method != "Occurrences" or subject.slo.is_composite:
        return
    events = Decimal(repr(subject.events_per_day)) * subject.slo.window_seconds / DAY
    allowed = budget_of(objective.target) * events
    if allowed >= MIN_BAD_EVENTS:
        return
    told = f"at {number(subject.events_per_day)} events a day, {percent(objective.target)} over {subject.window} allows {number(allowed)} failures"
    mend = "lower the target, lengthen the window, or let one SLO count more kinds of events"
    if events > MIN_BAD_EVENTS:
        share = number(Decimal(MIN_BAD_EVENTS) / events * 100)
        mend = f"allow at least {share} % ({MIN_BAD_EVENTS} events), lengthen the window, or let one SLO count more kinds of events"
    if allowed < 1:
        yield subject.of_objective(BELOW_ONE, f"{told}: the first one overspends the budget", mend, index)
    else:
        message = f"{told}, and a burn alert waits for {MIN_BAD_EVENTS}: the budget is gone before anybody is told"
        yield subject.of_objective(BELOW_ALERT, message, mend, index)


def _slices(subject: Subject, index: int, objective: Objective) -> Iterator[Finding]:
    """What the budget is in slices, each of which is good or bad as a whole."""
    if subject.slo.method != "Timeslices":
        return
    slices = Decimal(subject.slo.window_seconds // objective.slice_seconds)
    allowed = budget_of(objective.target) * slices
    if allowed < 1:
        message = (
            f"{percent(objective.target)} of the {number(slices)} slices of {days(objective.slice_seconds)} in {subject.window} allows {number(allowed)} "
            "bad ones: the first one overspends the budget"
        )
        mend = "lower the target, or lengthen the window"
        mend = f"shorten the slices, {mend}" if objective.slice_seconds > 60 else mend
        yield subject.of_objective(BELOW_SLICE, message, mend, index)


def _different(subject: Subject) -> Iterator[Finding]:
    strictest = max(subject.objectives, key=lambda one: one.target)
    for index, objective in enumerate(subject.objectives):
        if objective.target != strictest.target:
            message = (
                f"{objective.name!r} has {percent(objective.target)} and {strictest.name!r} {percent(strictest.target)}: the composite as a whole is "
                f"held to {percent(strictest.target)}, and each part spends its budget by its own"
            )
            mend = "give all the same target, and say with compositeWeight how much each matters"
            yield subject.of_objective(DIFFERENT, message, mend, index)
            return


def _out_of_reach(subject: Subject, index: int, objective: Objective) -> Iterator[Finding]:
    seconds, budget = subject.slo.window_seconds, budget_of(objective.target)
    for pair in fast_pairs(seconds, target=_NEVER_LOWERED):
        factor = Decimal(repr(pair.factor))
        if pair.long_seconds > seconds or factor * budget < 1:
            continue
        share = pair.factor * pair.long_seconds / seconds
        message = (
            f"a page at {number(share * 100)} % of the budget within {days(pair.long_seconds)} is a burn of {number(factor)}, and {number(factor)} x "
            f"{percent(budget)} = {number(factor * budget * 100)} % of events cannot be bad: it comes only when {percent(REACHABLE)} are"
        )
        least = number((1 - 1 / factor) * 100)
        yield subject.of_objective(
            OUT_OF_REACH, message, f"raise the target above {least} %, or expect tickets, not pages", index
        )
        return  # a longer window's page is in reach sooner: the first says enough


def _meant(objective: Objective) -> str:
    """``targetPercent: 0.999`` is what people write who think of 0.999."""
    percents = Decimal(repr(objective.target)) * 100
    if percents < 1:
        return f"write target: {percents.normalize():f} if {percent(percents)} is meant"
    return "raise it, or swap good and bad if the other ones are meant"


def _beside(subject: Subject, index: int, objective: Objective) -> Iterator[Finding]:
    """Objectives of one SLO count the same events over the same window: of two, only the stricter can be missed first."""
    for other in subject.slo.objectives[:index]:
        if other.target == objective.target:
            message = f"objectives {other.name!r} and {objective.name!r} are both {percent(objective.target)}: each alert comes twice"
            yield subject.of_objective(EQUAL, message, "remove one of them", index)
            return
    highest = max(subject.slo.objectives, key=lambda one: one.target)
    if highest.target > objective.target:
        times = number(budget_of(objective.target) / budget_of(highest.target))
        message = (
            f"objective {objective.name!r} ({percent(objective.target)}) is missed only when the budget of {highest.name!r} "
            f"({percent(highest.target)}) is spent {times} times over"
        )
        yield subject.of_objective(
            LESSER, message, "remove it, or give it an SLO with another threshold or window", index
        )
