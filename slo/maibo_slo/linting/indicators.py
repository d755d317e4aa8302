"""Rules about what an SLI counts: journeys' cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo.semconv import ABANDONED, FAILURE
from maibo_slo.documents import Slo
from maibo_slo.documents.durations import elapsed_text
from maibo_slo.documents.selectors import beyond
from maibo_slo.linting.findings import Rule

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


def indicators(subject: Subject) -> Iterator[Finding]:
    """Every finding about an SLI of journeys."""
    if not isinstance(subject.slo, Slo):
        return
    indicator = subject.slo.indicator
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


def _outcomes(selector: CellSelector) -> str:
    return " and ".join(sorted(selector.outcomes))


def _counted(selector: CellSelector) -> str:
    return f"{selector.step!r}" if selector.step else f"{selector.journey!r}"
