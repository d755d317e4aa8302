"""A decision in one sentence, with its arithmetic: ``12 replicas: 410 calls/s ÷ (45 a replica at 80.5%) (reactive)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.inputs import HeldBy, Override, Wish


def reason(
    desired: int,
    wishes: tuple[Wish, ...],
    held_by: HeldBy,
    target: ScalingTarget,
    override: Override | None,
    highest_need: float,
) -> str:
    """Of the wishes the highest, and what made the decision another."""
    highest = max((wish for wish in wishes if wish.replicas is not None), key=lambda wish: wish.replicas or 0)
    asked = f"{highest.why} ({highest.kind.replace('_', '-')})"
    told = f"{replicas(desired)}: {asked}"
    wished = highest.replicas or 0
    match held_by:
        case "":
            return told
        case "warming":
            return f"{told}, so no more are asked for until these are ready"
        case "dead_band":
            return f"{told} makes {wished}, within {target.dead_band:.0%} of what is held"
        case "scale_down":
            return f"{told} makes {wished}, held at the highest of the last {target.scale_down_seconds} s ({short(highest_need)})"
        case "override":
            return f"{told} makes {wished}, but {said(override)}"
        case _:
            return f"{told} makes {wished}, but {held_by} is {desired}"


def said(override: Override | None) -> str:
    if override is None:
        return "an override"
    limits = [
        f"at {name} {value}"
        for name, value in (("least", override.least), ("most", override.most))
        if value is not None
    ]
    return f"{override.who} said {', '.join(limits) or 'nothing'} ({override.why})"


def replicas(number: int) -> str:
    return "1 replica" if number == 1 else f"{number} replicas"


def short(number: float) -> str:
    """With three digits: 410, 36, 1.25."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"
