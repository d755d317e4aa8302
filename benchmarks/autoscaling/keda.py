"""KEDA's part: its own loop takes a workload from zero and back to it; all between is the HPA's, which asks KEDA at each sync of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

POLL_SECONDS = 30
"""``pollingInterval``."""
SYNC_SECONDS = 15
"""The HPA controller's ``--horizontal-pod-autoscaler-sync-period``."""
COOLDOWN_SECONDS = 300
"""``cooldownPeriod``, to zero alone."""


@dataclass(slots=True)
class Loop:
    """A ScaledObject's polling loop. `phase_seconds`: when in each period it polls."""

    least: int
    phase_seconds: int = 0
    poll_seconds: int = POLL_SECONDS
    cooldown_seconds: float = COOLDOWN_SECONDS
    last_active: float | None = field(default=None)

    def due(self, now: int) -> bool:
        return now % self.poll_seconds == self.phase_seconds % self.poll_seconds

    def poll(self, now: float, replicas: int, *, active: bool) -> int | None:
        """Replicas to write, or None. An active one at zero gets ``max(1, least)`` at once; 0 comes after the cool-down."""
        if active:
            self.last_active = now
            return max(1, self.least) if replicas == 0 else None
        quiet = self.last_active is None or now - self.last_active >= self.cooldown_seconds
        return 0 if replicas > 0 and self.least == 0 and quiet else None
