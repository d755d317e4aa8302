"""One decision: how many replicas a workload should have, from what is known of it at one moment, and from what was decided before.

Pure: no clock, no store, so that a simulation decides exactly as the service does.

1. Wishes. `reactive`: demand now over what a replica is planned to carry (its capacity times `utilisation`). `feed_forward`: the same of the demand
   that starts of journeys bring. `predictive`: the same of a quantile of the forecast. `correction`: more than run, because SLOs burn for want of
   capacity. The highest counts.
2. Warm-up credit, for the correction alone: the others say how many are needed in all, it says how many more. While pods that were asked for are not
   ready, and for `SETTLE_SECONDS` after, latency that is still bad asks for no more.
3. Dead band: no change while what is needed is within it, unless fewer pods would be kept than demand needs at the whole of their capacity, or a
   surge needs one more where the band is smaller than one replica.
4. Scale-down: never below the highest need of the last `scale_down_seconds` (see `needs`). Where nothing was decided for long, what was held counts as
   needed.
5. Bounds, and last an override's bounds, which win over the document's.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from maibo_slo.engine.scaling import needs, poisson, wording
from maibo_slo.engine.scaling.correction import correction, unsettled
from maibo_slo.engine.scaling.inputs import Decision, HeldBy, Wish, WishKind
from maibo_slo.engine.scaling.remembered import ROUNDING, Memory, bounds, whole
from maibo_slo.engine.scaling.signal import NoSignal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.inputs import Capacity, Demand, Inputs, Override

__all__ = ["GAP_SECONDS", "Memory", "bounds", "decide"]

GAP_SECONDS: Final = 120.0
"""Longer without a decision: nobody knows how high the need was meanwhile, so it counts as what was held."""
MOST_FED: Final = 5.0
"""Times the calls that are counted; of a crowd that is larger yet, the rest is counted in seconds."""
INTERVAL_Z: Final = 1.645
"""`lower` and `upper` hold nine tenths of what demand may be."""


def decide(target: ScalingTarget, inputs: Inputs, memory: Memory) -> tuple[Decision, Memory]:
    """How many replicas there should be now, and what to remember for the next decision.

    An override whose bounds leave one number alone is a decision whatever is known; else raises NoSignal where demand or capacity is not known, with the
    reason. Keep the former memory then.
    """
    least, most = bounds(target, inputs.override)
    demand, capacity = inputs.demand, inputs.capacity
    if demand is None or capacity is None or capacity.per_replica <= 0:
        if inputs.override is None or least != most:
            raise NoSignal("its demand is not known" if demand is None else "the capacity of a replica is not known")
        return _fixed(least, inputs.override), memory
    memory = unsettled(inputs, _seeded(target, inputs, memory))
    corrected = correction(target, inputs, memory)
    fed = _plausible(inputs.fed_forward, demand)
    wishes = (
        _of_demand("reactive", demand, capacity, target),
        _of_demand("feed_forward", fed, capacity, target),
        _predictive(inputs, capacity, target),
        corrected.wish,
    )
    needed = _needed(wishes)
    at_capacity = _at_capacity(inputs, capacity, corrected.wish)
    after_band = _dead_band(target, needed, at_capacity, memory.held, surge=demand.surge)
    settled = _needed(wishes, {"reactive": demand, "feed_forward": fed})
    remembered = needs.held(memory, inputs.now, needed, settled, target.scale_down_seconds)
    highest = needs.highest(*remembered)
    after_down = _scale_down(target, after_band, highest, memory.held)
    own = min(max(after_down, target.least), target.most)
    desired = min(max(own, least), most)
    held_by = _held_by(
        needed, after_band, after_down, own, desired, warming=corrected.untold > max(desired, whole(needed))
    )
    lower, upper = _interval(desired, demand, capacity, target, least, most)
    decision = Decision(
        desired,
        lower,
        upper,
        wishes,
        held_by,
        wording.reason(desired, wishes, held_by, target, inputs.override, highest),
    )
    rose = memory.held is not None and own > memory.held
    return decision, Memory(
        inputs.now,
        own,
        remembered[0],
        corrected.asked,
        inputs.now if rose else memory.unsettled_at,
        memory.unready_since,
        corrected.burn,
        corrected.futile,
        remembered[1],
        remembered[2],
    )


def _fixed(replicas: int, override: Override) -> Decision:
    reason = f"{wording.replicas(replicas)}, whatever demand is: {wording.said(override)}"
    return Decision(replicas, replicas, replicas, (), "override", reason)


def _of_demand(kind: WishKind, demand: Demand | None, capacity: Capacity, target: ScalingTarget) -> Wish:
    if demand is None:
        return Wish(kind, None, "no starts of its journeys were counted" if kind == "feed_forward" else "no demand")
    what = {"reactive": "calls/s", "feed_forward": "calls/s that started journeys bring"}[kind]
    if demand.surge:
        what += " in a surge"
    return _wish(kind, demand.rate, what, capacity, target)


def _plausible(fed: Demand | None, demand: Demand) -> Demand | None:
    """Calls a start were measured in the last half an hour: when more clients come to tell starts, that many are too many."""
    if fed is None or demand.calls <= 0:
        return fed
    most = MOST_FED * demand.rate
    return replace(fed, rate=min(fed.rate, most), settled=None if fed.settled is None else min(fed.settled, most))


def _predictive(inputs: Inputs, capacity: Capacity, target: ScalingTarget) -> Wish:
    forecast = inputs.forecast
    if not target.forecast.enabled or forecast is None:
        return Wish("predictive", None, "no forecast" if target.forecast.enabled else "switched off")
    if forecast.abstained and forecast.expected_factor <= 1:
        return Wish("predictive", None, f"it abstains: {forecast.abstained}")
    level = target.forecast.quantile
    what = f"calls/s in {max(0.0, forecast.at - inputs.now):.0f} s (P{100 * level:g} of {forecast.model})"
    if inputs.lead is not None:
        what += f", lead time {inputs.lead.seconds:.0f} s ({inputs.lead.why})"
    if forecast.expected_factor != 1:
        what += f", {forecast.expected_factor:g} times the usual by a known event"
    return _wish("predictive", forecast.quantile(level), what, capacity, target)


def _wish(kind: WishKind, rate: float, what: str, capacity: Capacity, target: ScalingTarget) -> Wish:
    utilisation = target.capacity.utilisation
    needed = max(0.0, rate) / (capacity.per_replica * utilisation)
    planned = f"{wording.short(capacity.per_replica)} a replica"
    if utilisation < 1:
        planned = f"({planned} at {100 * utilisation:.3g}%)"
    return Wish(
        kind,
        whole(needed),
        f"{wording.short(rate)} {what} ÷ {planned}",
        {"rate": rate, "per_replica": capacity.per_replica, "utilisation": utilisation, "needed": needed},
    )


def _needed(wishes: tuple[Wish, ...], settled: Mapping[WishKind, Demand | None] = MappingProxyType({})) -> float:
    """Replicas, a fraction: what the wishes were before they were rounded up. `settled`: of these, what is known by more than a surge's seconds."""
    found: list[float] = []
    for wish in wishes:
        if wish.replicas is not None:
            needed, of = wish.figures.get("needed", float(wish.replicas)), settled.get(wish.kind)
            share = 1.0 if of is None or of.settled is None or of.rate <= 0 else min(1.0, of.settled / of.rate)
            found.append(needed * share)
    return max(found)


