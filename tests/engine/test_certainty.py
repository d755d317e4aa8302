"""The incomplete beta function, against other ways to it."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_slo.engine.certainty import FEW, MANY, beta_below, beta_quantile, credible_interval, probability_above

SHARES = st.floats(0.0001, 0.9999)


def exact_of_whole_numbers(x: Fraction, a: int, b: int) -> Fraction:
    """I_x(a, b) is the probability of a successes or more in a + b - 1 trials."""
    n = a + b - 1
    return sum((math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1)), Fraction(0))


def from_the_arcsine(x: float, bad: int, good: int) -> float:
    """I_x(bad + 1/2, good + 1/2), raised from the arcsine law's I_x(1/2, 1/2) one by one."""
    value, a, b = 2 / math.pi * math.asin(math.sqrt(x)), 0.5, 0.5

    def step(a: float, b: float) -> float:
        return math.exp(a * math.log(x) + b * math.log1p(-x)) * math.exp(
            math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        )

    for _ in range(bad):
        value -= step(a, b) / a
        a += 1
    for _ in range(good):
        value += step(a, b) / b
        b += 1
    return value


@given(thousandths=st.integers(1, 999), a=st.integers(1, 60), b=st.integers(1, 60))
def test_it_is_the_binomial_tail_for_whole_numbers(thousandths: int, a: int, b: int) -> None:
    exact = float(exact_of_whole_numbers(Fraction(thousandths, 1000), a, b))
    assert beta_below(thousandths / 1000, a, b) == pytest.approx(exact, abs=1e-11)


@given(x=SHARES, bad=st.integers(0, 100), good=st.integers(0, 300))
def test_it_is_what_the_arcsine_law_grows_into(x: float, bad: int, good: int) -> None:
    assert 1 - probability_above(x, bad=bad, events=bad + good) == pytest.approx(
        from_the_arcsine(x, bad, good), abs=1e-9
    )


@given(x=SHARES, a=st.floats(0.5, 200), b=st.floats(0.5, 1e6))
def test_it_is_symmetric_and_a_probability(x: float, a: float, b: float) -> None:
    assert beta_below(x, a, b) == pytest.approx(1 - beta_below(1 - x, b, a), abs=1e-8)
    assert -1e-9 <= beta_below(x, a, b) <= 1 + 1e-9


@given(share=SHARES, bad=st.integers(0, 50), good=st.integers(0, 5000))
def test_more_failures_among_as_many_events_make_it_surer(share: float, bad: int, good: int) -> None:
    events = bad + good + 1
    assert (
        probability_above(share, bad=bad + 1, events=events) >= probability_above(share, bad=bad, events=events) - 1e-9
    )


def test_many_events_come_to_the_normal_law() -> None:
    events, share = 1_000_000, 0.0001
    above = probability_above(share, bad=100 + 16.45, events=events)
    assert above == pytest.approx(0.95, abs=0.01)


def test_the_ends_are_certain() -> None:
    assert beta_below(0, 1, 1) == 0
    assert beta_below(1, 1, 1) == 1


@settings(max_examples=50, deadline=None)
@given(bad=st.integers(0, 300), good=st.integers(0, 20_000))
def test_the_interval_holds_what_was_seen_and_19_of_20_chances(bad: int, good: int) -> None:
    interval = credible_interval(bad, bad + good)
    if bad + good == 0:
        assert interval is None
        return
    assert interval is not None
    assert 0 <= interval.lower <= bad / (bad + good) <= interval.upper <= 1
    tails = [beta_below(end, bad + 0.5, good + 0.5) for end in (interval.lower, interval.upper)]
    assert tails == [
        pytest.approx(0.025 if bad else 0.0, abs=1e-4),
        pytest.approx(0.975 if good else 1.0, abs=1e-4),
    ]


@pytest.mark.parametrize("events", [MANY + 1, 10 * MANY, 100 * MANY])
@pytest.mark.parametrize("bad", [0, 1, FEW - 1, FEW, 10 * FEW])
def test_what_takes_the_place_of_the_search_is_good_to_a_thousandth(bad: int, events: int) -> None:
    interval = credible_interval(bad, events)
    assert interval is not None
    searched = [beta_quantile(end, bad + 0.5, events - bad + 0.5) for end in (0.025, 0.975)]
    assert interval.upper == pytest.approx(searched[1], rel=1e-3)
    assert interval.lower == (pytest.approx(searched[0], rel=1e-3) if bad else 0)


def test_all_bad_is_all_good_in_a_mirror() -> None:
    good, bad = credible_interval(2, 30), credible_interval(28, 30)
    assert good is not None
    assert bad is not None
    assert bad.lower == pytest.approx(1 - good.upper)
    assert bad.upper == pytest.approx(1 - good.lower)
