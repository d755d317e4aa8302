"""The signal: what every face answers, from memory alone; and its refusal when it is stale.

A stale or unknown signal is an error on every face, never 0 and never the old value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.engine.scaling.inputs import Decision, Inputs, Override
    from maibo_slo.store.workload import Workload


class NoSignal(MaiboError):  # noqa: N818 -- the name says what is so
    """There is nothing to act upon; the text says why: ``signal shop/checkout-api is stale: its newest counts are 94 s old, over 60 s``."""


class UnknownTarget(NoSignal):
    """No ScalingTarget of that name and namespace is in force; the text names near ones."""


@dataclass(frozen=True, slots=True)
class ScalingSignal:
    """What is wished for one target."""

    target: str
    """Name of the ScalingTarget's document."""
    workload: Workload
    desired_replicas: int
    lower: int
    upper: int
    least: int
    most: int
    """The bounds in force, an override's among them."""
    reason: str
    observed_at: float
    """The end of the newest events that it follows, unix s."""
    decided_at: float
    """Of the tick that it is from."""
    max_age_seconds: float
    decision: Decision
    inputs: Inputs
    override: Override | None = None

    def age_seconds(self, now: float) -> float:
        """Since what it follows."""
        return max(0.0, now - self.observed_at)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a target has no signal at all: never any demand seen, capacity not known."""

    target: str
    workload: Workload
    why: str
    inputs: Inputs | None = None
    """What was known all the same: its pods, an override."""
    observed_at: float | None = None
    """The end of the newest events that were ever followed, unix s; None: there were none since the start."""
    least: int | None = None
    most: int | None = None
    """The bounds in force, an override's among them; None: not known."""
    heard: tuple[str, ...] = ()
    """Services that calls or ends were counted of lately, be they its own or not."""

    def age_seconds(self, now: float) -> float | None:
        """Since what was followed."""
        return None if self.observed_at is None else max(0.0, now - self.observed_at)


@dataclass(frozen=True, slots=True)
class Signals:
    """All targets' signals of one tick. Replaced as a whole; faces read whichever there is."""

    decided_at: float | None
    """Unix s; None before the first tick."""
    by_target: Mapping[tuple[str, str], ScalingSignal | Refusal]
    """By (namespace of the workload, name of the ScalingTarget)."""

    def get(self, namespace: str, target: str, *, now: float) -> ScalingSignal:
        """The signal, fit to be acted upon. Raises UnknownTarget, NoSignal."""
        found = self.by_target.get((namespace, target))
        if found is None:
            known = ", ".join(f"{space}/{name}" for space, name in sorted(self.by_target)) or "none"
            raise UnknownTarget(f"no ScalingTarget {target!r} in namespace {namespace!r}; there are: {known}")
        if isinstance(found, Refusal):
            raise NoSignal(f"no signal {namespace}/{target}: {found.why}")
        age = found.age_seconds(now)
        if age > found.max_age_seconds:
            raise NoSignal(
                f"signal {namespace}/{target} is stale: what it follows is {age:.0f} s old, over {found.max_age_seconds:.0f} s"
            )
        return found
