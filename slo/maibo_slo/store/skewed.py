"""Events that end before they start, because the clocks of a journey's services disagree: counted here, and in no cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.store.selection import Window, require_dimensions, where
from maibo_slo.store.tables import SKEWED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.store.client import Store

_KNOWN = tuple(name for name in SKEWED.order_by if name != "t")


@dataclass(frozen=True, slots=True)
class Skew:
    """How many events of a group ended before they started."""

    group: tuple[str, ...]
    n: int


def counts(
    store: Store, window: Window, journey: str | None = None, *, by: Sequence[str] = ("journey", "step", "service")
) -> list[Skew]:
    """In the window (widened to minutes), by some of journey, step, service and version, the most first. Empty: none.

    ValueError for another dimension.
    """
    require_dimensions(by, known=_KNOWN)
    condition, parameters = where(window.widened(60), {} if journey is None else {"journey": [journey]})
    keys = "".join(f", {name}" for name in by)
    rows = store.rows(
        f"SELECT sum(n) AS events{keys} FROM skewed_1m AS c WHERE {condition} "  # noqa: S608 -- fixed names
        f"GROUP BY {keys.removeprefix(', ') or '()'} HAVING events > 0 ORDER BY events DESC{keys}",
        parameters,
    )
    return [Skew(tuple(group), int(n)) for n, *group in rows]
