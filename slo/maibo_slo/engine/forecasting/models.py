"""Models of growth over a lead time: persistence, trend, and what yesterday and last week did at this time of day.

One mechanism: log growth over the lead is a linear function of what is known now (ridge regression over all minutes of the history), and the
spread around it is empirical: quantiles of what was left over, by level (quarters of the minutes by size) and by recent slope (thirds). No
distribution is assumed. Persistence is the same without any column, and its spread goes by level: what a forecast has to beat.

Fitting two weeks of minutes takes some 10 ms and asking for one forecast less than one, so that a service can do it beside its work, and a
simulation thousands of times. docs/forecasts.md has the figures against libraries of seasonal models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from maibo_slo.engine.forecasting.series import DAY_MINUTES, Logs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

ModelName = Literal["persistence", "trend", "day", "week"]

NEEDS_MINUTES: Final[Mapping[ModelName, int]] = {
    "persistence": 60,
    "trend": 6 * 60,
    "day": 2 * DAY_MINUTES,
    "week": 8 * DAY_MINUTES,
}
"""History that a model must be able to learn from."""
_LEVELS: Final = 4
_SLOPES: Final = 3
_LEAST_IN_BUCKET: Final = 100
"""A spread of fewer minutes is that of the level; of fewer there too, that of all."""
_RIDGE: Final = 1e-5
_WEEK_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model with what it learned. Plain numbers, so that it can be kept as JSON."""

    model: ModelName
    minutes: int
    """Ahead."""
    levels: tuple[float, ...]
    """Of the quantiles, ascending."""
    offset: float
    coefficients: tuple[float, ...]
    level_edges: tuple[float, ...]
    slope_edges: tuple[float, ...]
    spreads: tuple[tuple[float, ...], ...]
    """For each bucket, level by level and in it slope by slope: quantiles of what is left over, in logarithms."""

    @property
    def has_spread(self) -> bool:
        """Whether any was learned; else every level is the last minute."""
        return len(self.spreads) > 1

    def quantiles(self, logs: Logs, at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Rates `minutes` after each of `at`, a column for each of `levels`; ascending, never negative. NaN where `at` is not known."""
        base = logs.values[at]
        centre = base + columns(self.model, logs, at, self.minutes) @ np.array(self.coefficients)
        spread = np.array(self.spreads)[self._buckets(logs, at)]
        # Growth without bound is a fault of extrapolation: e^20 calls are none.
        found = np.exp(np.minimum(centre[:, None] + spread, 700.0)) - logs.offset
        return np.asarray(np.maximum(found, 0.0), dtype=np.float64)

    def _buckets(self, logs: Logs, at: NDArray[np.int64]) -> NDArray[np.int64]:
        level = np.searchsorted(np.array(self.level_edges), logs.values[at], side="right")
        return level * _SLOPES + np.searchsorted(np.array(self.slope_edges), slope(logs, at), side="right")


def fit_model(model: ModelName, logs: Logs, rows: NDArray[np.int64], minutes: int, levels: Sequence[float]) -> Fitted:
    """Learn from these minutes, each of which is known, and what came `minutes` after it too."""
    base = logs.values[rows]
    growth = logs.values[rows + minutes] - base
    known = columns(model, logs, rows, minutes)
    coefficients = _ridge(known, growth)
    left_over = growth - known @ coefficients
    level_edges = np.quantile(base, [(each + 1) / _LEVELS for each in range(_LEVELS - 1)])
    slopes = slope(logs, rows)
    slope_edges = np.quantile(slopes, [(each + 1) / _SLOPES for each in range(_SLOPES - 1)])
    level_of = np.searchsorted(level_edges, base, side="right")
    slope_of = np.searchsorted(slope_edges, slopes, side="right")
    everywhere = np.quantile(left_over, levels)
    spreads: list[tuple[float, ...]] = []
    for level in range(_LEVELS):
        here = left_over[level_of == level]
        of_level = np.quantile(here, levels) if len(here) >= _LEAST_IN_BUCKET else everywhere
        for third in range(_SLOPES):
            there = left_over[(level_of == level) & (slope_of == third)]
            by_slope = model != "persistence" and len(there) >= _LEAST_IN_BUCKET
            spreads.append(tuple(map(float, np.quantile(there, levels) if by_slope else of_level)))
    return Fitted(
        model,
        minutes,
        tuple(levels),
        logs.offset,
        tuple(map(float, coefficients)),
        tuple(map(float, level_edges)),
        tuple(map(float, slope_edges)),
        tuple(spreads),
    )


def columns(model: ModelName, logs: Logs, at: NDArray[np.int64], minutes: int) -> NDArray[np.float64]:
    """What a model goes by, a row for each of `at`."""
    if model == "persistence":
        return np.zeros((len(at), 0))
    parts = [np.ones(len(at)), *_trend(logs, at)]
    if model != "trend":
        parts += _day(logs, at, minutes)
    if model == "week":
        parts += _week(logs, at, minutes)
    return np.nan_to_num(np.stack(parts, axis=1), copy=False)


def slope(logs: Logs, at: NDArray[np.int64]) -> NDArray[np.float64]:
    """Growth of the last minutes, in logarithms: the mean of three against that of the five that ended five minutes ago."""
    return np.nan_to_num(logs.mean(at, 3) - logs.mean(at, 5, back=5))


def _trend(logs: Logs, at: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """Where the last minute is among those before it: how much of it is noise, and whither it goes."""
    now = logs.values[at]
    return [*(logs.mean(at, minutes) - now for minutes in (3, 10, 30, 60)), logs.mean(at, 3, back=3) - now]


def _day(logs: Logs, at: NDArray[np.int64], minutes: int) -> list[NDArray[np.float64]]:
    """How it grew yesterday at this time, and in the mean of three days; how far today is from yesterday."""
    grown = [_grown(logs, at, minutes, days) for days in (1, 2, 3)]
    return [grown[0], _mean(grown), logs.mean(at, 15) - logs.mean(at, 15, back=DAY_MINUTES)]


def _week(logs: Logs, at: NDArray[np.int64], minutes: int) -> list[NDArray[np.float64]]:
    """The same for seven days, and for the day of the week."""
    grown = [_grown(logs, at, minutes, days) for days in range(1, _WEEK_DAYS + 1)]
    week = logs.mean(at, 15, back=_WEEK_DAYS * DAY_MINUTES)
    return [_mean(grown), grown[-1], logs.mean(at, 15) - week]


def _grown(logs: Logs, at: NDArray[np.int64], minutes: int, days: int) -> NDArray[np.float64]:
    """So many days ago, from this time of day to `minutes` later; both smoothed, the longer ahead the more."""
    smooth = max(3, min(minutes, 15))
    back = days * DAY_MINUTES
    return logs.mean(at, smooth, back=back - minutes - smooth // 2) - logs.mean(at, 15, back=back)


def _mean(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Of those that are known; 0 where none is."""
    stacked = np.array(parts)
    known = ~np.isnan(stacked)
    total = np.where(known, stacked, 0.0).sum(axis=0)
    return np.asarray(total / np.maximum(known.sum(axis=0), 1), dtype=np.float64)


def _ridge(known: NDArray[np.float64], growth: NDArray[np.float64]) -> NDArray[np.float64]:
    if not known.shape[1]:
        return np.zeros(0)
    squares = known.T @ known
    squares[np.diag_indices_from(squares)] += _RIDGE * len(known)
    return np.asarray(np.linalg.solve(squares, known.T @ growth), dtype=np.float64)
