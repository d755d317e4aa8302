"""What the engine knew at its last tick: counts in memory, judged when somebody asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.engine.state import Assessment, Observed, assess

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One tick's outcome. Faces answer from it in microseconds; nothing here reads the store."""

    evaluated_at: float | None = None
    """When the tick read the ledger, unix s; None before the first."""
    duration_seconds: float | None = None
    pending_minutes: int = 0
    """Minutes still to be recounted, after a start or a changed document."""
    observed: tuple[Observed, ...] = ()

    def assess(self, *, now: float, slos: Collection[str] | None = None) -> tuple[Assessment, ...]:
        """Every objective, or those of these SLOs alone, judged at `now`."""
        wanted = (one for one in self.observed if slos is None or one.slo.name in slos)
        return tuple(assess(one, now=now, evaluated_at=self.evaluated_at) for one in wanted)
