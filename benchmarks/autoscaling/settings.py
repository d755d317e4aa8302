"""A stretch of a trace as one replay's setting: scaled, second by second, with the arrivals that all strategies share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from benchmarks.autoscaling.replay import BEGIN_UTILISATION, WARM_UP_SECONDS
from benchmarks.autoscaling.world import Setting

if TYPE_CHECKING:
    from benchmarks.autoscaling.service import Law, Service
    from benchmarks.autoscaling.traces import Trace, Window

MISSED_BUDGET: Final = 0.005
"""The SLO: 99.5 % within the threshold. What a replica carries while that holds is its safe load."""
MEAN_PODS: Final = 20
LEAST: Final = 2


def mean_rate(service: Service, pods: float = MEAN_PODS) -> float:
    """What so many pods carry at 65 %: traces are scaled to it."""
    return pods * BEGIN_UTILISATION * service.per_second


def setting_of(trace: Trace, window: Window, law: Law, *, seed: int) -> Setting:
    """Of a scaled trace. `most` is out of the way: half as much again as its highest step needs."""
    begin = max(trace.begin, math.ceil((window.begin - WARM_UP_SECONDS) / 60) * 60)
    expected = trace.by_second(begin, window.end)
    if begin > window.begin - WARM_UP_SECONDS:
        # A trace has nothing before its first minute: warming up is at the rate that it begins with.
        short = round(begin - (window.begin - WARM_UP_SECONDS))
        expected = np.concatenate((np.full(short, expected[:60].mean()), expected))
        begin -= short
    random = np.random.default_rng([seed, 3, round(window.begin)])
    most = math.ceil(1.5 * float(trace.rates.max()) / (BEGIN_UTILISATION * law.service.per_second))
    return Setting(
        trace=trace,
        begin=begin,
        expected=expected,
        calls=random.poisson(expected),
        law=law,
        safe_load=law.highest_load(MISSED_BUDGET),
        least=LEAST,
        most=most,
        seed=seed,
    )
