from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_slo.store.histogram import (
    BINS,
    EDGES_NS,
    Histogram,
    bin_of,
    bounds_us,
    last_bin_within,
    nearest_on_grid,
    on_grid,
    sparse_quantiles,
)

DURATIONS_NS = st.one_of(
    st.integers(0, 3 * 10**15),
    st.sampled_from(EDGES_NS.tolist()).flatmap(lambda edge: st.integers(edge - 1, edge + 1)),
    st.floats(3, 15).map(lambda exponent: int(10**exponent)),
)
MANY_DURATIONS_NS = st.lists(DURATIONS_NS, max_size=200)
WHOLE_US_EDGES = [int(edge) // 1_000 for edge in EDGES_NS if edge % 1_000 == 0]


def test_the_edges_are_those_of_the_design():
    assert EDGES_NS.dtype == np.int64
    assert EDGES_NS.shape == (1921,)
    assert BINS == 1922
    assert EDGES_NS[0] == 1_000
    assert EDGES_NS[-1] == 10**15
    assert np.all(np.diff(EDGES_NS) > 0)
    decades = EDGES_NS[:-1].reshape(12, 160)
    assert decades[5].tolist() == [
        *range(100_000_000, 200_000_000, 2_000_000),
        *range(200_000_000, 500_000_000, 5_000_000),
        *range(500_000_000, 1_000_000_000, 10_000_000),
    ]
    for decade in range(12):
        assert np.array_equal(decades[decade], decades[0] * 10**decade)


def test_the_edges_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        EDGES_NS[0] = 5


def test_every_edge_belongs_to_the_bin_below_it_and_a_nanosecond_more_to_the_bin_above():
    indices = np.arange(len(EDGES_NS))
    assert np.array_equal(bin_of(EDGES_NS), indices)
    assert np.array_equal(bin_of(EDGES_NS - 1), indices)
    assert np.array_equal(bin_of(EDGES_NS + 1), indices + 1)
    assert bin_of(EDGES_NS).dtype == np.uint16


def test_one_duration_and_an_array_of_them_fall_in_the_same_bins():
    durations = np.array([0, 1, 999, 1_000, 1_001, 250_000_000, 10**15, 10**15 + 1, 2**62], dtype=np.int64)
    assert [bin_of(int(duration)) for duration in durations] == bin_of(durations).tolist()


def test_under_and_overflow_have_bins_of_their_own():
    assert bin_of(0) == bin_of(1) == bin_of(1_000) == bin_of(-5) == 0
    assert bin_of(10**15) == BINS - 2
    assert bin_of(10**15 + 1) == bin_of(2**62) == BINS - 1
    assert bounds_us(0) == (0.0, 1.0)
    assert bounds_us(BINS - 1) == (1e12, float("inf"))
    assert Histogram.from_durations_ns([1]).quantile(0.5) == 1.0
    assert Histogram.from_durations_ns([2**62]).quantile(0.5) == 1e12


@given(DURATIONS_NS)
def test_a_duration_lies_in_its_bin(duration_ns: int):
    index = bin_of(duration_ns)
    assert index == 0 or EDGES_NS[index - 1] < duration_ns
    assert index == BINS - 1 or duration_ns <= EDGES_NS[index]


@given(MANY_DURATIONS_NS, st.sampled_from(WHOLE_US_EDGES))
def test_a_threshold_on_the_grid_is_counted_exactly(durations_ns: list[int], threshold_us: int):
    exact = int(np.count_nonzero(np.array(durations_ns, dtype=np.int64) <= threshold_us * 1_000))
    assert Histogram.from_durations_ns(durations_ns).within(threshold_us) == exact


@given(st.integers(1, 12), st.integers(10, 99))
def test_every_threshold_of_two_digits_is_on_the_grid(decade: int, mantissa: int):
    threshold_us = mantissa * 10**decade // 10
    if threshold_us * 10 == mantissa * 10**decade and threshold_us <= 10**12:
        assert on_grid(threshold_us)
        assert nearest_on_grid(threshold_us) == (threshold_us, threshold_us)


@given(st.integers(1, 10**12))
def test_a_threshold_off_the_grid_lies_between_two_that_are_on_it_and_is_refused_with_them(threshold_us: int):
    below, above = nearest_on_grid(threshold_us)
    assert on_grid(below)
    assert on_grid(above)
    assert below <= threshold_us <= above
    assert above - below <= max(0.025 * threshold_us, 1)
    if on_grid(threshold_us):
        assert below == above == threshold_us
        assert EDGES_NS[last_bin_within(threshold_us)] == threshold_us * 1_000
    else:
        with pytest.raises(ValueError, match=f"take {below} or {above} us"):
            last_bin_within(threshold_us)


@pytest.mark.parametrize("threshold_us", [0, -3, 10**12 + 1, 10**15])
def test_thresholds_outside_the_grid_are_refused(threshold_us: int):
    assert not on_grid(threshold_us)
    with pytest.raises(ValueError, match="not a bin edge"):
        last_bin_within(threshold_us)


QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999)


