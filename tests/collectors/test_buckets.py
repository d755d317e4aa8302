"""Other people's buckets in our bins."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_collectors.otlp.decoding import buckets
from maibo_collectors.otlp.decoding.buckets import (
    SCALES,
    Explicit,
    Exponential,
    alike,
    in_bins,
    in_few_bins,
    minus,
    total,
)
from maibo_slo.store.edges import EDGES_NS, bin_of
from maibo_slo.store.histogram import Histogram

SECOND = 10**9
HALF_A_BIN = 0.01236
HTTP_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""OpenTelemetry's advice for http.server.request.duration, in seconds: every one of them is on the grid."""

anything = st.lists(st.floats(allow_nan=False), min_size=1, max_size=10, unique=True).flatmap(
    lambda bounds: st.lists(st.integers(0, 10**12), min_size=len(bounds) + 1, max_size=len(bounds) + 1).map(
        lambda counts: Explicit(tuple(sorted(bounds)), tuple(counts))
    )
) | st.builds(
    Exponential,
    st.sampled_from(SCALES),
    st.integers(0, 10**12),
    st.floats(0, allow_nan=False, allow_infinity=False),
    st.integers(-(2**31), 2**31 - 1),
    st.lists(st.integers(0, 10**12), max_size=160).map(tuple),
)
"""All that a sender may say and is not rejected for."""
durations_ns = st.integers(1, 10**12)
explicit = st.lists(st.floats(-1, 1e4), min_size=1, max_size=30, unique=True).flatmap(
    lambda bounds: st.lists(st.integers(0, 10**6), min_size=len(bounds) + 1, max_size=len(bounds) + 1).map(
        lambda counts: Explicit(tuple(sorted(bounds)), tuple(counts))
    )
)
exponential = st.builds(
    Exponential,
    st.sampled_from(SCALES),
    st.integers(0, 100),
    st.sampled_from([0.0, 1e-9, 0.01]),
    st.integers(-(2**31), 2**31 - 1) | st.integers(-500, 500),
    st.lists(st.integers(0, 1000), max_size=160).map(tuple),
)


def histogram(bins):
    return Histogram.from_bins(list(bins), list(bins.values()))


def counted(durations, bounds_ns):
    """What an SDK would hold of these durations with these bounds."""
    at = np.searchsorted(bounds_ns, durations, side="left")
    return tuple(int(n) for n in np.bincount(at, minlength=len(bounds_ns) + 1))


def exponential_of(durations_s, scale):
    indices = [math.ceil(math.log2(value) * 2**scale) - 1 for value in durations_s]
    low = min(indices)
    return Exponential(scale, 0, 0.0, low, tuple(np.bincount(np.array(indices) - low).tolist()))


@settings(deadline=None)
@given(explicit | exponential | anything, st.sampled_from([1, 1_000, 10**6, 10**9]))
def test_no_event_is_lost_or_made(buckets, unit_ns):
    assert sum(in_bins(buckets, unit_ns=unit_ns).values()) == total(buckets)


@settings(deadline=None)
@given(
    explicit | exponential | anything,
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_no_event_is_lost_whatever_is_told_of_the_shortest_and_the_longest(buckets, shortest, longest):
    bins = in_bins(buckets, unit_ns=SECOND, shortest=shortest, longest=longest)
    assert sum(bins.values()) == total(buckets)
    assert all(0 <= index <= len(EDGES_NS) for index in bins)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(EDGES_NS), min_size=1, max_size=20, unique=True).map(sorted),
    st.lists(durations_ns, max_size=200),
)
def test_at_most_a_bound_on_the_grid_is_exact(bounds_ns, durations):
    bins = in_bins(Explicit(tuple(map(float, bounds_ns)), counted(durations, bounds_ns)), unit_ns=1)
    for bound in bounds_ns:
        within = sum(n for index, n in bins.items() if index <= bin_of(bound))
        assert within == sum(duration <= bound for duration in durations)


