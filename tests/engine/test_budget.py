"""Budget maths: worked examples, and the errors that people make."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.engine.budget import budget, error_budget


@pytest.mark.parametrize(
    ("target", "allowed"), [(0.999, 0.001), (0.99, 0.01), (0.9, 0.1), (0.9995, 0.0005), (0.999999, 0.000001)]
)
def test_the_error_budget_is_exact_in_decimal(target: float, allowed: float) -> None:
    assert error_budget(target) == allowed  # 1 - 0.999 in binary is 0.0010000000000000009


def test_a_hand_worked_budget() -> None:
    # 1 200 000 events at 99 %: 12 000 may be bad, 3 000 are: a quarter is spent.
    done = budget(1_197_000, 3_000, target=0.99, elapsed=1.0)
    assert done.budget_events == 12_000
    assert done.attainment == 0.9975
    assert done.remaining == 0.75
    assert done.projected == 0.75


def test_no_events_are_no_data_and_not_a_hundred_percent() -> None:
    done = budget(0, 0, target=0.999, elapsed=1.0)
    assert (done.attainment, done.remaining, done.projected) == (None, None, None)
    assert done.budget_events == 0


def test_on_day_one_of_thirty_the_projection_does_not_panic() -> None:
    done = budget(99_700, 300, target=0.999, elapsed=1 / 30)
    assert done.remaining == pytest.approx(-2.0)
    assert done.projected == pytest.approx(0.9)


def test_a_busy_day_outweighs_a_quiet_night() -> None:
    # E1: day 300 000 requests per 5 min at 0.05 % errors, night 300 at 10 %. A mean of the ratios says 5 % bad.
    day, night = 12 * 12 * 300_000, 12 * 12 * 300
    bad = int(day * 0.0005) + int(night * 0.1)
    done = budget(day + night - bad, bad, target=0.999, elapsed=1.0)
    assert done.remaining == pytest.approx(0.4006, abs=1e-3)


def test_a_budget_spent_to_the_last_event_is_zero_and_not_minus_zero() -> None:
    done = budget(999, 1, target=0.999, elapsed=1.0)
    assert done.remaining == 0
    assert math.copysign(1, done.remaining or 0.0) == 1


@given(
    good=st.integers(0, 10**9),
    bad=st.integers(0, 10**9),
    target=st.decimals("0.001", "0.99999", places=5).map(float),
    elapsed=st.floats(1e-6, 1.0),
)
def test_numbers_are_finite_and_consistent(good: int, bad: int, target: float, elapsed: float) -> None:
    done = budget(good, bad, target=target, elapsed=elapsed)
    if good + bad == 0:
        return
    assert done.attainment is not None
    assert done.remaining is not None
    assert done.projected is not None
    assert 0 <= done.attainment <= 1
    assert math.isfinite(done.remaining)
    assert done.remaining <= done.projected <= 1
    assert bad <= done.budget_events or done.remaining < 1e-9
    assert "-0.0" not in {str(done.remaining), str(done.projected)}
