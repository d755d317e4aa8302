"""Rules about what SLIs count: journeys' cells, and what of them there is in a slice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from maibo.semconv import ABANDONED, FAILURE
from maibo_slo.documents import FedSlo, PromSlo, Slo
from maibo_slo.documents.durations import elapsed_text, window_seconds
from maibo_slo.documents.selectors import beyond
from maibo_slo.documents.sources import INTERVAL
from maibo_slo.linting.findings import Rule, number
from maibo_slo.linting.subject import DAY, days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.documents import CellSelector, Sli
    from maibo_slo.linting.findings import Finding
    from maibo_slo.linting.subject import Subject

FAILURES_ARE_GOOD: Final = Rule("SLO016", "warning", "A failure counts as good")
SLOW_IS_GOOD: Final = Rule("SLO017", "warning", "Slow failures count as good")
SLOW_LEFT_OUT: Final = Rule("SLO018", "warning", "Slow events are left out of the total")
ALWAYS_SAME: Final = Rule("SLO019", "error", "Every event is good, or every event is bad")
FAILURES_LEFT_OUT: Final = Rule("SLO020", "info", "Failures count nowhere")
ABANDONED_IS_BAD: Final = Rule("SLO021", "info", "Who changes their mind counts as bad")
LAST_STEP: Final = Rule("SLO022", "info", "The last step is counted, and the journey is not")
NEVER_SLOW: Final = Rule("SLO023", "warning", "The threshold is not below the journey's timeout")
ONE_VERSION: Final = Rule("SLO024", "warning", "The SLO ends with the next release")
SHORT_SLICE: Final = Rule("SLO038", "warning", "A slice is shorter than what is counted in it")
STEPS_ALONE: Final = Rule("SLO041", "info", "A journey is put together from its steps")
BUDGET_A_RELEASE: Final = Rule("SLO043", "warning", "Each release has a budget of its own")


def indicators(subject: Subject) -> Iterator[Finding]:
    """Every finding about what an SLO counts."""
    yield from _short_slices(subject)
    if not isinstance(subject.slo, Slo):
        return
    if not subject.slo.is_composite:
        yield from _indicator(subject, subject.slo.indicator)
    for index, indicator in enumerate(subject.slo.indicators if subject.slo.is_composite else ()):
        yield from _indicator(replace(subject, component=index), indicator)
    yield from _steps_alone(subject, subject.slo.indicators)
    if "version" in subject.slo.group_by:
        message = "groupBy version gives each release a budget of its own: the one that broke the last is gone as soon as the next is out"
        mend = "group by tier or region; versions are compared on the journey's page"
        yield subject.of_part(BUDGET_A_RELEASE, message, mend, "total", "groupBy")


def _indicator(subject: Subject, indicator: Sli) -> Iterator[Finding]:
    if indicator.good is not None:
        yield from _good(subject, indicator.good, indicator.total)
    if indicator.bad is not None:
        yield from _bad(subject, indicator.bad, indicator.total)
    yield from _total(subject, indicator)
    yield from _journey(subject, indicator)


def _good(subject: Subject, good: CellSelector, total: CellSelector) -> Iterator[Finding]:
    if not beyond(total, good):
        message = f"good and total count the same ({_outcomes(total)}), so attainment is 100 % whatever happens"
        yield subject.of_part(ALWAYS_SAME, message, "let good count outcome: success, or set its maxDuration", "good")
    elif FAILURE in good.outcomes:
        within = f" within {elapsed_text(good.max_duration_us)}" if good.max_duration_us is not None else ""
        message = f"good counts {_outcomes(good)}{within}: a failure{within} is as good as a success"
        yield subject.of_part(
            FAILURES_ARE_GOOD, message, "remove outcome, which is success where good names none", "good", "outcome"
        )


def _bad(subject: Subject, bad: CellSelector, total: CellSelector) -> Iterator[Finding]:
    if not beyond(total, bad):
        message = f"bad and total count the same ({_outcomes(total)}), so attainment is 0 % whatever happens"
        yield subject.of_part(ALWAYS_SAME, message, "let bad count outcome: failure", "bad")
    elif bad.max_duration_us is not None and bad.max_duration_us != total.max_duration_us:
        threshold = elapsed_text(bad.max_duration_us)
        message = f"bad counts what took at most {threshold}: a failure after {threshold} is good, and so is every slow success"
        yield subject.of_part(
            SLOW_IS_GOOD, message, f"give good with maxDuration: {threshold} instead of bad", "bad", "maxDuration"
        )


def _total(subject: Subject, indicator: Sli) -> Iterator[Finding]:
    total = indicator.total
    if total.max_duration_us is not None:
        threshold = elapsed_text(total.max_duration_us)
        message = f"total counts only what took at most {threshold}: who waited longer is neither good nor bad"
        yield subject.of_part(
            SLOW_LEFT_OUT, message, "remove maxDuration from total, and keep it in good", "total", "maxDuration"
        )
    if FAILURE not in total.outcomes:
        message = (
            f"total counts {_outcomes(total)}: when every {_counted(total)} fails, nothing is bad and there is no data"
        )
        yield subject.of_part(
            FAILURES_LEFT_OUT, message, "remove outcome from total; good counts successes anyway", "total", "outcome"
        )
    abandoned_good = (
        ABANDONED in indicator.good.outcomes
        if indicator.good
        else indicator.bad is not None and ABANDONED not in indicator.bad.outcomes
    )
    if ABANDONED in total.outcomes and not abandoned_good:
        message = f"total counts {_outcomes(total)}: each {_counted(total)} that a customer abandons spends budget as a failure does"
        yield subject.of_part(
            ABANDONED_IS_BAD,
            message,
            "leave abandoned out of total, unless giving up is your fault",
            "total",
            "outcome",
        )
    if "version" in total.where:
        versions = ", ".join(total.where["version"])
        message = f"only version {versions} is counted: from the next release on there is no data, and no alert"
        yield subject.of_part(
            ONE_VERSION, message, "remove version; versions are compared on the journey's page", "total", "version"
        )


def _journey(subject: Subject, indicator: Sli) -> Iterator[Finding]:
    """What only the document of the journey can tell."""
    total = indicator.total
    journey = subject.others.catalogue.journeys.get(total.journey)
    if journey is None:
        return
    threshold = indicator.good.max_duration_us if indicator.good else None
    if threshold is not None and threshold >= journey.timeout_seconds * 1_000_000:
        message = (
            f"maxDuration {elapsed_text(threshold)} is no shorter than the timeout of {elapsed_text(journey.timeout_seconds * 1_000_000)}, "
            f"after which {journey.name!r} is abandoned: nothing is ever too slow"
        )
        yield subject.of_part(
            NEVER_SLOW, message, "lower maxDuration, or raise the journey's timeout", "good", "maxDuration"
        )
    ending = {step.name for step in journey.steps if step.ends}
    if total.step in ending and journey.name not in subject.others.whole:
        message = f"step {total.step!r} ends {journey.name!r}, and no SLO counts the journey: who fails before that step is in no number"
        yield subject.of_part(
            LAST_STEP, message, "remove step, or add an SLO on the journey as a whole", "total", "step"
        )


def _steps_alone(subject: Subject, indicators: tuple[Sli, ...]) -> Iterator[Finding]:
    """A composite burns for each step that failed; the journey's own end says once whether the customer got there."""
    steps = {indicator.total.step for indicator in indicators}
    journeys = {indicator.total.journey for indicator in indicators}
    if len(steps) < 2 or "" in steps or len(journeys) > 1:
        return
    message = (
        f"puts together {len(steps)} steps of {subject.slo.journey!r}: who fails in two of them counts twice, who turns back between them not "
        "at all, and the sum takes the steps for independent"
    )
    mend = "count the journey as a whole: leave out step, and see on its page which step burnt the budget"
    yield subject.finding(STEPS_ALONE, message, mend, "objectives")


