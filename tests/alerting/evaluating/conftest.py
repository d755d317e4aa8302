"""Snapshots of an engine, from lists of minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maibo_slo.documents import CellSelector, Objective, Origin, Sli, Slo
from maibo_slo.engine.burn import BURN_WINDOWS, Counts
from maibo_slo.engine.snapshot import Snapshot
from maibo_slo.engine.state import Observed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WINDOW = 30 * 86_400
BEGIN = 1_700_000_040
"""A full minute."""


def _snapshot(minutes: Sequence[tuple[int, int]], *, name: str = "checkout", pending: int = 0) -> Snapshot:
    """At the end of the last of these minutes (good and bad each), of which the first began at `BEGIN`."""
    slo = Slo(
        name=name,
        display_name=name,
        description="",
        service="shop",
        indicator=Sli(name, CellSelector("checkout"), good=CellSelector("checkout", outcomes=frozenset({"success"}))),
        objectives=(Objective("99.9", 0.999),),
        window_seconds=WINDOW,
        labels={"team": ("pay", "web")},
        origin=Origin("slos.yaml", 1),
    )
    counts = {}
    for seconds in (*BURN_WINDOWS.values(), WINDOW):
        last = minutes[-(seconds // 60) :]
        counts[seconds] = Counts(sum(g for g, _ in last), sum(b for _, b in last), sum(g + b > 0 for g, b in last))
    seen = [index for index, one in enumerate(minutes) if sum(one)]
    observed = Observed(
        slo=slo,
        objective=slo.objectives[0],
        counts=counts,
        own=counts[WINDOW],
        first_t=BEGIN + seen[0] * 60 if seen else None,
        last_t=BEGIN + seen[-1] * 60 if seen else None,
    )
    return Snapshot(evaluated_at=BEGIN + len(minutes) * 60, pending_minutes=pending, observed=(observed,))


@pytest.fixture
def snapshot() -> Callable[..., Snapshot]:
    return _snapshot
