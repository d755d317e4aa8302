"""Forecasts in the store beside what came, and how good they were, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maibo_slo.store import forecasts
from maibo_slo.store.forecasts import Forecasted, accuracy, accuracy_of, fill, insert

NOON = 1_800_014_400
MADE = Forecasted("shop", "checkout-api", NOON, NOON + 90, "day", "", 1.5, {0.5: 10.0, 0.9: 14.25})


def test_a_forecast_is_read_as_it_was_written(store) -> None:
    other = replace(MADE, target="cart", abstained="it is worse than persistence", model="persistence")

    insert(store, [MADE, other])

    assert forecasts.forecasts(store, "shop", "checkout-api", begin=NOON, end=NOON + 600) == [MADE]
    assert forecasts.forecasts(store, "shop", "cart", begin=NOON, end=NOON + 600) == [other]
    assert forecasts.forecasts(store, "shop", "cart", begin=NOON, end=NOON + 90) == []


def test_what_came_is_written_beside_its_forecasts_once_it_is_known(store) -> None:
    later = replace(MADE, made_at=NOON + 60, at=NOON + 150)
    cart = replace(MADE, target="cart")
    insert(store, [MADE, later, cart])
    assert MADE.minute == NOON + 60

    filled = fill(store, {("shop", "checkout-api"): {NOON: 8.0, NOON + 60: 12.0}}, begin=NOON, end=NOON + 600)
    again = fill(store, {("shop", "checkout-api"): {NOON + 60: 99.0, NOON + 120: 0.0}}, begin=NOON, end=NOON + 600)

    assert (filled, again) == (1, 1)
    kept = forecasts.forecasts(store, "shop", "checkout-api", begin=NOON, end=NOON + 600)
    assert [each.came for each in kept] == [12.0, 0.0]
    assert forecasts.forecasts(store, "shop", "cart", begin=NOON, end=NOON + 600) == [cart]


def test_a_forecast_made_again_after_a_restart_does_not_lose_what_came(store) -> None:
    insert(store, [replace(MADE, came=12.0)])
    insert(store, [MADE])

    [kept] = forecasts.forecasts(store, "shop", "checkout-api", begin=NOON, end=NOON + 600)

    assert kept.came == 12.0


def test_the_minute_of_a_forecast_is_the_one_that_its_moment_ends_in() -> None:
    assert [replace(MADE, at=NOON + seconds).minute - NOON for seconds in (1, 59, 60, 61, 120)] == [0, 0, 0, 60, 60]


def test_accuracy_is_as_worked_out_by_hand() -> None:
    made = [
        replace(MADE, made_at=NOON, at=NOON + 60, came=10.0),
        replace(MADE, made_at=NOON + 60, at=NOON + 120, came=20.0),
        replace(MADE, made_at=NOON + 120, at=NOON + 180, came=5.0, abstained="why not"),
        replace(MADE, made_at=NOON + 180, at=NOON + 240, came=None),
    ]

    found = accuracy_of(made)

    assert found is not None
    assert (found.forecasts, found.acted) == (3, 2)
    # At the median said 10: |0|, |10|, |-5| halved. At 0.9 said 14.25: 0.1 x 4.25, 0.9 x 5.75, 0.1 x 9.25.
    assert found.pinball == pytest.approx({0.5: (0 + 5 + 2.5) / 3, 0.9: (0.425 + 5.175 + 0.925) / 3})
    assert found.coverage == pytest.approx({0.5: 2 / 3, 0.9: 2 / 3})
    assert found.under_share == pytest.approx({0.5: 10 / 35, 0.9: 5.75 / 35})
    assert found.wape == pytest.approx(15 / 35)
    # Before the second came 10 (then 20), before the third 20 (then 5): growths 2 and 1/4, median 1.125, 0.9-quantile 1.825.
    assert found.compared == 2
    assert found.persistence_pinball == pytest.approx(
        {0.5: (0.5 * (20 - 11.25) + 0.5 * (22.5 - 5)) / 2, 0.9: (0.9 * (20 - 18.25) + 0.1 * (36.5 - 5)) / 2}
    )
    assert found.compared_pinball == pytest.approx({0.5: (5 + 2.5) / 2, 0.9: (5.175 + 0.925) / 2})


def test_accuracy_of_nothing_is_none_and_of_silence_has_no_share() -> None:
    silent = accuracy_of([replace(MADE, came=0.0)])

    assert accuracy_of([MADE]) is None
    assert silent is not None
    assert (silent.wape, silent.under_share, silent.compared, silent.persistence_pinball) == (
        None,
        {0.5: 0, 0.9: 0},
        0,
        {},
    )


def test_forecasts_of_levels_that_are_no_longer_asked_for_are_left_out() -> None:
    old = replace(MADE, came=10.0, quantiles={0.5: 1.0})
    new = replace(MADE, made_at=NOON + 60, at=NOON + 120, came=10.0)

    found = accuracy_of([old, new])

    assert found is not None
    assert found.forecasts == 1
    assert found.pinball[0.5] == 0


def test_accuracy_is_of_the_window_that_was_asked_for(store) -> None:
    insert(store, [replace(MADE, came=10.0), replace(MADE, made_at=NOON + 600, at=NOON + 690, came=20.0)])

    found = accuracy(store, "shop", "checkout-api", begin=NOON + 600, end=NOON + 1200)

    assert found is not None
    assert (found.forecasts, found.wape) == (1, 0.5)
    assert accuracy(store, "shop", "cart", begin=NOON, end=NOON + 1200) is None
