"""Replays what happened, minute by minute, through the evaluator that pages in earnest, with its states.

It looks at the end of each minute, where the live one looks every few seconds: an alert may be told up to a minute later here.

A minute in which nothing is pending or firing, no short window burns above its factor and no silence is news changes no state: it is not
stepped through, which makes four weeks a matter of a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from maibo_alerting.evaluating.reading import Reading
from maibo_alerting.evaluating.state import BURN
from maibo_alerting.evaluating.step import NO_DATA_AFTER_SECONDS, step
from maibo_alerting.pairs import pairs
from maibo_slo.engine.budget import budget, error_budget
from maibo_slo.engine.burn import BURN_WINDOWS, Counts
from maibo_slo.reporting.quality import Sums
from maibo_slo.store.past import Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from maibo_alerting.evaluating.state import States
    from maibo_alerting.pairs import Pair
    from maibo_slo.service.history import CountsAnswer

MINUTE: Final = 60
DAY: Final = 86_400
SLICE_PARTS: Final = 1_000_000
"""What the ledger has for a slice of the method RatioTimeslices."""
_ABOVE: Final = 1 + 1e-9
_SEVERITIES: Final = ("page", "ticket")


@dataclass(frozen=True, slots=True)
class Past:
    """What happened: minutes with data, oldest first."""

    t: NDArray[np.int64]
    good: NDArray[np.int64]
    bad: NDArray[np.int64]
    slice_seconds: int = 0
    in_parts: bool = False
    """Counts are millionths of slices."""
    periods: tuple[int, ...] = ()
    """Begins of the calendar's windows, and the end of the last; () where they roll."""

    def told(self, counts: NDArray[np.int64]) -> float:
        """Their sum, in what people are told: events or slices."""
        return int(counts.sum()) / SLICE_PARTS if self.in_parts else int(counts.sum())


@dataclass(frozen=True, slots=True)
class Alarm:
    """A page or ticket; unix s."""

    severity: str
    begin: int
    end: int | None
    """None: it fires still."""
    burn_began: int | None
    """The first minute of what it is about."""
    budget_spent: float
    """From then to its end, of a whole window's budget."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one replay, over [begin, end)."""

    target: float
    window_seconds: int
    rolls: bool
    """Its window; else a calendar's, of which the length is nominal."""
    begin: int
    end: int
    good: float
    bad: float
    """Of the range; what the SLO counts: events, or slices, which may be good in part."""
    budget_left: float | None
    """Of the SLO's window that ends with the range, over what was observed."""
    projected: float | None
    alarms: tuple[Alarm, ...]
    days: tuple[tuple[int, float | None], ...]
    """UTC day -> what went on it of a whole window's budget; None without data."""

    @property
    def worst_day(self) -> tuple[int, float] | None:
        known = [(day, share) for day, share in self.days if share]
        return max(known, key=lambda each: each[1], default=None)

    def count(self, severity: str) -> int:
        return sum(alarm.severity == severity for alarm in self.alarms)


class _Window(NamedTuple):
    """Sums at the end of each minute. Of slices, good in part."""

    good: NDArray[np.int64] | NDArray[np.float64]
    bad: NDArray[np.int64] | NDArray[np.float64]
    observed: NDArray[np.int64]


def backtest(past: Past, *, target: float, window_seconds: int, begin: int, end: int) -> Outcome:
    """Replay [begin, end), whole minutes. What `past` holds of the time before is history: windows reach into it. No data is no data."""
    judged = pairs(window_seconds, target=target)
    clock = _Clock(past, judged, target=target, window_seconds=window_seconds, begin=begin, end=end)
    states: States = {}
    firing: dict[str, list[tuple[int, int | None]]] = {severity: [] for severity in _SEVERITIES}
    for index in range(len(clock.ends)):
        if not states and not clock.is_news[index]:
            continue
        now = int(clock.ends[index])
        told = step(states, [clock.reading(index)], now=now)
        states = told.states
        for change in told.changes:
            if change.key.name != BURN:
                continue
            spans = firing[change.key.severity]
            if change.after == "firing":
                # One that is reached again soon after it was over is the same one.
                first = spans.pop()[0] if change.before == "resolved" and spans else now
                spans.append((first, None))
            elif change.before == "firing":
                spans[-1] = (spans[-1][0], now)
    return _outcome(past, clock, firing)


def past_of(told: CountsAnswer) -> Past:
    """From the service's answer."""
    return Past(
        np.array(told.t, dtype=np.int64),
        np.array(told.good, dtype=np.int64),
        np.array(told.bad, dtype=np.int64),
        slice_seconds=told.slice_seconds,
        in_parts=told.method == "RatioTimeslices",
        periods=tuple(told.periods),
    )


