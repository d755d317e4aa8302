"""Burn rates and the pairs of windows that judge them."""

import pytest

from maibo_slo.engine.burn import BURN_WINDOWS, burn_rate, fast_pairs

DAY = 86_400


def test_the_windows_are_those_of_the_workbook() -> None:
    assert BURN_WINDOWS == {"5m": 300, "30m": 1800, "1h": 3600, "2h": 7200, "6h": 21600, "1d": DAY, "3d": 3 * DAY}


def test_a_burn_of_one_spends_exactly_the_budget() -> None:
    assert burn_rate(999, 1, target=0.999) == pytest.approx(1.0)
    assert burn_rate(0, 10, target=0.999) == pytest.approx(1000.0)


def test_without_events_there_is_no_burn_rate() -> None:
    assert burn_rate(0, 0, target=0.999) is None


@pytest.mark.parametrize(
    ("days", "hour", "six_hours"), [(7, 3.36, 1.4), (14, 6.72, 2.8), (28, 13.44, 5.6), (30, 14.4, 6), (90, 43.2, 18)]
)
def test_factors_follow_the_length_of_the_slos_window(days: int, hour: float, six_hours: float) -> None:
    first, second = fast_pairs(days * DAY, target=0.999)
    assert (first.factor, second.factor) == (pytest.approx(hour), pytest.approx(six_hours))


def test_a_short_window_never_makes_a_burn_below_one_count() -> None:
    assert [pair.factor for pair in fast_pairs(DAY, target=0.999)] == [1.0, 1.0]