@pytest.mark.parametrize("unit_ns", [1_000, 10**6, 10**9])
def test_bounds_in_fractions_of_a_unit_meet_the_grid_exactly(unit_ns):
    bounds_ns = [edge for edge in EDGES_NS if edge % 1_000 == 0][::7]
    bounds = tuple(edge / unit_ns for edge in bounds_ns)
    bins = in_bins(Explicit(bounds, (1,) * (len(bounds) + 1)), unit_ns=unit_ns)
    for place, bound in enumerate(bounds_ns, 1):
        assert sum(n for index, n in bins.items() if index <= bin_of(bound)) == place


@settings(deadline=None)
@given(explicit)
def test_events_stay_in_their_bucket(buckets):
    for place, n in enumerate(buckets.counts):
        alone = Explicit(buckets.bounds, tuple(n if at == place else 0 for at in range(len(buckets.counts))))
        bins = in_bins(alone, unit_ns=SECOND)
        lower = round(max(0.0, buckets.bounds[place - 1]) * SECOND) if place else 0
        upper = round(max(0.0, buckets.bounds[place]) * SECOND) if place < len(buckets.bounds) else 2**63
        for index in bins:
            assert min(bin_of(lower + 1), bin_of(upper)) <= index <= max(bin_of(upper), bin_of(lower + 1))


def test_one_event_lies_in_the_middle_of_its_bucket():
    (index,) = in_bins(Explicit((0.1, 1.0), (0, 1, 0)), unit_ns=SECOND)
    assert index == bin_of(round(math.sqrt(0.1) * SECOND))


def test_events_over_the_last_bound_are_told_as_just_over_it():
    assert in_bins(Explicit((0.1, 1.0), (0, 0, 7)), unit_ns=SECOND) == {bin_of(SECOND) + 1: 7}


def test_the_longest_event_bounds_the_open_bucket():
    bins = in_bins(Explicit((0.1, 1.0), (0, 0, 1000)), unit_ns=SECOND, longest=2.0)
    assert max(bins) == bin_of(2 * SECOND)
    assert min(bins) == bin_of(SECOND) + 1


def test_the_shortest_event_bounds_the_first_bucket():
    bins = in_bins(Explicit((0.1, 1.0), (1000, 5, 0)), unit_ns=SECOND, shortest=0.05)
    assert bin_of(50_000_000) <= min(bins) <= bin_of(50_000_001)
    assert sum(n for index, n in bins.items() if index <= bin_of(100_000_000)) == 1000


def test_what_lasts_nothing_is_in_the_first_bin():
    assert in_bins(Explicit((0.0, 1.0), (3, 0, 0)), unit_ns=SECOND) == {0: 3}
    assert in_bins(Exponential(3, 4, 0.0, 0, ()), unit_ns=SECOND) == {0: 4}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_quantiles_of_explicit_buckets_are_in_the_right_bucket(seed, q):
    durations = np.random.default_rng(seed).lognormal(-1.5, 0.7, 20_000)
    bounds_ns = [round(bound * SECOND) for bound in HTTP_BOUNDS]
    found = histogram(in_bins(Explicit(HTTP_BOUNDS, counted(durations * SECOND, bounds_ns)), unit_ns=SECOND)).quantile(
        q
    )
    exact = np.quantile(durations, q, method="inverted_cdf")
    upper = next(bound for bound in HTTP_BOUNDS if exact <= bound)
    lower = max((bound for bound in HTTP_BOUNDS if bound < exact), default=0)
    assert lower * (1 - HALF_A_BIN) <= found / 1e6 <= upper * (1 + HALF_A_BIN)


