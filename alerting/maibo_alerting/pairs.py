"""Which burn rates are worth a person's attention: the SRE Workbook's pairs of windows, fitted to an SLO.

A pair says "this share of the budget went within the long window, and over the short one it still goes". Its factor is scaled to the
SLO's own window P, ``k = share x P / long``, and kept

* at 1 or above, since a burn below 1 ends the window inside its budget (10 % in 3 days of a 7-day window would be k = 0.23);
* at 0.9 / (1 - target) or below, since more bad events than events cannot be (14.4 is out of reach for every target under 93.1 %).

A pair whose long window is longer than the SLO's own is left out. The paging pairs are those by which `maibo_slo.engine` calls an
objective ``burning_fast``: the page and the pager agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from maibo_alerting.prometheus.durations import seconds_of, spoken
from maibo_slo.engine.budget import error_budget
from maibo_slo.engine.burn import FAST, REACHABLE, SLOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maibo_slo.documents import Objective

Severity = Literal["page", "ticket"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A share of the budget that goes within `long` and still goes over `short`; windows as the metrics name them."""

    severity: Severity
    long: str
    short: str
    budget_percent: float

    @property
    def long_seconds(self) -> int:
        return _seconds(self.long)

    @property
    def short_seconds(self) -> int:
        return _seconds(self.short)


@cache
def _seconds(window: str) -> int:
    """Asked for by every pair of thousands of objectives at every tick; there are few windows."""
    return seconds_of(window)


SHAPES: Final[Sequence[Shape]] = (
    *(Shape("page", *share) for share in FAST),
    *(Shape("ticket", *share) for share in SLOW),
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A shape fitted to one objective: reached when the burn over both windows is above the factor."""

    shape: Shape
    factor: float
    note: str
    """What was fitted, and why; '' when the factor is the scaled one."""

    @property
    def long_seconds(self) -> int:
        return self.shape.long_seconds

    @property
    def short_seconds(self) -> int:
        return self.shape.short_seconds


def pairs(window_seconds: int, *, target: float, shapes: Sequence[Shape] = SHAPES) -> tuple[Pair, ...]:
    """The pairs of an objective over an SLO's window, pages first.

    >>> [round(pair.factor, 2) for pair in pairs(30 * 86400, target=0.999)]
    [14.4, 6.0, 3.0, 1.0]
    """
    fitting = (shape for shape in shapes if shape.long_seconds <= window_seconds)
    return tuple(_fitted(shape, window_seconds, target=target) for shape in fitting)


def left_out(window_seconds: int, *, shapes: Sequence[Shape] = SHAPES) -> tuple[Shape, ...]:
    """Shapes that an SLO's window is too short for."""
    return tuple(shape for shape in shapes if shape.long_seconds > window_seconds)


def fitted_notes(
    slo: str, window_seconds: int, objectives: Sequence[Objective], shapes: Sequence[Shape] = SHAPES
) -> Iterator[str]:
    """What was left out or fitted, for people who read the rules."""
    for shape in left_out(window_seconds, shapes=shapes):
        yield f"{slo}: no {shape.severity} over {shape.long}, which is longer than the SLO's {spoken(window_seconds)}"
    for objective in objectives:
        for pair in pairs(window_seconds, target=objective.target, shapes=shapes):
            if pair.note:
                yield f"{slo} {objective.name}: {pair.shape.severity} over {pair.shape.long}: {pair.note}"


def _fitted(shape: Shape, window_seconds: int, *, target: float) -> Pair:
    scaled = shape.budget_percent * window_seconds / (100 * shape.long_seconds)
    reachable = REACHABLE / error_budget(target)
    if scaled > reachable:
        return Pair(
            shape,
            max(1.0, reachable),
            f"factor {scaled:g} lowered to {max(1.0, reachable):g}: {scaled:g} x {error_budget(target):g} of all events "
            f"being bad is out of reach or nearly so; it fires when {REACHABLE:.0%} are",
        )
    if scaled < 1:
        return Pair(shape, 1.0, f"factor {scaled:g} raised to 1: a slower burn ends the window inside its budget")
    return Pair(shape, scaled, "")
