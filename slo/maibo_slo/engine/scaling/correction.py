"""The correction: more replicas than run, while SLOs burn for want of capacity; with credit for those on their way.

The other wishes say how many are needed in all, this one how many more. So it must not ask anew for what is coming: while pods that were asked for are
not ready, and for `SETTLE_SECONDS` after, latency that is still bad asks for no more. And where more did not help, it was not for want of them: each time
it asks for half as many, and waits twice as long. So a burn that no replica mends makes five times as many at the most, not as many as there may be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_slo.engine.scaling.inputs import Wish
from maibo_slo.engine.scaling.remembered import Memory, bounds, whole

if TYPE_CHECKING:
    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.inputs import BurnSplit, Inputs, Replicas

SETTLE_SECONDS: Final = 120.0
"""After a correction's pods are ready: burn rates of the last minutes still hold what was before."""
STUCK_SECONDS: Final = 600.0
"""Pods that are not ready for longer are not on their way."""
BURN_ACTS: Final = 1.0
"""A correction begins where capacity burns the budget faster than it lasts, ..."""
BURN_ENDS: Final = 0.5
"""... and ends below this."""
STEP_PER_BURN: Final = 0.1
"""Replicas added for each 1 of the burn rate, as a share of those that run; at most as many as run."""
HELPED: Final = 0.9
"""More replicas helped where the burn rate then is at most this share of what it was."""
MOST_FUTILE: Final = 5
"""Halvings and doublings: then one in thirty-two every hour."""


class Correction(NamedTuple):
    wish: Wish
    asked: int | None
    """What is remembered of it."""
    untold: int = 0
    """What it would have asked for, were no pods on their way."""
    burn: float | None = None
    """Remembered with it."""
    futile: int = 0


def correction(target: ScalingTarget, inputs: Inputs, memory: Memory) -> Correction:
    """More replicas, while SLOs burn for want of capacity."""
    if not inputs.splits:
        return Correction(Wish("correction", None, "no SLO's burn was looked at"), None)
    worst = max(inputs.splits, key=lambda split: split.by_capacity)
    before, burn = memory.corrected, worst.by_capacity
    figures = {"burn": worst.burn, "by_version": worst.by_version}
    if worst.load_known:
        figures["by_capacity"] = burn
    if burn < (BURN_ACTS if before is None else BURN_ENDS):
        return Correction(Wish("correction", None, _no_correction(worst), figures), None)
    most = max(bounds(target, inputs.override)[1], target.most)
    running = _running(inputs.replicas, memory)
    was = memory.corrected_burn
    futile = min(memory.futile + 1, MOST_FUTILE) if was is not None and burn > HELPED * was else 0
    more = max(1, whole(running * min(1.0, STEP_PER_BURN * burn) / 2**futile))
    asked = min(max(running + more, before or 0), most)
    why = f"{worst.slo} burns {burn:.1f} for want of capacity"
    if inputs.now - memory.unsettled_at < SETTLE_SECONDS * 2**memory.futile:
        kept = running if before is None else max(before, running)
        why += ", and replicas that were asked for are on their way or have just come"
        return Correction(Wish("correction", min(kept, most), why, figures), before, asked, was, memory.futile)
    if before is not None and burn < BURN_ACTS:
        why += ": it lasts, but not so well that replicas could be taken back"
        return Correction(Wish("correction", min(before, most), why, figures), before, 0, was, memory.futile)
    why += f": {more} more than the {running} that run"
    if futile:
        why += f", half as many as before, since that did not help ({futile} times)"
    return Correction(Wish("correction", asked, why, figures), asked, 0, burn, futile)


def _no_correction(worst: BurnSplit) -> str:
    if worst.burn < BURN_ACTS:
        return f"{worst.slo} burns {worst.burn:.1f}: it lasts"
    if not worst.load_known:
        return f"{worst.slo} burns {worst.burn:.1f}, and what of it comes of load is not known: {worst.why}"
    return f"{worst.slo} burns {worst.burn:.1f}, {worst.by_capacity:.1f} of it for want of capacity: {worst.why}"


def unsettled(inputs: Inputs, memory: Memory) -> Memory:
    """With what the newest look at pods tells of those on their way."""
    replicas = inputs.replicas
    if replicas is None or replicas.ready >= replicas.wanted:
        return replace(memory, unready_since=None)
    since = inputs.now if memory.unready_since is None else memory.unready_since
    if inputs.now - since > STUCK_SECONDS:
        return replace(memory, unready_since=since)
    return replace(memory, unready_since=since, unsettled_at=inputs.now)


def _running(replicas: Replicas | None, memory: Memory) -> int:
    return (memory.held or 1) if replicas is None else max(replicas.wanted, memory.held or 0)