def _short_slices(subject: Subject) -> Iterator[Finding]:
    """Slices in which there is usually nothing to count."""
    interval = _interval_seconds(subject.slo)
    for index, objective in enumerate(subject.objectives):
        length = objective.slice_seconds
        if length and length < interval:
            message = f"a slice takes {days(length)}, and its data source has a sample every {days(interval)}: most have no data"
            yield subject.of_slice(SHORT_SLICE, message, f"use slices of at least {days(interval)}", index)
        elif length and subject.events_per_day is not None and subject.events_per_day * length < DAY:
            events = number(subject.events_per_day * length / DAY)
            message = (
                f"at {number(subject.events_per_day)} events a day, a slice of {days(length)} has {events}: most have no data, and in the others "
                "one failure makes all of it bad"
            )
            yield subject.of_slice(SHORT_SLICE, message, "use longer slices, or Occurrences", index)


def _interval_seconds(slo: Slo | FedSlo) -> int:
    """How often samples come, where its data source says that; else 0."""
    source = slo.data_source if isinstance(slo, PromSlo) else None
    text = source.connection_details.get(INTERVAL, "") if source else ""
    return window_seconds(text) if text else 0


def _outcomes(selector: CellSelector) -> str:
    return " and ".join(sorted(selector.outcomes))


def _counted(selector: CellSelector) -> str:
    return f"{selector.step!r}" if selector.step else f"{selector.journey!r}"
