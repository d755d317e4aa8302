"""How an objective's budget was spent over a stretch of time: what was left of it, what its SLI was, and how fast it burnt, moment by moment.

Everything is made of the ledger's counts, summed before anything is divided, by the rules of the engine: the windows that end with a moment are
those that the engine would have summed then. Of a slice of time the highest burn rate of its minutes is told, since that is what alerts go by. A
moment in whose window nothing was counted has no value. What is corrected or counted anew since is told as it is known now.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from maibo_slo.engine.budget import budget, error_budget
from maibo_slo.engine.burn import BURN_WINDOWS, HOUR, Pair, alerted_pairs
from maibo_slo.engine.calendar import longest_seconds, period
from maibo_slo.engine.state import MILLIONTHS
from maibo_slo.engine.sums import MINUTE
from maibo_slo.store import past

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from maibo_slo.documents import FedSlo, Objective, Slo
    from maibo_slo.store import Store

    Sums = NDArray[np.int64]

SLICES: Final = 120
"""So many of a stretch, at most."""
BY_MINUTES_SECONDS: Final = 7 * 86_400
"""Longer stretches are told by the hour, and without the windows that are shorter."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One slice [begin, end) and what was true at its end; None: nothing was counted."""

    begin: int
    end: int
    good: float
    bad: float
    """Of the slice itself."""
    left: float | None
    """Of the budget of the window that ends here, projected as the engine does: what the state goes by."""
    observed: float | None
    """The same over what was observed alone."""
    burns: Mapping[str, float]
    """By name of the window: the highest of the slice's minutes."""

    @property
    def sli(self) -> float | None:
        """Share of good of the slice's events."""
        events = self.good + self.bad
        return self.good / events if events else None


@dataclass(frozen=True, slots=True)
class Burndown:
    """Of one objective, of one group where it has groups."""

    slo: str
    objective: str
    group: str
    target: float
    step: int
    """Seconds of a slice."""
    pairs: Mapping[str, Pair]
    """That alerts go by, by name of the long window."""
    moments: tuple[Moment, ...]
    """Oldest first."""
    until: int
    """Unix s that was asked for: the last slice may go on after it."""

    @property
    def begin(self) -> int:
        return self.moments[0].begin

    @property
    def end(self) -> int:
        return self.moments[-1].end


@dataclass(frozen=True, slots=True)
class Asked:
    """One objective of an SLO, and of it the group that is meant."""

    objective: Objective
    group: str = ""
    first_t: int | None = None
    """Begin of the first minute that was ever counted, where that is known."""


def burndown(
    store: Store,
    slo: Slo | FedSlo,
    objective: Objective,
    group: str,
    begin: float,
    end: float,
    *,
    first_t: int | None = None,
    rare: bool = False,
) -> Burndown:
    """Of one objective; see `burndowns`. StoreError."""
    [found] = burndowns(store, slo, [Asked(objective, group, first_t)], begin, end, rare=rare)
    return found