def _distributions() -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    return {
        "lognormal": random.lognormal(18, 0.8, 20_000),
        "pareto": (random.pareto(1.1, 20_000) + 1) * 3e6,
        "bimodal": np.concatenate((random.normal(5e6, 4e5, 15_000), random.normal(2e9, 1e8, 5_000))),
        "constant": np.full(1_000, 123_456_789.0),
        "uniform": random.uniform(1e3, 1e10, 20_000),
        "a few": random.lognormal(18, 2, 7),
        "edges": EDGES_NS.astype(float),
    }


@pytest.mark.parametrize("name", _distributions())
def test_no_quantile_is_off_by_more_than_a_percent_and_a_quarter(name: str):
    durations_ns = np.clip(_distributions()[name], 1_001, 10**15).astype(np.int64)
    histogram = Histogram.from_durations_ns(durations_ns)
    for q, ours in zip(QUANTILES, histogram.quantiles(*QUANTILES), strict=True):
        exact_us = float(np.quantile(durations_ns, q, method="inverted_cdf")) / 1_000
        assert ours == histogram.quantile(q)
        assert ours is not None
        assert abs(ours - exact_us) / exact_us <= 0.01235, (q, ours, exact_us)


@given(st.lists(st.integers(1_001, 10**15), min_size=1, max_size=100), st.floats(0, 1))
@settings(max_examples=300)
def test_a_quantile_is_in_the_bin_of_the_exact_one(durations_ns: list[int], q: float):
    ours = Histogram.from_durations_ns(durations_ns).quantile(q)
    # The ceil(q * n)-th shortest, as the definition says (numpy interpolates its ranks in floats, which differ at ties).
    exact_ns = sorted(durations_ns)[max(int(np.ceil(q * len(durations_ns))), 1) - 1]
    lower, upper = bounds_us(bin_of(exact_ns))
    assert ours is not None
    assert lower < ours <= upper


@given(MANY_DURATIONS_NS, MANY_DURATIONS_NS)
def test_the_sum_of_histograms_is_the_histogram_of_all(some: list[int], others: list[int]):
    merged = Histogram.from_durations_ns(some) + Histogram.from_durations_ns(others)
    assert merged == Histogram.from_durations_ns(some + others)
    assert merged.total == len(some) + len(others)
    assert merged.counts.dtype == np.uint64


def test_bins_that_come_several_times_are_added():
    assert Histogram.from_bins([3, 7, 3], [1, 2, 2**40]).counts[[3, 7]].tolist() == [1 + 2**40, 2]


def test_counts_beyond_two_to_the_fifty_third_stay_exact():
    histogram = Histogram.from_bins([5, 9], [2**60 + 1, 1])
    assert (histogram + histogram).total == 2 * (2**60 + 2)


def test_no_events_are_no_answer():
    assert Histogram.empty().quantile(0.99) is None
    assert Histogram.of([]).quantiles(0.5, 0.9) == (None, None)
    assert Histogram.empty().within(100) == 0


@pytest.mark.parametrize("q", [-0.1, 1.1, float("nan")])
def test_a_quantile_outside_0_to_1_is_refused(q: float):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Histogram.empty().quantile(q)


@pytest.mark.parametrize("counts", [np.zeros(5, dtype=np.uint64), np.zeros(BINS, dtype=np.float64)])
def test_counts_of_another_shape_or_type_are_refused(counts: np.ndarray):
    with pytest.raises(ValueError, match="uint64 of shape"):
        Histogram(counts)


@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(0, BINS - 1), st.integers(1, 10**6)), max_size=60),
    q=st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
def test_quantiles_of_many_histograms_at_once_are_those_of_each_alone(rows, q):
    owners, bins, n = (np.array([row[at] for row in rows], dtype=np.int64) for at in range(3))
    found = sparse_quantiles(owners, bins, n, *q, owned=5)
    assert found == [Histogram.from_bins(bins[owners == each], n[owners == each]).quantiles(*q) for each in range(5)]
