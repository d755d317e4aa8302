"""Why journeys and steps failed, counted by the minute of their end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.store.selection import require_dimensions, where
from maibo_slo.store.tables import REASONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.store.client import Store
    from maibo_slo.store.selection import CellFilter, Window

_KNOWN = tuple(name for name in REASONS.order_by if name not in {"reason", "t"})


@dataclass(frozen=True, slots=True)
class Reason:
    """How often a journey or a step of it failed for this reason."""

    journey: str
    step: str
    """'' = the journey as a whole."""
    reason: str
    n: int


def top(store: Store, window: Window, which: CellFilter, limit: int) -> list[Reason]:
    """The `limit` most frequent reasons in the window (widened to minutes), of each journey and step by itself, the most frequent first.

    Failures that gave no reason are in no row. ValueError for a dimension that reasons are not counted by.
    """
    return _top(store, window, which.where, which, limit)


def top_with_steps(
    store: Store, window: Window, journey: str, among: Mapping[str, Sequence[str]], limit: int
) -> list[Reason]:
    """As `top`: of the journey as a whole, and then `limit` of its steps; in one query."""
    return _top(store, window, among, {**among, "journey": [journey]}, limit)


def _top(
    store: Store,
    window: Window,
    among: Mapping[str, Sequence[str]],
    which: CellFilter | Mapping[str, Sequence[str]],
    limit: int,
) -> list[Reason]:
    require_dimensions(list(among), known=_KNOWN)
    condition, parameters = where(window.widened(60), which)
    rows = store.rows(
        "SELECT journey, step, reason, sum(n) AS events FROM reasons_1m AS c "  # noqa: S608 -- fixed names
        f"WHERE {condition} GROUP BY journey, step, reason "
        "ORDER BY step != '', events DESC, journey, step, reason LIMIT {limit:UInt32} BY step != ''",
        {**parameters, "limit": limit},
    )
    return [Reason(journey, step, reason, int(n)) for journey, step, reason, n in rows]
