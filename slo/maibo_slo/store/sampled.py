"""How much evidence there is for a count: events that were sampled stand for several, and few spans may make a large count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.store.selection import CellFilter, Window, where

if TYPE_CHECKING:
    from maibo_slo.store.client import Store


@dataclass(frozen=True, slots=True)
class Evidence:
    """A count, and what it was made from."""

    n: int
    """Events, as the cells count them: each span by its weight."""
    spans: int
    """Spans that were seen. Equal to n where nothing was sampled."""


def evidence(store: Store, window: Window, which: CellFilter) -> Evidence:
    """Of the cells in the window, widened to minutes; what is older than the cells by the minute is in neither number."""
    condition, parameters = where(window.widened(60), which)
    ((n, stood_for, spans),) = store.rows(
        f"SELECT (SELECT sum(n) FROM cells_1m AS c WHERE {condition}), sum(c.n), sum(c.spans) "  # noqa: S608 -- fixed names
        f"FROM sampled_1m AS c WHERE {condition}",
        parameters,
    )
    return Evidence(int(n or 0), int(n or 0) - int(stood_for) + int(spans))


def is_sampled(store: Store, window: Window, which: CellFilter) -> bool:
    """Whether any of it is; it reads few rows, and mostly none."""
    condition, parameters = where(window.widened(60), which)
    sql = f"SELECT 1 FROM sampled_1m AS c WHERE {condition} LIMIT 1"  # noqa: S608 -- fixed names
    return bool(store.rows(sql, parameters))
