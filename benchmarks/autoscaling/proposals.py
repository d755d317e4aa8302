"""What each kind of metric proposes to the HPA: `replica_calculator.go`. Values are integers of thousandths, as there.

A pod that is not measured is neither taken for idle nor for busy: on the way up it counts as idle, on the way down as at its target, and where
that would turn the direction round nothing is done.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Tolerance:
    up: float = 0.1
    down: float = 0.1

    def holds(self, ratio: float) -> bool:
        """Inclusive on both sides. NaN is outside."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


DEFAULT = Tolerance()


@dataclass(frozen=True, slots=True)
class Pod:
    """As the controller sees it."""

    level: int | None = None
    """Of the metric; None: it has none."""
    request: int = 1000
    """Of the resource."""
    phase: Literal["Running", "Pending", "Failed"] = "Running"
    ready: bool = True
    deleting: bool = False
    started_at: float | None = None
    transition_at: float | None = None
    """Of its condition Ready, last."""
    measured_at: float = 0
    window_seconds: float = 60


@dataclass(frozen=True, slots=True)
class Groups:
    """Pods by what is known of them: sums and counts."""

    measured: int
    """Ready, with a metric."""
    usage: int
    requests: int
    unready: int = 0
    unready_requests: int = 0
    missing: int = 0
    missing_requests: int = 0


def group(pods: Sequence[Pod], now: float, *, init_seconds: float = 300, initial_delay_seconds: float = 30) -> Groups:
    """Of a resource metric: what is not ready is not asked of the others."""
    measured = usage = requests = unready = unready_requests = missing = missing_requests = 0
    for pod in pods:
        if pod.deleting or pod.phase == "Failed":
            continue
        if pod.phase == "Pending":
            unready, unready_requests = unready + 1, unready_requests + pod.request
        elif pod.level is None:
            missing, missing_requests = missing + 1, missing_requests + pod.request
        elif _unready(pod, now, init_seconds, initial_delay_seconds):
            unready, unready_requests = unready + 1, unready_requests + pod.request
        else:
            measured, usage, requests = measured + 1, usage + pod.level, requests + pod.request
    return Groups(measured, usage, requests, unready, unready_requests, missing, missing_requests)


def _unready(pod: Pod, now: float, init_seconds: float, initial_delay_seconds: float) -> bool:
    if pod.started_at is None or pod.transition_at is None:
        return True
    if pod.started_at + init_seconds > now:
        return not pod.ready or pod.measured_at < pod.transition_at + pod.window_seconds
    # Later, only what never was ready: such a transition came right after the start.
    return not pod.ready and pod.started_at + initial_delay_seconds > pod.transition_at


def by_utilisation(current: int, groups: Groups, percent: int, tolerance: Tolerance = DEFAULT) -> int | None:
    """Resource metric with ``averageUtilization``. None: no metrics, or no requests."""
    if not groups.measured or not groups.requests:
        return None
    ratio = _utilisation_ratio(groups.usage, groups.requests, percent)
    up_with_unready = groups.unready > 0 and ratio > 1.0
    if not up_with_unready and not groups.missing:
        return current if tolerance.holds(ratio) else math.ceil(ratio * groups.measured)
    usage, requests, count = groups.usage, groups.requests, groups.measured
    if groups.missing:
        if ratio < 1.0:
            usage += groups.missing_requests * max(100, percent) // 100
            requests, count = requests + groups.missing_requests, count + groups.missing
        elif ratio > 1.0:
            requests, count = requests + groups.missing_requests, count + groups.missing
    if up_with_unready:
        requests, count = requests + groups.unready_requests, count + groups.unready
    return _recomputed(current, ratio, _utilisation_ratio(usage, requests, percent), count, tolerance)


def _utilisation_ratio(usage: int, requests: int, percent: int) -> float:
    """Through a whole percentage, by integer division."""
    return float(usage * 100 // requests) / float(percent)


def _recomputed(current: int, before: float, ratio: float, count: int, tolerance: Tolerance) -> int:
    """With what was assumed of the others: nothing is done when that turns it round, or leaves too little."""
    if tolerance.holds(ratio) or (before < 1.0 and ratio > 1.0) or (before > 1.0 and ratio < 1.0):
        return current
    found = math.ceil(ratio * count)
    if (ratio < 1.0 and found > current) or (ratio > 1.0 and found < current):
        return current
    return found


def by_external_average(
    status_replicas: int, values: Sequence[int], target: int, tolerance: Tolerance = DEFAULT
) -> tuple[int, int] | None:
    """External metric with ``averageValue``: (replicas, the value that the status shows). Readiness is not asked. None: no values."""
    if not values:
        return None
    total = sum(values)
    asked = float(target) * float(status_replicas)
    ratio = float(total) / asked if asked else math.inf if total else math.nan
    found = status_replicas if tolerance.holds(ratio) else min(INT32_MAX, math.ceil(float(total) / float(target)))
    return found, math.ceil(float(total) / float(status_replicas)) if status_replicas else 0
