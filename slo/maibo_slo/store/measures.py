"""What people ask of cells: how often, how long, how many within T; by any dimensions and window.

Each function is `cells.distributions` and one step of arithmetic; the answers keep the counts they were made of. Groups without
data are absent. `cells.covered` tells the window they are about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.store.cells import covered, distributions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.store.cells import CellFilter, Window
    from maibo_slo.store.client import Store


@dataclass(frozen=True, slots=True)
class Rate:
    """How often: counts by outcome in so many seconds."""

    group: tuple[str, ...]
    outcomes: Mapping[str, int]
    seconds: int

    @property
    def events(self) -> int:
        return sum(self.outcomes.values())

    @property
    def per_second(self) -> float:
        return self.events / self.seconds


def rates(
    store: Store, window: Window, which: CellFilter, *, by: Sequence[str] = (), now: int | None = None
) -> list[Rate]:
    """Events of each group and their rate over the window covered. Groups without data are absent."""
    seconds = covered(window, now=now).seconds
    return [Rate(found.group, found.events(), seconds) for found in distributions(store, window, which, by=by, now=now)]


@dataclass(frozen=True, slots=True)
class Quantiles:
    """How long: quantiles in us, over so many events."""

    group: tuple[str, ...]
    events: int
    values_us: Mapping[float, float | None]
    """q -> us; None without events"""


def quantiles(
    store: Store,
    window: Window,
    which: CellFilter,
    *,
    q: Sequence[float] = (0.5, 0.9, 0.99),
    by: Sequence[str] = (),
    now: int | None = None,
) -> list[Quantiles]:
    """Quantiles of each group over all its events but abandoned ones; |error| <= 1.235 %."""
    answers = []
    for found in distributions(store, window, which, by=by, now=now):
        histogram = found.histogram()
        values = dict(zip(q, histogram.quantiles(*q), strict=True))
        answers.append(Quantiles(found.group, histogram.total, values))
    return answers


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many."""

    group: tuple[str, ...]
    within: int
    events: int

    @property
    def ratio(self) -> float | None:
        return self.within / self.events if self.events else None


def shares(
    store: Store,
    window: Window,
    which: CellFilter,
    *,
    threshold_us: int,
    by: Sequence[str] = (),
    now: int | None = None,
) -> list[Share]:
    """How many of each group's events, but abandoned ones, lasted at most `threshold_us`: exact. ValueError off the grid."""
    answers = []
    for found in distributions(store, window, which, by=by, now=now):
        histogram = found.histogram()
        answers.append(Share(found.group, histogram.within(threshold_us), histogram.total))
    return answers
