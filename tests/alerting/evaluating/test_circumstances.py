"""What the cells know beside an objective's counts, in a real store."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from maibo_alerting.evaluating.circumstances import Circumstances, circumstances, indicator
from maibo_alerting.wording import Change
from maibo_slo.documents import COMPOSITE, CellSelector, Objective, Sli
from maibo_slo.store.cells import CellKey, insert_cells
from maibo_slo.store.histogram import bin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.engine.snapshot import Snapshot
    from maibo_slo.store import Store

NOW = int(time.time()) // 3600 * 3600
"""Cells are not kept for ever."""
SINCE = NOW - 600
ANY = frozenset({"success", "failure"})
FAST = Sli(
    "fast",
    CellSelector("checkout", outcomes=ANY),
    good=CellSelector("checkout", outcomes=frozenset({"success"}), max_duration_us=500_000),
)


@pytest.fixture
def shop(store: Store) -> Callable[..., None]:
    """``shop(NOW - 60, 10, "failure", version="2")``: ten checkouts that ended then."""
    sent = iter(range(10**6))

    def put(t: int, n: int, outcome: str = "success", *, us: int = 100_000, step: str = "", **dims: str) -> None:
        known = {
            "environment": "",
            "service": "api",
            "version": "1",
            "cluster": "",
            "region": "",
            "tier": "",
            "variant": "",
        }
        told = known | dims
        cells = Counter({CellKey(t // 10 * 10, "checkout", step, *told.values(), outcome, bin_of(us * 1000)): n})
        insert_cells(store, cells, token=str(next(sent)))

    return put


def found(store: Store, sli: Sli = FAST, group: str = "", *, over: int = 300, since: float = SINCE) -> Circumstances:
    return circumstances(store, sli, group, over_seconds=over, since=since, now=NOW)


def test_events_bad_ones_and_how_slow_the_slowest_were(store: Store, shop: Callable[..., None]) -> None:
    shop(NOW - 60, 900)
    shop(NOW - 60, 70, us=1_840_000)
    shop(NOW - 120, 30, "failure")
    shop(NOW - 60, 50, "abandoned")
    shop(NOW - 4000, 9999, "failure")
    told = found(store)
    assert (told.total, told.bad) == (1000, 100)
    assert told.p99_seconds == pytest.approx(1.84, rel=0.0125)


def test_of_the_group_alone(store: Store, shop: Callable[..., None]) -> None:
    shop(NOW - 60, 90, tier="gold")
    shop(NOW - 60, 10, "failure", tier="gold")
    shop(NOW - 60, 500, "failure", tier="free")
    assert (found(store, group="tier=gold").total, found(store, group="tier=gold").bad) == (100, 10)


def test_of_an_indicator_that_names_bad_events(store: Store, shop: Callable[..., None]) -> None:
    shop(NOW - 60, 90)
    shop(NOW - 60, 10, "failure")
    bad = Sli(
        "b", CellSelector("checkout", outcomes=ANY), bad=CellSelector("checkout", outcomes=frozenset({"failure"}))
    )
    assert (found(store, bad).total, found(store, bad).bad) == (100, 10)


def test_without_events_nothing_is_known(store: Store) -> None:
    assert found(store) == Circumstances(total=0, bad=0)


def test_a_version_that_appeared_at_that_time_is_told_with_the_one_before(
    store: Store, shop: Callable[..., None]
) -> None:
    shop(SINCE - 7200, 100)
    shop(SINCE - 180, 5, version="2")
    shop(NOW - 60, 50, version="2")
    assert found(store).changes == (Change(float((SINCE - 180) // 60 * 60), "version", "api", "1", "2"),)


def test_so_is_one_of_a_service_that_does_a_step(store: Store, shop: Callable[..., None]) -> None:
    shop(SINCE - 7200, 100, step="pay", service="payment", version="7")
    shop(SINCE + 60, 5, step="pay", service="payment", version="8")
    (change,) = found(store).changes
    assert (change.what, change.before, change.after) == ("payment", "7", "8")


def test_versions_of_long_before_of_after_or_of_a_new_service_are_no_change(
    store: Store, shop: Callable[..., None]
) -> None:
    shop(SINCE - 2 * 3600, 100, version="1")
    shop(SINCE - 2 * 3600 + 60, 100, version="2")
    shop(SINCE, 100, version="1")
    shop(SINCE, 100, version="2")
    shop(SINCE, 5, service="new", version="1")
    assert found(store).changes == ()
    shop(NOW - 10, 5, version="3")
    assert found(store, since=SINCE - 3000).changes == ()


def test_only_what_counts_cells_by_one_indicator_can_be_asked_about(snapshot: Callable[..., Snapshot]) -> None:
    (one,) = snapshot([(1, 0)]).observed
    assert indicator(one) is one.slo.indicator
    component = replace(one.slo, objectives=(Objective("part", 0.9, indicator=FAST), Objective(COMPOSITE, 0.9)))
    assert indicator(replace(one, slo=component, objective=component.objectives[0])) is FAST
    assert indicator(replace(one, slo=component, objective=component.objectives[1])) is None
