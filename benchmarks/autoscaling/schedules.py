"""Strategies that know a number for each moment beforehand: a static peak, a cron, yesterday, and an oracle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.autoscaling import hpa, keda, proposals
from benchmarks.autoscaling.traces import DAY
from benchmarks.autoscaling.world import Act, Setting, Unsuited, World

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Counts = NDArray[np.int64]

UTILISATION = 0.65
HOUR, WEEK = 3_600, 7 * DAY
AHEAD_SECONDS = 600
"""A cron's hour begins so much earlier."""
NAIVE_AHEAD_SECONDS = 300
ORACLE_AHEAD_SECONDS = 190
"""P99 of a start-up that needs a node."""


@dataclass(slots=True)
class Scheduled:
    """Written as it is due."""

    replicas: Counts
    """In each second."""

    def act(self, world: World) -> Act | None:
        found = int(self.replicas[min(world.now, len(self.replicas) - 1)])
        return Act(found) if found != world.wanted else None


@dataclass(slots=True)
class ThroughHpa:
    """As KEDA's cron trigger does it: the number is a metric, so it waits for the HPA's sync and falls with its stabilisation."""

    setting: Setting
    replicas: Counts
    state: hpa.State = field(default_factory=hpa.State)

    def act(self, world: World) -> Act | None:
        if (world.now + self.setting.seed) % keda.SYNC_SECONDS:
            return None
        value = int(self.replicas[min(world.now, len(self.replicas) - 1)])
        found = proposals.by_external_average(world.wanted, [value * 1000], 1000)
        spec = hpa.Spec(self.setting.least, self.setting.most)
        return Act(hpa.reconcile(spec, self.state, world.wanted, [found and found[0]], world.now))


def static_peak(setting: Setting) -> Scheduled:
    """What the highest minute of this replay needs, all the time: nobody knows it beforehand."""
    minutes = setting.expected[: len(setting.expected) // 60 * 60].reshape(-1, 60).mean(axis=1)
    peak = float(minutes.max())
    return Scheduled(np.full(setting.seconds, int(np.ceil(peak / (setting.per_replica * UTILISATION)))))


def cron(setting: Setting) -> ThroughHpa:
    """For each hour what its highest minute needed a week before."""
    past = _earlier(setting, WEEK)
    hours = _blocks(past, setting.begin, HOUR)
    return ThroughHpa(setting, _replicas(setting, _ahead(hours, AHEAD_SECONDS), UTILISATION))


def day_naive(setting: Setting) -> ThroughHpa:
    """What was needed at this time yesterday, and in the minutes after it."""
    return ThroughHpa(setting, _replicas(setting, _ahead(_earlier(setting, DAY), NAIVE_AHEAD_SECONDS), UTILISATION))


def oracle(setting: Setting) -> Scheduled:
    """Knows what comes, and how long a start-up takes: the fewest replicas that hold the SLO."""
    return Scheduled(_replicas(setting, _ahead(setting.expected, ORACLE_AHEAD_SECONDS), setting.safe_load))


def _earlier(setting: Setting, seconds: int) -> Vector:
    """The same time, earlier by so much."""
    begin = setting.begin - seconds
    if begin < setting.trace.begin:
        raise Unsuited(f"the trace does not reach back {seconds // DAY} d")
    return setting.trace.by_second(begin, begin + setting.seconds)


def _replicas(setting: Setting, rates: Vector, utilisation: float) -> Counts:
    needed = np.ceil(rates / (setting.per_replica * utilisation)).astype(np.int64)
    return np.clip(needed, setting.least, setting.most)


def _ahead(rates: Vector, seconds: int) -> Vector:
    """The highest from each second on, for so long."""
    padded = np.concatenate((rates, np.full(seconds, rates[-1])))
    return _windows(padded, seconds + 1)[: len(rates)]


def _windows(values: Vector, length: int) -> Vector:
    """Highest of each run of so many, by doubling."""
    found, reach = values, 1
    while reach < length:
        step = min(reach, length - reach)
        found, reach = np.maximum(found[: len(found) - step], found[step:]), reach + step
    return found


def _blocks(rates: Vector, begin: float, seconds: int) -> Vector:
    """The highest of each block of the clock."""
    block = (np.arange(len(rates)) + begin) // seconds
    block = (block - block[0]).astype(int)
    highest = np.zeros(block[-1] + 1)
    np.maximum.at(highest, block, rates)
    return np.asarray(highest[block])
