"""Whether to raise a workload's replicas now, and to how many: pure.

The HPA that reads the same signal would come to the same number some seconds later, and keeps what it finds; so a write can only be early, never
contrary. What could make it contrary makes the lane idle: a stale signal, an override, a rollout that is being taken back, and somebody who takes back
what was written (`Held`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maibo_slo.documents.scaling_kinds import FastLaneSpec
    from maibo_slo.engine.scaling.signal import ScalingSignal

LOST_SECONDS: Final = 300.0
MOST_LOST_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Running:
    """A workload as the cluster has it now."""

    replicas: int
    """``spec.replicas``."""
    taken_back: str = ""
    """Why a rollout of it is being aborted or stuck; '' it is not."""
    version: str = ""
    """Of the object: what is written on it holds for no other."""

    @classmethod
    def of(cls, workload: Mapping[str, Any]) -> Running:
        """A Deployment, StatefulSet or Rollout as JSON. ValueError when it says no number of replicas."""
        spec, status = workload.get("spec") or {}, workload.get("status") or {}
        replicas = spec.get("replicas", 1)
        if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
            raise ValueError(f"spec.replicas is {replicas!r}")
        return cls(replicas, _taken_back(status), str((workload.get("metadata") or {}).get("resourceVersion") or ""))


@dataclass(frozen=True, slots=True)
class Raised:
    """By one write."""

    at: float
    added: int
    """Replicas."""


@dataclass(slots=True)
class Held:
    """Whether what was written stays. An HPA with a lower ``maxReplicas``, or with another metric, and a person at ``kubectl scale`` have the last word: the
    lane does not write against them again and again, but waits, each time longer.
    """

    at: float = 0.0
    """Of the last write, s."""
    replicas: int | None = None
    """As many at least should run since: what was written, or less, had the signal wished for less meanwhile. None: nothing was written."""
    lost: int = 0
    """So many writes in a row were taken back."""

    def wrote(self, replicas: int, now: float) -> None:
        """A write that counts from now on."""
        self.at, self.replicas = now, replicas

    def wished(self, desired: int) -> None:
        """To be told each signal: who lowers to what it says takes nothing back."""
        if self.replicas is not None:
            self.replicas = min(self.replicas, desired)

    def pause(self, running: int, now: float) -> float:
        """Seconds to wait, since fewer run than should; else 0."""
        if self.replicas is None:
            return 0.0
        if running >= self.replicas:
            if now - self.at > LOST_SECONDS:
                self.lost = 0
            return 0.0
        self.lost += 1
        self.replicas = None
        return min(LOST_SECONDS * 2.0 ** min(self.lost - 1, 10), MOST_LOST_SECONDS)


@dataclass(frozen=True, slots=True)
class Step:
    """What to do: `after` replicas, or none, and why not."""

    after: int | None
    why: str


def step(
    signal: ScalingSignal, spec: FastLaneSpec, running: Running, *, raised: Iterable[Raised] = (), now: float
) -> Step:
    """Upwards by `spec.step` at least, and by `spec.most` at most in any `spec.every_seconds`: what writes of that time, `raised`, have left of it.

    So a write upon a first guess uses up only what it added, and the next may follow as soon as more is known.
    """
    used = sum(each.added for each in raised if now - each.at < spec.every_seconds)
    left = spec.most - used
    after = min(signal.desired_replicas, signal.most, running.replicas + left)
    why = ""
    if running.replicas == 0:
        why = "no replica runs: to wake it is the scaler's, which would otherwise think it asleep"
    elif min(signal.desired_replicas, signal.most) - running.replicas < max(1, spec.step):
        why = (
            f"{running.replicas} run, {signal.desired_replicas} are wished for, and the target's most are {signal.most}"
        )
    elif running.taken_back:
        why = f"a rollout is being taken back: {running.taken_back}"
    elif after - running.replicas < max(1, spec.step):
        why = f"{used} were added in the last {spec.every_seconds} s, of {spec.most} at most"
    return Step(None, why) if why else Step(after, signal.reason)


def _taken_back(status: Mapping[str, Any]) -> str:
    """Argo says so; a Deployment says when it does not get on."""
    if status.get("abort") is True:
        return "the Rollout is aborted"
    for condition in status.get("conditions") or ():
        if isinstance(condition, dict) and condition.get("reason") == "ProgressDeadlineExceeded":
            return str(condition.get("message") or "it does not progress")
    return ""
