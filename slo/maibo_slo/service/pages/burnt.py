"""Who burnt a budget, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maibo_slo.reporting.figures import Burnt

BURNT_BY = ("version", "tier", "region", "reason")
MOST_BURNT = 3
"""Values told of each: the API has all of them."""


@dataclass(frozen=True, slots=True)
class BurntRow:
    """What one step, version, tier, region or reason had of the bad events."""

    by: str
    value: str
    bad: int
    share: float


@dataclass(frozen=True, slots=True)
class BurntTable:
    """Who burnt the budget lately."""

    answer: Burnt
    seconds: int
    rows: tuple[BurntRow, ...]


def burnt_table(burnt: Burnt | None, *, seconds: int) -> BurntTable | None:
    """Who burnt the budget within so long a time; None where nobody did, or nobody knows."""
    if burnt is None or not burnt.bad:
        return None
    steps = tuple(step for step in burnt.steps if step.value)
    by = {"step": steps, **{name: burnt.by.get(name, ()) for name in BURNT_BY}}
    rows = [
        BurntRow(name, part.value, part.bad, part.share)
        for name, parts in by.items()
        if len(parts) > 1 or any(part.value for part in parts)
        for part in parts[:MOST_BURNT]
    ]
    return BurntTable(burnt, seconds, tuple(rows))
