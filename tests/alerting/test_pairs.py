"""Windows and factors, fitted to an SLO."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_alerting.pairs import left_out, pairs
from maibo_slo.engine.burn import alerted_pairs, fast_pairs

DAY = 86_400
TARGETS = st.integers(1, 99_999).map(lambda n: n / 100_000)


@pytest.mark.parametrize(
    ("days", "factors"),
    [
        (30, [14.4, 6, 3, 1]),
        (28, [13.44, 5.6, 2.8, 1]),
        (7, [3.36, 1.4, 1, 1]),
        (90, [43.2, 18, 9, 3]),
    ],
)
def test_factors_are_scaled_to_the_window_and_never_below_one(days: int, factors: list[float]) -> None:
    assert [round(pair.factor, 9) for pair in pairs(days * DAY, target=0.999)] == factors


@given(target=TARGETS, days=st.integers(1, 365))
def test_every_factor_can_be_reached_and_is_worth_it(target: float, days: int) -> None:
    for pair in pairs(days * DAY, target=target):
        assert pair.factor >= 1
        # with a target under 10 %, "nine of ten are bad" still is inside the budget: 1 stands
        assert pair.factor * (1 - target) <= max(0.9, 1 - target) + 1e-9


@given(target=TARGETS, days=st.integers(1, 365))
def test_the_pager_and_the_page_agree(target: float, days: int) -> None:
    paging = [pair for pair in pairs(days * DAY, target=target) if pair.shape.severity == "page"]
    engine = fast_pairs(days * DAY, target=target)
    assert [(pair.long_seconds, pair.factor) for pair in paging] == [
        (pair.long_seconds, pytest.approx(pair.factor)) for pair in engine
    ]


@given(target=TARGETS, days=st.integers(1, 365))
def test_the_engine_tells_of_every_pair_that_alerts(target: float, days: int) -> None:
    alerting = {pair.shape.long: (pair.short_seconds, pair.factor) for pair in pairs(days * DAY, target=target)}
    engine = alerted_pairs(days * DAY, target=target)
    assert {long: (pair.short_seconds, pair.factor) for long, pair in engine.items()} == alerting


def test_what_was_fitted_is_told() -> None:
    notes = {pair.shape.long: pair.note for pair in pairs(28 * DAY, target=0.9)}
    assert notes["1h"].startswith("factor 13.44 lowered to 9:")
    assert notes["6h"] == ""
    assert notes["3d"].startswith("factor 0.933333 raised to 1:")


def test_windows_longer_than_the_slos_are_left_out() -> None:
    assert [pair.shape.long for pair in pairs(DAY, target=0.99)] == ["1h", "6h", "1d"]
    assert [shape.long for shape in left_out(DAY)] == ["3d"]
    assert [shape.long for shape in left_out(28 * DAY)] == []