class _Clock:
    """The end of each minute, and every window's sums there."""

    def __init__(
        self, past: Past, judged: tuple[Pair, ...], *, target: float, window_seconds: int, begin: int, end: int
    ) -> None:
        self.past, self.pairs, self.target, self.window_seconds = past, judged, target, window_seconds
        self.begin, self.end = begin, end
        self._zero = min(begin, int(past.t[0]) if len(past.t) else begin)
        dense = np.zeros((3, (end - self._zero) // MINUTE), dtype=np.int64)
        inside = past.t < end
        at = (past.t[inside] - self._zero) // MINUTE
        dense[0, at], dense[1, at] = past.good[inside], past.bad[inside]
        dense[2] = dense[0] + dense[1] > 0
        self._sums = np.concatenate((np.zeros((3, 1), np.int64), np.cumsum(dense, axis=1)), axis=1)
        newest = np.maximum.accumulate(np.where(dense[2] > 0, np.arange(dense.shape[1]), -1))
        self.ends = np.arange(begin, end, MINUTE) + MINUTE
        self._last = (self.ends - self._zero) // MINUTE
        self._newest = newest[self._last - 1]
        self._first = int(np.argmax(dense[2])) if dense[2].any() else None
        lengths = {*BURN_WINDOWS.values(), *(pair.long_seconds for pair in judged), *(p.short_seconds for p in judged)}
        self.windows = {seconds: self._between(self._last - seconds // MINUTE) for seconds in sorted(lengths)}
        self._begins = self._periods()
        self.own = self._between((self._begins - self._zero) // MINUTE)
        self.is_news = self._news()

    def reading(self, index: int) -> Reading:
        newest = int(self._newest[index])
        has_data = bool(self.own.observed[index]) or any(one.observed[index] for one in self.windows.values())
        first = self._first is not None and self._first < self._last[index]
        return Reading(
            slo="",
            objective="",
            target=self.target,
            window_seconds=self.window_seconds,
            own=self.at(self.own, index),
            begin=int(self._begins[index]) if self.past.periods else None,
            grain_seconds=self.past.slice_seconds or MINUTE,
            in_slices=bool(self.past.slice_seconds),
            pairs=self.pairs,
            counts={seconds: self.at(one, index) for seconds, one in self.windows.items()},
            first_t=self._zero + self._first * MINUTE if first and self._first is not None else None,
            last_t=self._zero + newest * MINUTE if has_data and newest >= 0 else None,
        )

    def at(self, window: _Window, index: int) -> Counts:
        good, bad, observed = (each[index].item() for each in window)
        return Counts(good, bad, observed)

    def elapsed(self) -> float:
        """How much of the SLO's window there is at the end: since its first minute with data."""
        last = self.reading(len(self.ends) - 1)
        if last.begin is None or last.first_t is None:
            return last.passed_seconds(now=self.end) / self.window_seconds
        begin, end = max(last.begin, last.first_t), self.past.periods[-1]
        return min(1.0, max(MINUTE, self.end - begin) / max(MINUTE, end - begin))

    def _between(self, first: NDArray[np.int64]) -> _Window:
        good, bad, observed = self._sums[:, self._last] - self._sums[:, np.maximum(first, 0)]
        if self.past.in_parts:
            return _Window(good / SLICE_PARTS, bad / SLICE_PARTS, observed)
        return _Window(good, bad, observed)

    def _periods(self) -> NDArray[np.int64]:
        """Begin of the SLO's own window, at each minute's end."""
        if not self.past.periods:
            return self.ends - self.window_seconds
        begins = np.array(self.past.periods[:-1], dtype=np.int64)
        # The last minute of a period is of that one, though it ends when the next begins.
        return begins[np.maximum(0, np.searchsorted(begins, self.ends, side="left") - 1)]

    def _news(self) -> NDArray[np.bool_]:
        """Whether a step without any states would make one."""
        silent = (self._last - 1 - self._newest) * MINUTE
        news: NDArray[np.bool_] = (self._newest < 0) | (silent > NO_DATA_AFTER_SECONDS) | (self.own.observed == 0)
        for pair in self.pairs:
            short = self.windows[pair.short_seconds]
            news |= short.bad > pair.factor * error_budget(self.target) * (short.good + short.bad) * _ABOVE
        return news


def _outcome(past: Past, clock: _Clock, firing: dict[str, list[tuple[int, int | None]]]) -> Outcome:
    target, begin, end = clock.target, clock.begin, clock.end
    own = clock.own
    good, bad, elapsed = own.good[-1].item(), own.bad[-1].item(), clock.elapsed()
    judged = budget(good, bad, target=target, elapsed=elapsed)
    sums = Sums(Series(past.t, past.good, past.bad), target=target, slice_seconds=past.slice_seconds)
    whole = error_budget(target) * (good + bad) / elapsed * (SLICE_PARTS if past.in_parts else 1)
    alarms = []
    for severity, spans in firing.items():
        over = begin
        for first, last in spans:
            began = sums.began(first, not_before=over)
            over = end if last is None else last
            cost = sums.bad(first if began is None else began, over) / whole if whole else 0.0
            alarms.append(Alarm(severity, first, last, began, cost))
    within = (past.t >= begin) & (past.t < end)
    days = past.t[within] // DAY * DAY
    spent_on = dict(zip(*_by_day(days, past.bad[within]), strict=True))
    every = range(begin // DAY * DAY, end, DAY)
    return Outcome(
        target=target,
        window_seconds=clock.window_seconds,
        rolls=not past.periods,
        begin=begin,
        end=end,
        good=past.told(past.good[within]),
        bad=past.told(past.bad[within]),
        budget_left=judged.remaining,
        projected=judged.projected,
        alarms=tuple(sorted(alarms, key=lambda alarm: (alarm.begin, alarm.severity))),
        days=tuple((day, spent_on[day] / whole if day in spent_on and whole else None) for day in every),
    )


def _by_day(days: NDArray[np.int64], bad: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    at, begins = np.unique(days, return_index=True)
    return at.tolist(), (np.add.reduceat(bad, begins).tolist() if len(at) else [])
