"""Replays a scenario: minute by minute, counts by window as a ledger would hold them, one step of the evaluator each.

The same scenario gives the same timeline: events and failures are rounded so that no fraction is lost (what one minute rounds away the
next one gets). With a seed they are drawn instead: events from a Poisson distribution, failures from a binomial one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np

from maibo_alerting.evaluating.reading import Reading
from maibo_alerting.evaluating.step import step
from maibo_alerting.pairs import pairs
from maibo_slo.engine.budget import budget
from maibo_slo.engine.burn import Counts, burn_rate
from maibo_slo.engine.burning import MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maibo_alerting.evaluating.state import States
    from maibo_alerting.evaluating.step import Change
    from maibo_alerting.pairs import Pair
    from maibo_alerting.simulating.scenario import Phase, Scenario

BEGIN: Final = 1_767_225_600
"""2026-01-01T00:00:00Z, when every scenario begins."""
SHOWN_WINDOWS: Final = {"5m": 300, "1h": 3600, "6h": 21_600, "3d": 259_200}


@dataclass(frozen=True, slots=True)
class Moment:
    """The end of a minute, `minute` minutes after the beginning."""

    minute: int
    events: int
    bad: int
    burns: tuple[float | None, ...]
    """Over `SHOWN_WINDOWS`."""
    budget_left: float | None
    firing: frozenset[str]
    """Severities of burn alerts, and ``no data``."""
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What became of a scenario."""

    scenario: Scenario
    target: float
    window_seconds: int
    pairs: tuple[Pair, ...]
    moments: tuple[Moment, ...]


def replay(scenario: Scenario, *, target: float, window_seconds: int, seed: int | None = None) -> Timeline:
    """The whole timeline; `window_seconds` a multiple of 60."""
    past = 0 if scenario.is_new else max(window_seconds, *SHOWN_WINDOWS.values()) // MINUTE
    minutes = [*_history(scenario.phases[0], past), *_events(scenario.phases, seed)]
    judged = pairs(window_seconds, target=target)
    ledger = _Ledger(minutes, target=target, window_seconds=window_seconds, pairs=judged)
    states: States = {}
    moments = []
    for index in range(past, len(minutes)):
        now = BEGIN + (index + 1 - past) * MINUTE
        reading = ledger.reading(index, now=now)
        outcome = step(states, [reading], now=now)
        states = outcome.states
        firing = frozenset(
            key.severity if key.name == "MaiboBudgetBurn" else "no data"
            for key, state in states.items()
            if state.phase == "firing"
        )
        good, bad = minutes[index]
        moments.append(
            Moment(
                minute=index + 1 - past,
                events=good + bad,
                bad=bad,
                burns=tuple(_burn(reading.of(seconds), target) for seconds in SHOWN_WINDOWS.values()),
                budget_left=_budget_left(reading, now=now),
                firing=firing,
                changes=outcome.changes,
            )
        )
    return Timeline(scenario, target, window_seconds, judged, tuple(moments))


class _Ledger:
    """Running sums, so that a window costs two look-ups."""

    def __init__(
        self, minutes: Sequence[tuple[int, int]], *, target: float, window_seconds: int, pairs: tuple[Pair, ...]
    ) -> None:
        self._good = [0, *accumulate(good for good, _ in minutes)]
        self._bad = [0, *accumulate(bad for _, bad in minutes)]
        self._observed = [0, *accumulate(int(good + bad > 0) for good, bad in minutes)]
        self._newest = list(accumulate((i if sum(one) else -1 for i, one in enumerate(minutes)), max))
        self._first = next((i for i, one in enumerate(minutes) if sum(one)), len(minutes))
        self._target, self._window_seconds, self._pairs = target, window_seconds, pairs
        both = (seconds for pair in pairs for seconds in (pair.long_seconds, pair.shape.short_seconds))
        self._windows = {*both, window_seconds, *SHOWN_WINDOWS.values()}

    def reading(self, index: int, *, now: float) -> Reading:
        """At `now`, the end of the minute with this index."""
        end = index + 1
        begin_of = {seconds: max(0, end - seconds // MINUTE) for seconds in self._windows}
        zero = int(now) - end * MINUTE
        newest = self._newest[index]
        counts = {
            seconds: Counts(
                self._good[end] - self._good[begin],
                self._bad[end] - self._bad[begin],
                self._observed[end] - self._observed[begin],
            )
            for seconds, begin in begin_of.items()
        }
        return Reading(
            slo="simulated",
            objective=f"{self._target:g}",
            target=self._target,
            window_seconds=self._window_seconds,
            pairs=self._pairs,
            counts=counts,
            own=counts[self._window_seconds],
            first_t=zero + self._first * MINUTE if self._first <= index else None,
            last_t=zero + newest * MINUTE if newest >= begin_of[self._window_seconds] else None,
        )


def _history(phase: Phase, minutes: int) -> Iterator[tuple[int, int]]:
    """A flawless past with the traffic of the first phase."""
    for events, _ in _rounded(minutes, phase.per_minute, 0.0):
        yield events, 0


def _events(phases: Sequence[Phase], seed: int | None) -> Iterator[tuple[int, int]]:
    """Good and bad of each minute."""
    random = None if seed is None else np.random.default_rng(seed)
    for phase in phases:
        if random is None:
            drawn = _rounded(phase.minutes, phase.per_minute, phase.failures)
        else:
            events = random.poisson(phase.per_minute, phase.minutes)
            drawn = zip(events.tolist(), random.binomial(events, phase.failures).tolist(), strict=True)
        yield from ((events - bad, bad) for events, bad in drawn)


def _rounded(minutes: int, per_minute: float, failures: float) -> Iterator[tuple[int, int]]:
    """Events and bad ones of each minute, which add up to what they should from the first minute on."""
    events = bad = 0
    for minute in range(1, minutes + 1):
        all_events = int(minute * per_minute + 0.5)
        all_bad = min(int(all_events * failures + 0.5), bad + all_events - events)
        yield all_events - events, all_bad - bad
        events, bad = all_events, all_bad


def _burn(window: Counts, target: float) -> float | None:
    return burn_rate(window.good, window.bad, target=target)


def _budget_left(reading: Reading, *, now: float) -> float | None:
    whole = reading.of(reading.window_seconds)
    elapsed = min(1.0, max(MINUTE, reading.elapsed_seconds(now=now)) / reading.window_seconds)
    return budget(whole.good, whole.bad, target=reading.target, elapsed=elapsed).projected