@pytest.mark.parametrize("scale", [0, 2, 4, 6, 8, 12])
@pytest.mark.parametrize("q", [0.01, 0.5, 0.9, 0.99, 0.999])
def test_quantiles_of_exponential_buckets_are_within_the_stated_error(scale, q):
    durations = np.random.default_rng(scale).lognormal(-3, 1.2, 20_000)
    found = histogram(in_bins(exponential_of(durations, scale), unit_ns=SECOND)).quantile(q)
    exact = np.quantile(durations, q, method="inverted_cdf")
    width = 2**2**-scale - 1
    assert abs(found / 1e6 - exact) / exact <= width + HALF_A_BIN


@settings(deadline=None)
@given(explicit, explicit | exponential, st.data())
def test_what_is_added_is_what_subtraction_finds(before, came, data):
    if not alike(before, came):
        counts = data.draw(st.lists(st.integers(0, 50), min_size=len(before.counts), max_size=len(before.counts)))
        came = Explicit(before.bounds, tuple(counts))
    now = Explicit(before.bounds, tuple(a + b for a, b in zip(before.counts, came.counts, strict=True)))
    assert minus(now, before) == came


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=100),
    st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=100),
    st.integers(-3, 8),
    st.integers(-3, 8),
)
def test_exponential_buckets_of_different_scales_subtract(first, second, one_scale, other_scale):
    scale = max(one_scale, other_scale)  # a sender's scale only becomes coarser
    before, now = exponential_of(first, scale), exponential_of(first + second, min(one_scale, other_scale))
    assert alike(now, before)
    found = minus(now, before)
    assert found is not None
    assert found.scale == now.scale
    assert total(found) == len(second)
    expected = exponential_of(second, now.scale)
    bins = in_bins(expected, unit_ns=SECOND)
    got = in_bins(found, unit_ns=SECOND)
    assert sum(bins.values()) == sum(got.values())
    if scale == now.scale:  # else an index on a bound may be a float's last digit away
        assert got == bins


def test_a_count_that_fell_is_no_difference():
    assert minus(Explicit((1.0,), (3, 4)), Explicit((1.0,), (3, 5))) is None
    assert minus(Exponential(2, 0, 0.0, 5, (1, 2)), Exponential(2, 1, 0.0, 5, (1, 2))) is None
    assert minus(Exponential(2, 0, 0.0, 5, (1, 2)), Exponential(2, 0, 0.0, 4, (1, 1, 2))) is None
    assert minus(Exponential(2, 0, 0.0, -(2**31), (1,)), Exponential(2, 0, 0.0, 2**31 - 1, (1,))) is None


@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=3), st.integers(0, 400))
def test_few_bins_hold_the_same_events_within_the_same_bounds(counts, room):
    buckets = Explicit((0.1, 0.5), tuple(counts))
    fine = in_bins(buckets, unit_ns=SECOND)
    few = in_few_bins(buckets, room, unit_ns=SECOND)
    if few is None:
        assert len(fine) <= room
        return
    assert len(few) <= 3
    assert list(few) == sorted(few)
    for edge in (bin_of(10**8), bin_of(5 * 10**8), 2_000):
        assert sum(n for each, n in few.items() if each <= edge) == sum(n for each, n in fine.items() if each <= edge)


def test_other_bounds_cannot_be_subtracted():
    assert not alike(Explicit((1.0,), (3, 4)), Explicit((2.0,), (3, 4)))
    assert not alike(Explicit((1.0,), (3, 4)), Exponential(2, 0, 0.0, 5, (1, 2)))
    assert not alike(Exponential(2, 0, 0.1, 5, (1,)), Exponential(2, 0, 0.0, 5, (1,)))


def test_what_buckets_without_events_would_bound_is_not_worked_out(monkeypatch):
    """They are a byte each on the wire, and nothing in gzip."""
    worked_out = []
    real = buckets.exp2
    monkeypatch.setattr(buckets, "exp2", lambda power: (worked_out.append(power), real(power))[1])
    sparse = Exponential(20, 0, 0.0, -5_000, (*[0] * 9_998, 3, 1))
    assert sum(in_bins(sparse, unit_ns=10**9).values()) == 4
    assert len(worked_out) == 4
