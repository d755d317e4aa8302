"""Error budgets from counts: attainment, what the budget allows, what is left of it.

Counts go in, never ratios: a ratio of ratios gives a quiet night the weight of a busy day. A quantity without data is None.
Definitions: ``budget = 1 - target`` (share of events that may be bad), ``budget_events = budget x events``,
``remaining = 1 - bad / budget_events``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache


@lru_cache(maxsize=1024)
def error_budget(target: float) -> float:
    """The share of events that may be bad, exact in decimal: ``1 - 0.999`` is 0.001, not 0.0010000000000000009.

    >>> error_budget(0.999)
    0.001
    """
    return float(1 - Decimal(repr(target)))


@dataclass(frozen=True, slots=True)
class Budget:
    """What became of an objective's budget over one window."""

    attainment: float | None
    """good / (good + bad) over what was observed."""
    budget_events: float
    """Bad events that the observed events allow."""
    remaining: float | None
    """1 - bad / budget_events, over what was observed; negative when overspent."""
    projected: float | None
    """The same if the part of the window that was not observed is replaced by traffic at the observed rate, none of it bad: what came before
    the first event, or what is to come of a calendar window."""


def budget(good: float, bad: float, *, target: float, elapsed: float) -> Budget:
    """The budget of `good` and `bad` events; `elapsed` in (0, 1] is how much of the window they are of: what has passed since the first
    event.

    After one day of a 30-day window, 0.3 % bad under a target of 99.9 % is 300 % of the observed events' budget, yet a tenth of
    what a month at this rate allows: ``remaining`` says -2.0, ``projected`` says 0.9.

    >>> day = budget(99_700, 300, target=0.999, elapsed=1 / 30)
    >>> round(day.remaining, 6), round(day.projected, 6)
    (-2.0, 0.9)
    """
    events = good + bad
    if events == 0:
        return Budget(attainment=None, budget_events=0.0, remaining=None, projected=None)
    allowed = float((1 - Decimal(repr(target))) * Decimal(events))
    spent = bad / allowed
    return Budget(
        attainment=good / events,
        budget_events=allowed,
        remaining=unsigned_zero(1 - spent),
        projected=unsigned_zero(1 - spent * elapsed),
    )


def unsigned_zero(value: float) -> float:
    """-0.0 reads as a debt; there is only one zero."""
    return value + 0.0
