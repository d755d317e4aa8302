"""Calls that services get, counted in a real store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from maibo_slo.store import demand, open_store
from maibo_slo.store.cells import CellKey, insert_cells
from maibo_slo.store.client import dictionary
from maibo_slo.store.demand import Calls, CallsKey, Events, Judged
from maibo_slo.store.histogram import bin_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.store import Store

T = 1_800_000_000 // 3_600 * 3_600
"""On the hour."""


def cell(
    t: int,
    *,
    journey: str = "checkout",
    step: str = "pay",
    service: str = "api",
    version: str = "v1",
    environment: str = "prod",
    outcome: str = "success",
    duration_ms: int = 10,
) -> CellKey:
    found = bin_of(duration_ms * 1_000_000)
    return CellKey(t, journey, step, environment, service, version, "", "", "", "", outcome, found)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Service api has steps of checkout and ends of it; of search it has ends alone. Others are elsewhere."""
    cells = {
        cell(T): 10,
        cell(T + 10): 20,
        cell(T + 10, outcome="failure", version="v2"): 5,
        cell(T + 70, duration_ms=900): 4,
        cell(T, step=""): 100,
        cell(T, step="", outcome="abandoned"): 1000,
        cell(T, journey="search", step=""): 3,
        cell(T, environment="test"): 7,
        cell(T + 130, service="web"): 50,
    }
    with open_store(f"chdb://{tmp_path_factory.mktemp('demand') / 'store'}") as store:
        insert_cells(store, cells, token="demand")
        yield store


def test_what_came_lately_is_told_by_where_it_came(counted: Store) -> None:
    found = demand.recent(counted, T)
    assert found[CallsKey("prod", "api", "checkout", True)] == {T: 10, T + 10: 25, T + 70: 4}
    assert found[CallsKey("prod", "api", "checkout", False)] == {T: 100}
    assert CallsKey("prod", "api", "checkout", True) not in demand.recent(counted, T + 80)


def test_journeys_with_steps_in_a_service_are_known(counted: Store) -> None:
    assert demand.stepping(counted, T) == {"api": {"checkout"}, "web": {"checkout"}}


def test_a_workloads_calls_are_steps_and_ends_of_journeys_without_steps(counted: Store) -> None:
    which = Calls(("api",), stepping=demand.stepping(counted, T))
    assert demand.calls_by_minute(counted, which, T, T + 180) == {T: 10 + 25 + 3 + 7, T + 60: 4}
    assert sum(n for key, n in demand.calls_between(counted, T, T + 180).items() if which.has(key)) == 49
    production = Calls(("api",), ("checkout",), ("prod",), demand.stepping(counted, T))
    assert demand.calls_by_minute(counted, production, T, T + 180) == {T: 35, T + 60: 4}
    assert sum(n for key, n in demand.calls_between(counted, T, T + 180).items() if production.has(key)) == 39
    both = Calls(("api", "web"), stepping=demand.stepping(counted, T))
    assert demand.calls_by_minute(counted, both, T, T + 180) == {T: 45, T + 60: 4, T + 120: 50}


def test_history_tells_no_calls_from_no_data(counted: Store) -> None:
    which = Calls(("api",), stepping=demand.stepping(counted, T))
    found = demand.history(counted, which, T - 60, T + 240)
    np.testing.assert_allclose(found, [np.nan, 45 / 60, 4 / 60, 0.0, np.nan])
    with pytest.raises(ValueError, match="begin and end with one"):
        demand.history(counted, which, T + 1, T + 60)


def test_events_are_judged_by_minute_and_version(counted: Store) -> None:
    total = Events("checkout", "pay", ("failure", "success"), where={"environment": ("prod",)})
    quick = Events("checkout", "pay", ("success",), last_bin=int(bin_of(100_000_000)), where={"environment": ("prod",)})
    found = demand.judged_by_minute(counted, total, quick, T, T + 120, services=("api",))
    assert found == [Judged(T, "v1", 30, 0), Judged(T, "v2", 0, 5), Judged(T + 60, "v1", 0, 4)]
    failed = Events("checkout", "pay", ("failure",))
    found = demand.judged_by_minute(counted, total, failed, T, T + 60, are_good=False, services=("api",))
    assert found == [Judged(T, "v1", 30, 0), Judged(T, "v2", 0, 5)]


def test_events_that_another_service_counts_are_taken_where_there_are_no_others(counted: Store) -> None:
    total = Events("checkout", "pay", ("success",))
    found = demand.judged_by_minute(counted, total, total, T, T + 180, services=("stock",))
    assert [(each.t, each.good) for each in found] == [(T, 37), (T + 60, 4), (T + 120, 50)]


def test_starts_are_told_by_10_s_and_in_all_by_the_minute(counted: Store) -> None:
    counted.insert(
        "flow_1m",
        {
            "t": np.array([T, T, T + 60], np.uint32),
            "journey": dictionary(["checkout"] * 3),
            **{name: dictionary(["prod"] * 3) for name in ("environment", "tier", "variant")},
            "started": np.array([3, 4, 5], np.uint64),
            **{name: np.zeros(3, np.uint64) for name in ("succeeded", "failed", "abandoned")},
        },
    )
    names = {"journey": dictionary(["checkout"] * 3), "environment": dictionary(["prod"] * 3)}
    times = {"t": np.array([T, T + 50, T + 50], np.uint32), "started": np.array([1, 4, 2], np.uint64)}
    counted.insert("starts_10s", names | times)
    assert demand.starts(counted, T + 10) == {("prod", "checkout"): {T + 50: 6}}
    assert demand.begun_between(counted, T + 30, T + 90) == {("prod", "checkout"): 12}
    assert demand.begun_between(counted, T + 60, T + 120) == {("prod", "checkout"): 5}
    assert demand.begun_between(counted, T + 120, T + 180) == {}


def test_what_spans_stand_for_is_told_by_service(counted: Store) -> None:
    names = ("journey", "step", "environment", "service", "version", "cluster", "region", "tier", "variant", "outcome")
    columns = {name: dictionary(["api" if name == "service" else "x"]) for name in names}
    counts = {"t": np.array([T], np.uint32), "n": np.array([1149], np.uint64), "spans": np.array([191], np.uint64)}
    counted.insert("sampled_1m", columns | counts)
    assert demand.weights(counted, T) == {"api": pytest.approx(1149 / 191)}
