"""How large a burst pool is, and what it was good for."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maibo_slo.engine.scaling.pool import PoolHeld, growth, growth_refusal, pool_percentage, pool_report, pool_size
from maibo_slo.store.scaleups import PodState, PodTimes, ScaleUp, ScaleUpState
from maibo_slo.store.workload import Workload

TRACES = Path(__file__).parents[3] / "shared" / "traces"


def test_growth_is_of_busy_minutes_alone() -> None:
    # Quiet minutes double; of those at the median or above, 20 -> 22, 22 -> 20, 22 -> 24 and 24 -> 24 count.
    history = np.array([1.0, 2.0, 20.0, 22.0, 24.0, 24.0, 1.0, 2.0, 4.0])

    assert growth(history, 60, 1.0) == pytest.approx(1.1)
    assert growth(np.array([10.0, 15.0, np.nan, 12.0, 18.0, 30.0]), 90, 1.0) == 1.0


def test_growth_is_a_quantile_by_linear_interpolation() -> None:
    history = np.array([10.0, 11.0, 12.1, 13.31, 13.31])

    # Median 12.1: 12.1 -> 13.31 and 13.31 -> 13.31 are busy.
    assert growth(history, 60, 0.5) == pytest.approx(1.05)
    assert growth(history, 60, 0.9) == pytest.approx(1.09)


@pytest.mark.parametrize(
    "history", [[], [5.0], [np.nan] * 9, [0.0] * 9, [5.0, np.nan, 5.0, np.nan], [9.0, 8.0, 7.0, 6.0]]
)
def test_where_nothing_is_known_to_grow_it_is_one(history: list[float]) -> None:
    assert growth(np.array(history), 60, 0.99) == 1.0


@given(
    arrays(np.float64, st.integers(0, 50), elements=st.one_of(st.floats(0, 1e6), st.just(float("nan")))),
    st.integers(0, 600),
    st.floats(0, 1),
    st.integers(0, 500),
)
def test_a_pool_is_never_negative_nor_more_than_its_most(
    history: np.ndarray, lead: int, level: float, current: int
) -> None:
    grown = growth(history, lead, level)

    assert grown >= 1
    assert growth(history, lead, level) <= growth(history, lead, 1.0)
    assert 0 <= pool_size(current, grown, 7) <= 7


@pytest.mark.parametrize(
    ("current", "grown", "most", "pods"),
    [
        (20, 1.26, None, 6),
        (10, 1.1, None, 1),
        (10, 1.0, None, 0),
        (0, 3.0, None, 0),
        (3, 1.01, None, 1),
        (20, 3.0, 8, 8),
        (39, 6.574, 21, 21),
        (60, 6.574, -3, 0),
    ],
)
def test_pods_are_rounded_up_and_floats_do_not_add_one(current: int, grown: float, most: int | None, pods: int) -> None:
    assert pool_size(current, grown, most) == pods


@given(st.integers(1, 500), st.floats(1, 4))
def test_a_percentage_that_is_rounded_up_is_as_much_room_as_a_number_told_for_the_same_replicas(
    current: int, grown: float
) -> None:
    assert -(-current * pool_percentage(grown) // 100) >= pool_size(current, grown)
    assert pool_percentage(grown) <= 100 * (grown - 1) + 1


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (np.full(12, 10.0), "its history is short: 0.2 h are known, 12 h are needed"),
        (np.full(60, np.nan), "no demand is known yet"),
        (np.r_[np.full(1440, 10.0), np.full(1440, np.nan)], "its history has gaps: only 0% of the last day is known"),
        (np.r_[np.full(1440, 10.0), np.full(10, np.nan)], ""),
    ],
    ids=["short", "unknown", "gaps", "a drain that is behind"],
)
def test_growth_is_told_of_a_history_as_long_and_as_whole_as_a_forecasts(history: np.ndarray, words: str) -> None:
    assert growth_refusal(history, 90) == words


def test_the_report_counts_warm_scale_ups_and_pod_hours() -> None:
    report = pool_report(
        [scaleup(cold=False), scaleup(cold=True), scaleup(cold=False)],
        [PoolHeld(0, 3600, 6), PoolHeld(3600, 5400, 4)],
    )

    assert (report.scale_ups, report.warm, report.pod_hours) == (3, 2, 8.0)
    assert report.warm_share == pytest.approx(2 / 3)
    assert pool_report([], []).warm_share is None


def test_warm_is_told_of_scale_ups_that_ended_and_a_pod_that_never_found_room_is_not() -> None:
    running = scaleup(cold=False, state=ScaleUpState.RUNNING)
    stuck = replace(
        scaleup(cold=False, state=ScaleUpState.CENSORED),
        pods=[PodTimes("a", "", PodState.NEVER_READY, {}, unschedulable="0/3 nodes are available")],
    )

    report = pool_report([scaleup(cold=False), running, stuck], [])

    assert (report.scale_ups, report.warm, report.warm_share) == (2, 1, 0.5)
    assert pool_report([running], []).warm_share is None


def scaleup(*, cold: bool, state: ScaleUpState = ScaleUpState.COMPLETE) -> ScaleUp:
    workload = Workload("shop", "Deployment", "checkout-api")
    pods = [PodTimes("a", "n", PodState.SERVING, {}), PodTimes("b", "n", PodState.SERVING, {}, node_provisioned=cold)]
    return ScaleUp(f"{workload}@1", workload, 2, 4, "hpa", "", {}, pods, state)


@pytest.mark.skipif(not TRACES.is_dir(), reason="the traces are not here")
def test_growth_of_a_real_service_is_a_tenth_and_of_a_flash_crowd_more() -> None:
    regular = column(TRACES / "crane_dsp_input9.csv")
    crowd = column(TRACES / "worldcup98_requests_per_minute.csv")

    assert [growth(regular, 60, level) for level in (0.95, 0.99, 1.0)] == pytest.approx([1.03, 1.04, 1.12], abs=0.006)
    assert [growth(crowd, 300, level) for level in (0.95, 0.99, 1.0)] == pytest.approx([1.13, 1.20, 5.3], abs=0.03)


def column(path: Path) -> np.ndarray:
    with path.open(newline="") as file:
        return np.array([float(value) for _, value in list(csv.reader(file))[1:]])
