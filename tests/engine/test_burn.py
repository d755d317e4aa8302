"""Burn rates and the pairs of windows that judge them."""

import pytest

from maibo_slo.engine.burn import BURN_WINDOWS, Counts, Pair, burn_rate, fast_pairs, reached, slow_pair

DAY = 86_400


def both(long: Counts, short: Counts, pair: Pair) -> dict[int, Counts]:
    return {pair.long_seconds: long, pair.short_seconds: short}


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


def test_a_low_target_can_still_be_reached_by_a_total_outage() -> None:
    for target in (0.9, 0.8, 0.5):
        for pair in fast_pairs(28 * DAY, target=target):
            outage = Counts(0, 1000, 5)
            assert reached(pair, both(outage, outage, pair), target=target)


def test_both_windows_must_burn() -> None:
    pair = fast_pairs(30 * DAY, target=0.999)[0]
    burning, calm = Counts(900, 100, 5), Counts(1000, 0, 5)
    assert reached(pair, both(burning, burning, pair), target=0.999)
    assert not reached(pair, both(burning, calm, pair), target=0.999)  # it was, it is no more
    assert not reached(pair, both(calm, burning, pair), target=0.999)  # a moment's trouble
    assert not reached(pair, both(burning, Counts(0, 0, 0), pair), target=0.999)  # no data is no burn


def test_one_failure_among_a_new_services_first_requests_is_no_alarm() -> None:
    pair = fast_pairs(30 * DAY, target=0.999)[0]
    few = Counts(8, 2, 1)
    assert burn_rate(8, 2, target=0.999) == pytest.approx(200)
    assert not reached(pair, both(few, few, pair), target=0.999)
    enough = Counts(8, 3, 1)
    assert reached(pair, both(enough, enough, pair), target=0.999)


def test_a_burn_of_exactly_one_ends_inside_the_budget() -> None:
    steady, over = Counts(99_000, 1_000, 360), Counts(98_900, 1_100, 360)
    assert not reached(slow_pair(), both(steady, steady, slow_pair()), target=0.99)
    assert reached(slow_pair(), both(over, over, slow_pair()), target=0.99)
