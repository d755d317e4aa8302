"""What one decision leaves for the next, and what decisions are bounded by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.inputs import Override

ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Memory:
    """What one decision leaves for the next. Plain values, so that they outlive a restart as JSON."""

    decided_at: float | None = None
    """Unix s; None: nothing was decided yet."""
    held: int | None = None
    """Decided then, but for an override."""
    needs: tuple[tuple[float, float], ...] = ()
    """``(unix s, replicas needed, a fraction)``, falling: those that nothing since has reached. But for surges."""
    corrected: int | None = None
    """Replicas that the correction under way asked for in all."""
    unsettled_at: float = -math.inf
    """When replicas were last asked for or seen not to be ready, unix s: burn rates are believed `SETTLE_SECONDS` later."""
    unready_since: float | None = None
    """Since when fewer are ready than wanted."""
    corrected_burn: float | None = None
    """How fast capacity burnt when the correction last asked for more."""
    futile: int = 0
    """How many times in a row that did not help."""
    surges: tuple[tuple[float, float], ...] = ()
    """As `needs`, of surges whose seconds are not known by whole buckets yet."""
    peaks: tuple[tuple[float, float], ...] = ()
    """When each surge was seen last, and the highest need of it; the oldest first."""


def bounds(target: ScalingTarget, override: Override | None) -> tuple[int, int]:
    """Least and most replicas in force: an override's, where it says so, move the document's out of its way."""
    if override is None:
        return target.least, target.most
    least = target.least if override.least is None else override.least
    most = target.most if override.most is None else override.most
    if override.least is None:
        least = min(least, most)
    return least, max(least, most)


def whole(needed: float) -> int:
    """Up, but for what rounding of floats alone put above a whole number."""
    return max(0, math.ceil(needed - ROUNDING))