def _at_capacity(inputs: Inputs, capacity: Capacity, correction: Wish) -> int:
    """Fewer than these are never kept for a dead band's sake."""
    fed = None if inputs.demand is None else _plausible(inputs.fed_forward, inputs.demand)
    rates = [demand.rate for demand in (inputs.demand, fed) if demand is not None]
    return max(whole(max(rates) / capacity.per_replica), correction.replicas or 0)


def _seeded(target: ScalingTarget, inputs: Inputs, memory: Memory) -> Memory:
    """The memory, or what stands for it where nothing was decided yet, or not for long: what runs counts as needed until now."""
    held = memory.held
    if held is None:
        held = None if inputs.replicas is None else min(max(inputs.replicas.wanted, target.least), target.most)
    if held is None:
        return memory
    if memory.decided_at is not None and abs(inputs.now - memory.decided_at) <= GAP_SECONDS:
        return memory
    # What a clock that was ahead remembered would hold until it comes true.
    unsettled_at = min(memory.unsettled_at, inputs.now)
    needed = ((inputs.now, float(held)),)
    return replace(memory, held=held, needs=needed, unsettled_at=unsettled_at, unready_since=None, surges=(), peaks=())


def _dead_band(target: ScalingTarget, needed: float, at_capacity: int, held: int | None, *, surge: bool) -> int:
    wished = whole(needed)
    if held is None or held < at_capacity:
        return wished
    within = held * (1 - target.dead_band) - ROUNDING <= needed <= held * (1 + target.dead_band) + ROUNDING
    if surge and wished > held and held * target.dead_band < 1:
        return wished
    return held if within else wished


def _scale_down(target: ScalingTarget, wished: int, highest: float, held: int | None) -> int:
    if held is None or wished >= held:
        return wished
    if highest >= held * (1 - target.dead_band) - ROUNDING:
        return held
    return max(wished, min(held, whole(highest)))


def _held_by(
    needed: float,
    after_band: int,
    after_down: int,
    own: int,
    desired: int,
    *,
    warming: bool,
) -> HeldBy:
    """The last that changed the number."""
    if desired != own:
        return "override"
    if own != after_down:
        return "least" if own > after_down else "most"
    if after_down != after_band:
        return "scale_down"
    if after_band != whole(needed):
        return "dead_band"
    return "warming" if warming else ""


def _interval(
    desired: int, demand: Demand, capacity: Capacity, target: ScalingTarget, least: int, most: int
) -> tuple[int, int]:
    """What demand and capacity may be at the least and at the most, in replicas; the decision is always within."""
    if demand.calls > 0:
        low = demand.rate * poisson.lower(demand.calls, INTERVAL_Z) / demand.calls
        high = demand.rate * poisson.upper(demand.calls, INTERVAL_Z) / demand.calls
    else:
        low, high = 0.0, poisson.upper(0, INTERVAL_Z) / demand.seconds if demand.seconds > 0 else 0.0
    utilisation = target.capacity.utilisation
    lower = whole(low / (max(capacity.upper, capacity.per_replica) * utilisation))
    upper = whole(high / (capacity.per_replica * utilisation))
    return min(max(lower, least), desired), max(min(upper, most), desired)