def burndowns(
    store: Store, slo: Slo | FedSlo, asked: Sequence[Asked], begin: float, end: float, *, rare: bool = False
) -> list[Burndown]:
    """Of each in [begin, end), unix s, from one query. `rare`: its events have no rate, so nothing is projected. StoreError."""
    grid = _Grid.over(begin, end)
    own = slo.window_seconds if slo.calendar is None else longest_seconds(slo.calendar)
    oldest = max(0, (grid.first - max(own, *BURN_WINDOWS.values())) // grid.grain * grid.grain)
    whose = [past.Whose(slo.name, each.objective.name, each.group) for each in asked]
    counted = past.several(store, whose, oldest, grid.last, step=grid.grain)
    return [_burndown(slo, *each, grid, oldest, rare=rare) for each in zip(asked, counted, strict=True)]


def drawn(begin: float, end: float) -> tuple[int, int]:
    """What slices of [begin, end) are told of, unix s: whole ones."""
    grid = _Grid.over(begin, end)
    return grid.first, grid.last


def floored(begin: float, end: float) -> int:
    """`end` at the grain that such a stretch is told by: what is told until then holds nothing after `end`."""
    return int(end) // _grain(begin, end) * _grain(begin, end)


def _grain(begin: float, end: float) -> int:
    return MINUTE if end - begin <= BY_MINUTES_SECONDS else HOUR


@dataclass(frozen=True, slots=True)
class _Grid:
    """The slices of a stretch of time."""

    grain: int
    """Seconds that its counts are told by."""
    step: int
    """Seconds of a slice."""
    number: int
    last: int
    """End of the last slice, unix s."""
    until: int
    """The end that was asked for, unix s: within the last slice, or its end."""

    @classmethod
    def over(cls, begin: float, end: float) -> _Grid:
        grain = _grain(begin, end)
        last = math.ceil(end / grain) * grain
        step = max(1, math.ceil((last - begin) / SLICES / grain)) * grain
        return cls(grain, step, max(1, math.ceil((last - begin) / step)), last, min(last, math.ceil(end)))

    @property
    def first(self) -> int:
        """Begin of the first slice."""
        return self.last - self.number * self.step


def _burndown(
    slo: Slo | FedSlo, asked: Asked, counted: past.Series, grid: _Grid, oldest: int, *, rare: bool
) -> Burndown:
    objective, grain, step = asked.objective, grid.grain, grid.step
    pairs = alerted_pairs(slo.window_seconds, target=objective.target)
    good, bad = (_running(counted.t, each, oldest, grid.last, grain) for each in (counted.good, counted.bad))
    first_t = asked.first_t
    if first_t is None and len(counted.t):
        first_t = int(counted.t[0])
    divisor = MILLIONTHS if slo.method == "RatioTimeslices" else 1
    windows = {
        name: BURN_WINDOWS[name] for name in BURN_WINDOWS if BURN_WINDOWS[name] >= grain and name in _names(pairs)
    }
    rates = {
        name: _highest(good, bad, seconds // grain, (grid.first - oldest) // grain, grid.number, step // grain)
        / error_budget(objective.target)
        for name, seconds in windows.items()
    }
    moments = []
    for index in range(grid.number):
        at = grid.first + (index + 1) * step
        here, before = (at - oldest) // grain, (at - step - oldest) // grain
        window_begin, _ = _window(slo, at)
        now = min(at, grid.until)  # of the slice that runs, as the engine says it: no more has passed
        since = max(0, (window_begin - oldest) // grain)
        spent = budget(
            int(good[here] - good[since]),
            int(bad[here] - bad[since]),
            target=objective.target,
            elapsed=1.0 if rare else _elapsed(first_t, *_window(slo, now), now),
        )
        moments.append(
            Moment(
                at - step,
                at,
                int(good[here] - good[before]) / divisor,
                int(bad[here] - bad[before]) / divisor,
                spent.projected,
                spent.remaining,
                {name: float(found[index]) for name, found in rates.items() if not math.isnan(found[index])},
            )
        )
    return Burndown(slo.name, objective.name, asked.group, objective.target, step, pairs, tuple(moments), grid.until)


def _names(pairs: Mapping[str, Pair]) -> set[str]:
    by_seconds = {seconds: name for name, seconds in BURN_WINDOWS.items()}
    return {by_seconds[seconds] for pair in pairs.values() for seconds in (pair.long_seconds, pair.short_seconds)}


def _running(t: Sums, counts: Sums, oldest: int, last: int, grain: int) -> Sums:
    """Sums of everything before each border of the grid, from `oldest` to `last`."""
    found = np.zeros((last - oldest) // grain + 1, np.int64)
    found[(t - oldest) // grain + 1] = counts
    return np.cumsum(found)


def _highest(good: Sums, bad: Sums, length: int, first: int, number: int, each: int) -> NDArray[np.float64]:
    """Of each slice, the highest share of bad events that a window of `length` had which ended within it; NaN where none had any."""
    ends = np.arange(first + 1, first + number * each + 1)
    begins = np.maximum(0, ends - length)
    some_bad = bad[ends] - bad[begins]
    events = some_bad + good[ends] - good[begins]
    shares = np.where(events > 0, some_bad / np.maximum(events, 1), -1.0).reshape(number, each).max(axis=1)
    return np.where(shares < 0, np.nan, shares)


def _window(slo: Slo | FedSlo, at: int) -> tuple[int, int]:
    """The SLO's own that ends at a moment, or that goes on then."""
    if slo.calendar is None:
        return at - slo.window_seconds, at
    found = period(slo.calendar, at - 1)
    return found.begin, found.end


def _elapsed(first_t: int | None, begin: int, end: int, at: int) -> float:
    """How much of the window the counts are of, as the engine reckons it."""
    since = begin if first_t is None else max(begin, first_t)
    return min(1.0, max(MINUTE, at - since) / max(MINUTE, end - begin))
