"""Replicas by 10 s, as they were sampled."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from maibo_slo.store.replicas import LATELY_SECONDS, Sample, history, insert, newest
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from maibo_slo.store import Store

CHECKOUT = Workload("shop", "Deployment", "checkout")
CART = Workload("shop", "Rollout", "it's a \\ cart")


@pytest.fixture
def sample() -> Sample:
    """The bucket before the running one: what is much older is dropped."""
    t = int(time.time()) // 10 * 10 - 10
    return Sample(CHECKOUT, t, 4, 3, 2, 23_456, 10_000, 1, t + 9.875)


def test_what_is_written_is_read(store: Store, sample: Sample) -> None:
    other = replace(sample, workload=CART, t=sample.t - 20, at=sample.t - 12.5, templates=2)
    insert(store, [])
    insert(store, [sample, other, replace(other, t=sample.t - 30)])
    nobody = Workload("shop", "Deployment", "nobody")
    assert newest(store, [CHECKOUT, CART, nobody], now=sample.t + 10) == {CHECKOUT: sample, CART: other}
    assert newest(store, [], now=sample.t + 10) == {}


def test_of_one_bucket_the_newest_version_counts(store: Store, sample: Sample) -> None:
    later = replace(sample, ready=3, ready_ms=25_000)
    insert(store, [sample])
    insert(store, [later])
    insert(store, [sample], version=1)
    assert newest(store, [CHECKOUT], now=sample.t + 10) == {CHECKOUT: later}
    insert(store, [sample])
    assert newest(store, [CHECKOUT], now=sample.t + 10) == {CHECKOUT: sample}


def test_what_ran_more_than_an_hour_before_is_not_what_runs(store: Store, sample: Sample) -> None:
    insert(store, [sample])
    assert newest(store, [CHECKOUT], now=sample.t + LATELY_SECONDS - 1) == {CHECKOUT: sample}
    assert newest(store, [CHECKOUT], now=sample.t + LATELY_SECONDS + 1) == {}


def test_history_has_the_buckets_that_begin_in_it(store: Store, sample: Sample) -> None:
    rows = [replace(sample, t=sample.t - 10 * ago) for ago in range(5)]
    insert(store, [*rows, replace(rows[2], workload=CART)])
    assert history(store, CHECKOUT, sample.t - 30, sample.t) == [rows[3], rows[2], rows[1]]
    assert history(store, CHECKOUT, sample.t - 29.5, sample.t + 0.5) == [rows[2], rows[1], rows[0]]
