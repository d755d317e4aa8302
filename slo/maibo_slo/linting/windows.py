"""Rules about an SLO's window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_slo.documents import PromSlo, Slo
from maibo_slo.engine.burn import BURN_WINDOWS, HOUR, fast_pairs
from maibo_slo.linting.findings import Rule, number
from maibo_slo.linting.subject import DAY, days
from maibo_slo.store.tables import TIERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.linting.findings import Finding
    from maibo_slo.linting.subject import Subject

BEYOND_MINUTES: Final = Rule("SLO004", "info", "The window is longer than minutes are kept")
IN_MINUTES: Final = Rule("SLO005", "warning", "The window is in minutes, not months")
WITHOUT_ALERTS: Final = Rule("SLO006", "warning", "The window is shorter than every burn alert's")
MONTH_ROLLS: Final = Rule("SLO007", "info", "A rolling month does not begin anew on the first")
WEEKENDS: Final = Rule("SLO008", "info", "The window is not made of whole weeks")
SHORT_PERIOD: Final = Rule("SLO040", "info", "The calendar window is shorter than alerts look back")
PROMETHEUS_RETENTION: Final = Rule("SLO036", "info", "The window is longer than Prometheus keeps samples by default")

MINUTES: Final = next(tier for tier in TIERS if tier.seconds == 60)
"""What a changed SLO is counted anew from."""
WEEK: Final = 7 * DAY
PROMETHEUS_DAYS: Final = 15
"""``--storage.tsdb.retention.time``, where nobody set it."""


def windows(subject: Subject) -> Iterator[Finding]:
    """Every finding about the window."""
    seconds, window = subject.slo.window_seconds, subject.window
    if isinstance(subject.slo, PromSlo):
        if seconds > PROMETHEUS_DAYS * DAY and subject.slo.data_source is None:  # else counts are kept here
            message = (
                f"over {window}, budgets need {days(seconds)} of samples, and a Prometheus that nobody told otherwise "
                f"keeps {PROMETHEUS_DAYS} days"
            )
            mend = f"run it with --storage.tsdb.retention.time={days(seconds + DAY)} or longer"
            yield subject.of_window(PROMETHEUS_RETENTION, message, mend)
    elif isinstance(subject.slo, Slo) and seconds > MINUTES.retention_seconds:
        kept, lost = days(MINUTES.retention_seconds), days(seconds - MINUTES.retention_seconds)
        message = (
            f"a change of this SLO is counted anew from {kept} of minutes, so {lost} of its {window} begin without data"
        )
        mend = f"use at most {kept}, or change it rarely"
        yield subject.of_window(BEYOND_MINUTES, message, mend)
    if window.endswith("m"):
        message = f"{window} is {number(seconds / 60)} minutes, for in OpenSLO m is minutes and M is months"
        yield subject.of_window(
            IN_MINUTES, message, f"write {window[:-1]}M or, better, 28d; keep it if minutes are meant"
        )
    yield from _without_alerts(subject)
    yield from _rolling(subject) if subject.slo.calendar is None else _periods(subject)


def _without_alerts(subject: Subject) -> Iterator[Finding]:
    pairs = fast_pairs(subject.slo.window_seconds, target=subject.slo.objectives[0].target)
    shortest = min(pair.long_seconds for pair in pairs)
    if subject.slo.window_seconds < shortest:
        message = (
            f"the shortest burn alert looks back {number(shortest / 60)} minutes, and this window is "
            f"{number(subject.slo.window_seconds / 60)}: no alert is made for it, and its budget comes and goes unseen"
        )
        yield subject.of_window(WITHOUT_ALERTS, message, f"use at least {shortest // HOUR}h; 28d is usual")


def _periods(subject: Subject) -> Iterator[Finding]:
    longest = max(BURN_WINDOWS.values())
    if subject.slo.window_seconds < longest:
        message = (
            f"a new budget begins after {subject.window}, and alerts look back up to {days(longest)}: what they tell of may have spent "
            "budgets of periods that are over"
        )
        yield subject.of_window(SHORT_PERIOD, message, f"use at least {days(longest)}, or let the window roll")


def _rolling(subject: Subject) -> Iterator[Finding]:
    seconds, window = subject.slo.window_seconds, subject.window
    if window.endswith(("M", "Q", "Y")):
        message = f"{window} is {days(seconds)} that roll: no budget comes back on the first of a month, only as bad days leave the window"
        yield subject.of_window(
            MONTH_ROLLS,
            message,
            f"write {days(seconds)}, or 28d for whole weeks; where budgets shall come back on the first, give a calendar",
        )
    elif seconds > WEEK and seconds % WEEK:
        weeks, rest = divmod(seconds, WEEK)
        message = (
            f"{window} is {weeks} week{'s' * (weeks > 1)} and {days(rest)}: how many weekends are in it changes from day to day, "
            "and attainment with it"
        )
        yield subject.of_window(WEEKENDS, message, f"use {days(weeks * WEEK)} or {days((weeks + 1) * WEEK)}")
