"""The Horizontal Pod Autoscaler's algorithm, as `pkg/controller/podautoscaler` has it: one reconcile is a pure function of state and time.

The order of operations on doubles is kept where it shows: ``100 * (1 + 10 / 100)`` is 110.00000000000001, and 111 once rounded up. Held to the
controller's own table tests, whose numbers are fixtures of ``tests/benchmarks``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Select = Literal["Max", "Min", "Disabled"]
INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Policy:
    """How far replicas may go in a period."""

    kind: Literal["Pods", "Percent"]
    value: int
    period_seconds: float


@dataclass(frozen=True, slots=True)
class Rules:
    """``spec.behavior.scaleUp`` or ``scaleDown``, defaults filled in."""

    policies: tuple[Policy, ...]
    window_seconds: float = 0
    select: Select = "Max"


DEFAULT_UP = Rules((Policy("Pods", 4, 15), Policy("Percent", 100, 15)))
DEFAULT_DOWN = Rules((Policy("Percent", 100, 15),), window_seconds=300)


@dataclass(frozen=True, slots=True)
class Behavior:
    """``spec.behavior``. An HPA without one is normalised the legacy way, and so is KEDA's unless it is given one."""

    up: Rules = DEFAULT_UP
    down: Rules = DEFAULT_DOWN


@dataclass(slots=True)
class ScaleEvent:
    change: int
    at: float
    outdated: bool = False


@dataclass(slots=True)
class Recommendation:
    replicas: int
    at: float


@dataclass(slots=True)
class State:
    """What the controller remembers of one HPA; lost when it restarts."""

    recommendations: list[Recommendation] = field(default_factory=list)
    ups: list[ScaleEvent] = field(default_factory=list)
    downs: list[ScaleEvent] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Spec:
    least: int
    most: int
    behavior: Behavior | None = None
    downscale_seconds: float = 300
    """The controller's ``--horizontal-pod-autoscaler-downscale-stabilization``; the legacy way alone looks at it."""


def reconcile(spec: Spec, state: State, current: int, proposals: Sequence[int | None], now: float) -> int:
    """What ``/scale`` is set to. Each metric proposes; None is a metric that could not be had."""
    if not state.recommendations:
        state.recommendations.append(Recommendation(current, now))
    if current == 0 and spec.least != 0:
        return 0
    # Bounds come first: they pass by metrics, stabilisation and policies.
    if current > spec.most:
        desired = spec.most
    elif current < spec.least:
        desired = spec.least
    else:
        proposed = highest(proposals, current)
        if proposed is None:
            return current
        desired = normalise(spec, state, current, proposed, now)
    if desired != current:
        store_event(spec.behavior, state, current, desired, now)
    return desired


def highest(proposals: Sequence[int | None], current: int) -> int | None:
    """None: hold. On partial data there is no way down."""
    valid = [each for each in proposals if each is not None]
    if not valid:
        return None
    found = max(valid)
    if len(valid) < len(proposals) and found < current:
        return None
    return found


def normalise(spec: Spec, state: State, current: int, desired: int, now: float) -> int:
    if spec.behavior is None:
        stable = stabilise_legacy(state, desired, now, spec.downscale_seconds)
        return limit_legacy(stable, current, spec.least, spec.most)
    stable = stabilise(state, spec.behavior, current, desired, now)
    return limit(spec.behavior, state, current, stable, spec.least, spec.most, now)


def stabilise_legacy(state: State, desired: int, now: float, window_seconds: float) -> int:
    """The highest recommendation of the window. What is remembered is the one before stabilisation."""
    cutoff = now - window_seconds
    fresh = [each.replicas for each in state.recommendations if each.at >= cutoff]
    old = [place for place, each in enumerate(state.recommendations) if each.at < cutoff]
    _remember(state, old, desired, now)
    return max([desired, *fresh])


def limit_legacy(desired: int, current: int, least: int, most: int) -> int:
    """At most twice as many at once, or 4."""
    upper = min(most, int(max(2.0 * current, 4.0)))
    if desired < least:
        return least
    return min(desired, upper)


def stabilise(state: State, behavior: Behavior, current: int, desired: int, now: float) -> int:
    """Up to the lowest of the one window, down to the highest of the other."""
    up_cutoff, down_cutoff = now - behavior.up.window_seconds, now - behavior.down.window_seconds
    up = down = desired
    old = []
    for place, each in enumerate(state.recommendations):
        if each.at > up_cutoff:
            up = min(up, each.replicas)
        if each.at > down_cutoff:
            down = max(down, each.replicas)
        if each.at < up_cutoff and each.at < down_cutoff:
            old.append(place)
    _remember(state, old, desired, now)
    return min(max(current, up), down)


def _remember(state: State, old: list[int], desired: int, now: float) -> None:
    if old:
        state.recommendations[old[-1]] = Recommendation(desired, now)
    else:
        state.recommendations.append(Recommendation(desired, now))


def limit(behavior: Behavior, state: State, current: int, desired: int, least: int, most: int, now: float) -> int:
    """What policies and bounds leave of a stabilised wish."""
    if desired > current:
        return min(desired, most, max(current, up_limit(behavior.up, state, current, now)))
    if desired < current:
        return max(desired, least, min(current, down_limit(behavior.down, state, current, now)))
    return desired


def up_limit(rules: Rules, state: State, current: int, now: float) -> int:
    if rules.select == "Disabled":
        return current
    proposed = [
        start + each.value if each.kind == "Pods" else math.ceil(float(start) * (1 + float(each.value) / 100))
        for each, start in _starts(rules, state, current, now)
    ]
    return min(proposed) if rules.select == "Min" else max(proposed)


def down_limit(rules: Rules, state: State, current: int, now: float) -> int:
    """Truncated, not rounded: int32() of a double."""
    if rules.select == "Disabled":
        return current
    proposed = [
        start - each.value if each.kind == "Pods" else int(float(start) * (1 - float(each.value) / 100))
        for each, start in _starts(rules, state, current, now)
    ]
    return max(proposed) if rules.select == "Min" else min(proposed)


def _starts(rules: Rules, state: State, current: int, now: float) -> list[tuple[Policy, int]]:
    """Replicas that there were when each policy's period began."""
    return [
        (each, current - change(state.ups, each.period_seconds, now) + change(state.downs, each.period_seconds, now))
        for each in rules.policies
    ]


def change(events: Sequence[ScaleEvent], period_seconds: float, now: float) -> int:
    """Replicas added, or removed, in the last period."""
    return sum(each.change for each in events if each.at > now - period_seconds)


def store_event(behavior: Behavior | None, state: State, before: int, after: int, now: float) -> None:
    """Only with a behavior. An event older than the longest period gives its place to the new one."""
    if behavior is None:
        return
    rules, events = (behavior.up, state.ups) if after > before else (behavior.down, state.downs)
    cutoff = now - max((each.period_seconds for each in rules.policies), default=0)
    place = None
    for index, each in enumerate(events):
        if each.at < cutoff:
            each.outdated = True
            place = index
    event = ScaleEvent(abs(after - before), now)
    if place is None:
        events.append(event)
    else:
        events[place] = event
