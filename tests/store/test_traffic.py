"""All journeys' counts and slices of one reading are what two readings say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maibo_slo.store import cells, traffic
from maibo_slo.store.cells import CellFilter, Window
from maibo_slo.store.traffic import MOST_ROWS, by_few_journeys, by_journey

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.store import Store

HOUR = 3_600
WINDOWS = [(300, 10), (1_230, 30), (HOUR, 60), (6 * HOUR, 600), (24 * HOUR, 1_800)]
"""The last is read from minutes."""


@pytest.fixture
def busy(store: Store, present: int, key: Callable) -> Store:
    """Two hours of journeys, one of which nobody ended, and one that only has steps."""
    random = np.random.default_rng(3)
    for token in range(2):
        counted = {
            key(
                present - int(random.integers(0, 2 * HOUR)) // 10 * 10,
                duration_ms=float(random.lognormal(5, 1)),
                journey=str(random.choice(["checkout", "search", "付款"])),
                step=str(random.choice(["", "", "cart"])),
                tier=str(random.choice(["vip", ""])),
                outcome=str(random.choice(["success", "success", "failure", "abandoned"])),
            ): int(random.integers(1, 50))
            for _ in range(1_000)
        }
        counted[key(present - 20, journey="left", outcome="abandoned")] = 3
        counted[key(present - 20, journey="steps", step="cart")] = 3
        cells.insert_cells(store, counted, token=f"batch {token}")
    return store


@pytest.mark.parametrize(("seconds", "slice_seconds"), WINDOWS)
@pytest.mark.parametrize("where", [{}, {"journey": ["search", "left"], "tier": ["vip", "standard"]}])
def test_both_are_told_as_by_two_readings(busy: Store, present: int, seconds: int, slice_seconds: int, where: dict):
    now = present + 7
    window = cells.covered(Window(now - seconds, now), now=now)
    which = CellFilter(where=where)
    counted, slices = by_journey(busy, window, which, slice_seconds=slice_seconds, now=now)
    told = cells.distributions(busy, window, which, by=("journey",), now=now)
    assert [(one.group, one.last_event, one.events()) for one in counted] == [
        (one.group, one.last_event, one.events()) for one in told
    ]
    for one, other in zip(counted, told, strict=True):
        assert all(np.array_equal(one.outcomes[name], counts) for name, counts in other.outcomes.items())
    assert sorted(slices, key=lambda each: (each.t, each.group)) == cells.series(
        busy, window, which, slice_seconds=slice_seconds, by=("journey",), now=now
    )
    assert counted
    assert slices


def test_what_lies_in_a_slice_and_before_the_window_is_in_no_count_but_the_slice(
    store: Store, present: int, key: Callable
):
    cells.insert_cells(store, {key(present + 20): 3, key(present + 40): 5}, token="a")
    window = Window(present + 30, present + 90)
    (counted,), slices = by_journey(store, window, CellFilter(), slice_seconds=60, now=present + 100)
    assert counted.events() == {"success": 5}
    assert [(one.t, one.outcomes) for one in slices] == [(present, {"success": 8})]
    before = replace(window, begin=present + 50)
    assert by_journey(store, before, CellFilter(), slice_seconds=60, now=present + 100)[0] == []


@pytest.mark.parametrize(
    ("seconds", "most", "rows", "few"),
    [
        (HOUR, 4, MOST_ROWS, True),
        (HOUR, 3, MOST_ROWS, False),
        (HOUR, 4, 100, False),
        (24 * HOUR, 4, MOST_ROWS, False),
    ],
    ids=["few", "names", "rows", "coarse"],
)
def test_all_journeys_are_told_where_they_are_few(
    busy: Store, present: int, monkeypatch: pytest.MonkeyPatch, seconds: int, most: int, rows: int, few: bool
):
    monkeypatch.setattr(traffic, "MOST_ROWS", rows)
    now = present + 7
    window = cells.covered(Window(now - seconds, now), now=now)
    found = by_few_journeys(busy, window, slice_seconds=60, most=most, now=now)
    assert (found is not None) is few
    if found is not None:
        counted, slices = by_journey(busy, window, CellFilter(), slice_seconds=60, now=now)
        assert [(one.group, one.events()) for one in found[0]] == [(one.group, one.events()) for one in counted]
        assert sorted(found[1], key=lambda each: (each.t, each.group)) == sorted(
            slices, key=lambda each: (each.t, each.group)
        )


def test_nothing_counted_is_no_data(store: Store, present: int):
    assert by_journey(store, Window(present, present + 300), CellFilter(), slice_seconds=10, now=present + 300) == (
        [],
        [],
    )
    few = by_few_journeys(store, Window(present, present + 300), slice_seconds=10, most=9, now=present + 300)
    assert few == ([], [])
