"""A composite SLO by Occurrences: its components' burns and budgets, each by its weight, added up, as OpenSLO has it.

``burn(w) = sum(weight x burn_i(w))`` and ``spent = sum(weight x spent_i)``, each component against its own target and its own events. So the
whole needs no count of its own, and nothing is assumed about how components fail together. A component without data adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.engine.budget import Budget, error_budget, unsigned_zero
from maibo_slo.engine.burn import MIN_BAD_EVENTS
from maibo_slo.engine.burning import MIN_ELAPSED, SURE
from maibo_slo.engine.certainty import FEW, share_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maibo_slo.engine.burning import Evidence, Guard, Windows


@dataclass(frozen=True, slots=True)
class Part:
    """A component of a composite."""

    name: str
    weight: float
    spent: float | None
    """Of its own budget, over what was observed; None without data."""
    share: float | None
    """Of what the composite has spent, in [0, 1]; None where nothing is spent."""


def weighted(numbers: Iterable[tuple[float, float | None]]) -> float | None:
    """The sum of weight x number, of those that there are; None when there is none.

    >>> weighted([(1.0, 2.0), (0.5, 4.0), (1.0, None)])
    4.0
    """
    known = [weight * number for weight, number in numbers if number is not None]
    return sum(known) if known else None


def budget_of(parts: Sequence[tuple[float, Budget]], *, target: float) -> Budget:
    """The composite's budget from its components'. It has no events: what it allows is told by its parts."""
    spent = weighted((weight, _spent(one.remaining)) for weight, one in parts)
    projected = weighted((weight, _spent(one.projected)) for weight, one in parts)
    if spent is None or projected is None:
        return Budget(attainment=None, budget_events=0.0, remaining=None, projected=None)
    return Budget(
        attainment=max(0.0, 1 - error_budget(target) * spent),
        budget_events=0.0,
        remaining=unsigned_zero(1 - spent),
        projected=unsigned_zero(1 - projected),
    )


def parts_of(parts: Sequence[tuple[str, float, Budget]]) -> tuple[Part, ...]:
    """Which component spent how much of the whole's budget."""
    whole = weighted((weight, _spent(one.remaining)) for _, weight, one in parts)
    told = []
    for name, weight, one in parts:
        spent = _spent(one.remaining)
        told.append(Part(name, weight, spent, weight * spent / whole if whole and spent is not None else None))
    return tuple(told)


def guard(pair: Windows, parts: Sequence[tuple[float, Evidence]], *, now: float) -> Guard | None:
    """As `burning.guard`, over the components' burns added up."""
    bad = sum(seen.of(pair.long_seconds).bad for _, seen in parts)
    if bad < MIN_BAD_EVENTS:
        return "too_few"
    if max(seen.elapsed_seconds(now=now) for _, seen in parts) < MIN_ELAPSED * pair.long_seconds:
        return "too_soon"
    likely = lowest = 0.0
    for weight, seen in parts:
        events, mine = seen.expected_events(pair.long_seconds, now=now), seen.of(pair.long_seconds).bad
        if mine:
            scale = weight / error_budget(seen.target)
            likely += scale * mine / events
            lowest += scale * share_below(1 - SURE, bad=mine, events=events)
    if likely <= pair.factor:
        return "not_whole"
    return None if bad >= FEW or lowest > pair.factor else "chance"


def _spent(remaining: float | None) -> float | None:
    return None if remaining is None else 1 - remaining
