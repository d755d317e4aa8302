"""What maibo knows of demand before each second of a replay, and what it makes of it: counts of 10 s buckets that arrived `FRESHNESS_SECONDS` ago at the latest,
minutes that are over, their growth, and forecasts by them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from maibo_slo.engine.forecasting import Asked, forecast, gate_of
from maibo_slo.engine.forecasting.forecaster import REFIT_SECONDS, RETRY_SECONDS
from maibo_slo.engine.forecasting.gate import LEARNED_MINUTES
from maibo_slo.engine.forecasting.series import lead_minutes
from maibo_slo.engine.scaling.demand import BUCKET_SECONDS, LOOK_BACK_SECONDS, DemandEstimator
from maibo_slo.engine.scaling.loop import SETTLED_SECONDS
from maibo_slo.engine.scaling.pool import growth, growth_refusal

if TYPE_CHECKING:
    from benchmarks.autoscaling.world import Setting

    from maibo_slo.engine.forecasting import Gate
    from maibo_slo.engine.scaling.inputs import Demand, Forecast

FRESHNESS_SECONDS: Final = 2
"""From a call's end until it is counted: the SDK's batch of a second and the collector's half, in whole seconds."""


class Foreseen:
    """Of one replay; the same for all that ask, so made once."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.demands = _demands(setting)
        self._minutes = _minutes(setting)
        self._gates: dict[tuple[int, int, float], Gate] = {}
        self._forecasts: dict[tuple[int, int, float], Forecast] = {}
        self._growths: dict[tuple[int, int, float], float | None] = {}

    def history(self, minute: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Calls a second by the minute, up to the begin of this minute of the replay."""
        end = max(0, len(self._minutes) - self.setting.seconds // 60 + minute)
        return self._minutes[max(0, end - LEARNED_MINUTES) : end]

    def forecast(self, now: int, asked: Asked) -> Forecast:
        """The newest, as `Forecaster` makes it each minute: as far ahead, with these levels, by a gate of this hour."""
        minute = math.floor((now - SETTLED_SECONDS) / 60)
        which = (minute, lead_minutes(asked.ahead_seconds), asked.target.forecast.quantile)
        found = self._forecasts.get(which)
        if found is None:
            found = self._forecasts[which] = forecast(
                self.history(minute),
                now=self.setting.begin + 60 * minute,
                lead_seconds=asked.ahead_seconds,
                levels=asked.levels,
                quantile=asked.target.forecast.quantile,
                gate=self._gate(60 * minute, asked),
            )
        return found

    def _gate(self, now: int, asked: Asked) -> Gate:
        """Where nothing could be tried, it is tried again sooner."""
        gate = self._gate_of(now // REFIT_SECONDS * REFIT_SECONDS, asked)
        return gate if gate.scores else self._gate_of(now // RETRY_SECONDS * RETRY_SECONDS, asked)

    def _gate_of(self, at: int, asked: Asked) -> Gate:
        which = (at, lead_minutes(asked.ahead_seconds), asked.target.forecast.quantile)
        found = self._gates.get(which)
        if found is None:
            found = self._gates[which] = gate_of(
                self.history(at // 60),
                now=self.setting.begin + at,
                lead_seconds=asked.ahead_seconds,
                levels=asked.levels,
                quantile=asked.target.forecast.quantile,
            )
        return found

    def growth(self, minute: int, lead_seconds: float, level: float) -> float | None:
        """None: this history is refused."""
        which = (minute, lead_minutes(lead_seconds), level)
        if which not in self._growths:
            history = self.history(minute)
            refused = growth_refusal(history, lead_seconds)
            self._growths[which] = None if refused else growth(history, lead_seconds, level)
        return self._growths[which]


def _demands(setting: Setting) -> list[Demand | None]:
    """Looked at once a second."""
    estimator = DemandEstimator()
    calls = setting.calls.tolist()
    counts: dict[int, int] = {}
    found: list[Demand | None] = []
    begin = int(setting.begin)
    for now in range(setting.seconds):
        arrived = now - FRESHNESS_SECONDS - 1
        if arrived >= 0:
            bucket = (begin + arrived) // BUCKET_SECONDS * BUCKET_SECONDS
            counts[bucket] = counts.get(bucket, 0) + calls[arrived]
            counts.pop(bucket - LOOK_BACK_SECONDS, None)
        found.append(estimator.look(begin + now, counts))
    return found


def _minutes(setting: Setting) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Of the trace before the replay, then what the replay itself counted. NaN where nothing was recorded."""
    trace = setting.trace
    before = trace.by_minute(setting.begin, LEARNED_MINUTES)
    ends = setting.begin - 60 * np.arange(len(before) - 1, -1, -1)
    places = ((ends - 30 - trace.begin) // trace.step_seconds).astype(int)
    before = np.where(trace.known[places], before, np.nan)
    counted = setting.calls[: setting.seconds // 60 * 60].reshape(-1, 60).mean(axis=1)
    return np.concatenate((before, counted))
