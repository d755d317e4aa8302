"""The incomplete beta function, against other ways to it."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_alerting.evaluating.certainty import beta_below, probability_above

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
