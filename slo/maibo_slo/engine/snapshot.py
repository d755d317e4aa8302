"""What the engine knew at its last tick: counts in memory, judged when somebody asks."""

from __future__ import annotations

from dataclasses import dataclass

from maibo_slo.engine.state import Assessment, Observed, assess


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One tick's outcome. Faces answer from it in microseconds; nothing here reads the store."""

    evaluated_at: float | None = None
    """When the tick read the ledger, unix s; None before the first."""
    duration_seconds: float | None = None
    pending_minutes: int = 0
    """Minutes still to be recounted, after a start or a changed document."""
    observed: tuple[Observed, ...] = ()

    def assess(self, *, now: float) -> tuple[Assessment, ...]:
        """Every objective, judged at `now`."""
        return tuple(assess(one, now=now, evaluated_at=self.evaluated_at) for one in self.observed)
