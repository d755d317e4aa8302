"""Pods come at once where there is room, after a node where there is none, and a pool is room."""

from __future__ import annotations

import numpy as np
from benchmarks.autoscaling.cluster import UNNEEDED_SECONDS, Cluster, Room
from benchmarks.autoscaling.keda import Loop
from benchmarks.autoscaling.startup import KARPENTER
from hypothesis import given, settings
from hypothesis import strategies as st


def cluster(wanted: int, pool: int = 0) -> Cluster:
    return Cluster(Room(), np.random.default_rng(1), wanted, pool=pool)


def seconds_until_ready(given_cluster: Cluster, wanted: int) -> float:
    given_cluster.scale(wanted, 0)
    for now in range(1_000):
        given_cluster.step(now)
        if given_cluster.ready >= wanted:
            return given_cluster.ready_at
    raise AssertionError("they never came")


def test_where_there_is_room_pods_serve_within_seconds() -> None:
    assert seconds_until_ready(cluster(4), 8) < 8


def test_without_room_a_node_has_to_come_first() -> None:
    assert seconds_until_ready(cluster(8), 9) > 30


def test_a_burst_pool_makes_room_and_is_filled_again() -> None:
    one = cluster(8, pool=4)
    assert seconds_until_ready(one, 12) < 8
    for now in range(10, 400):
        one.step(now)
    assert one.free >= 4
    assert one.reserved == 4


def test_a_pool_whose_nodes_lack_the_image_pulls_it_first() -> None:
    ahead: list[float] = []
    pulled: list[float] = []
    for seed in range(40):
        for found, image_ahead in ((ahead, True), (pulled, False)):
            one = Cluster(Room(), np.random.default_rng(seed), 8)
            one.hold(4, image_ahead=image_ahead)
            for now in range(-400, 0):
                one.step(now)
            found.append(seconds_until_ready(one, 10))
    assert np.median(pulled) > np.median(ahead) + 2


def test_scaling_down_takes_who_waits_first_then_who_starts_then_who_serves() -> None:
    one = cluster(6)
    one.scale(12, 0)
    one.step(0)
    assert (one.ready, one.placed, one.waiting) == (6, 8, 4)
    one.scale(7, 1)
    assert (one.ready, one.placed, one.waiting) == (6, 7, 0)
    one.scale(5, 2)
    assert (one.ready, one.placed) == (5, 5)


def test_spare_nodes_go_after_a_while() -> None:
    one = cluster(24)
    one.scale(4, 0)
    for now in range(3 * UNNEEDED_SECONDS):
        one.step(now)
    assert one.slots == 8


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 200)), min_size=1, max_size=12), st.integers(0, 10))
def test_every_pod_is_somewhere_and_nodes_are_never_overfull(steps: list[tuple[int, int]], pool: int) -> None:
    one, now = cluster(5, pool), 0
    for wanted, lasts in steps:
        one.scale(wanted, now)
        for _ in range(lasts):
            one.step(now)
            now += 1
            assert one.placed + one.waiting == wanted
            assert 0 <= one.ready <= one.placed <= one.slots
            assert 0 <= one.reserved <= pool


def test_a_warm_start_takes_one_to_some_seconds() -> None:
    random = np.random.default_rng(2)
    found = np.array([KARPENTER.warm(random) for _ in range(2_000)])
    assert 2 < np.median(found) < 3.5
    assert np.quantile(found, 0.9) < 5


def test_keda_takes_a_workload_from_zero_and_after_the_cool_down_back() -> None:
    loop = Loop(least=0)
    assert loop.due(60)
    assert not loop.due(61)
    assert loop.poll(0, 0, active=True) == 1
    assert loop.poll(30, 3, active=True) is None
    assert loop.poll(300, 3, active=False) is None
    assert loop.poll(330, 3, active=False) == 0
    assert Loop(least=2).poll(10_000, 2, active=False) is None, "only to zero"
