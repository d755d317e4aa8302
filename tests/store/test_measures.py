from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maibo_slo.store.cells import CellFilter, Window, insert_cells
from maibo_slo.store.measures import quantiles, rates, shares

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.store import Store


@pytest.fixture
def some(store: Store, present: int, key: Callable) -> Window:
    insert_cells(
        store,
        {
            key(present, duration_ms=250, tier="vip"): 90,
            key(present, duration_ms=260, tier="vip"): 9,
            key(present + 590, duration_ms=3_000, tier="vip", outcome="failure"): 1,
            key(present, duration_ms=250, tier="standard"): 1,
            key(present, duration_ms=1, tier="standard", outcome="abandoned"): 3,
        },
        token="a",
    )
    return Window(present, present + 600)


def test_rates_are_events_over_the_seconds_covered(store: Store, some: Window):
    standard, vip = rates(store, Window(some.begin + 1, some.end - 1), CellFilter(), by=("tier",))
    assert (standard.group, standard.events, standard.outcomes) == (("standard",), 4, {"success": 1, "abandoned": 3})
    assert (vip.events, vip.seconds, vip.per_second) == (100, 600, 100 / 600)


def test_quantiles_are_of_all_but_abandoned_journeys(store: Store, some: Window):
    _, vip = quantiles(store, some, CellFilter(), q=(0.5, 0.99, 1), by=("tier",))
    assert vip.events == 100
    assert vip.values_us[0.5] == pytest.approx(250_000, rel=0.0125)
    assert vip.values_us[0.99] == pytest.approx(260_000, rel=0.0125)
    assert vip.values_us[1] == pytest.approx(3_000_000, rel=0.0125)


def test_shares_within_a_threshold_are_exact(store: Store, some: Window):
    (everyone,) = shares(store, some, CellFilter(), threshold_us=250_000)
    assert (everyone.within, everyone.events, everyone.ratio) == (91, 101, 91 / 101)
    with pytest.raises(ValueError, match="take 250000 or 255000 us"):
        shares(store, some, CellFilter(), threshold_us=251_000)


def test_without_data_there_is_no_group_and_without_ended_journeys_no_ratio(store: Store, some: Window):
    assert rates(store, some, CellFilter(journey="no such")) == []
    only_abandoned = CellFilter(where={"outcome": ["abandoned"]})
    (share,) = shares(store, some, only_abandoned, threshold_us=250_000)
    assert (share.within, share.events, share.ratio) == (0, 0, None)
    (found,) = quantiles(store, some, only_abandoned)
    assert (found.events, found.values_us) == (0, {0.5: None, 0.9: None, 0.99: None})
