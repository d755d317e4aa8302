"""`/v1/forecasts` and `/v1/burst-pools`, over HTTP and a real store."""

from __future__ import annotations

import pytest

from maibo_slo.store.forecasts import Forecasted, insert


def test_a_target_without_forecasts_says_so(service) -> None:
    answer = service.http.get("/v1/forecasts/shop/checkout-api", params={"window": "1h"}).json()

    assert (answer["abstained"], answer["levels"], answer["forecasts"], answer["wape"]) == (
        "no forecast was made yet",
        [],
        0,
        None,
    )


def test_the_newest_forecast_and_how_they_did(service) -> None:
    minute = int(service.now) // 60 * 60
    said = {0.1: 8.0, 0.5: 10.0, 0.9: 14.0}
    made = [
        Forecasted("shop", "checkout-api", minute - 600, minute - 500, "day", "", 1.0, said, came=12.0),
        Forecasted("shop", "checkout-api", minute - 540, minute - 440, "persistence", "why not", 1.0, said, came=15.0),
        Forecasted("shop", "checkout-api", minute, minute + 100, "day", "", 2.0, {0.5: 20.0, 0.9: 28.0, 0.1: 16.0}),
    ]
    insert(service.store, made)

    answer = service.http.get("/v1/forecasts/shop/checkout-api", params={"series": "true"}).json()

    assert (answer["model"], answer["expected_factor"], answer["quantile"]) == ("day", 2.0, 0.9)
    assert (answer["forecasts"], answer["acted"]) == (2, 1)
    assert answer["wape"] == pytest.approx((2 + 5) / 27)
    [level] = [each for each in answer["levels"] if each["level"] == 0.9]
    assert (level["rate"], level["coverage"]) == (28.0, 0.5)
    assert level["under_share"] == pytest.approx(1 / 27)
    assert [(each["middle"], each["ready_for"], each["came"], each["acted"]) for each in answer["series"]] == [
        (10.0, 14.0, 12.0, True),
        (10.0, 14.0, 15.0, False),
    ]


def test_an_unknown_target_is_a_404_that_names_the_nearest(service) -> None:
    for path in ("forecasts", "burst-pools"):
        answer = service.http.get(f"/v1/{path}/shop/chekout-api")

        assert answer.status_code == 404
        assert "did you mean 'shop/checkout-api'?" in answer.json()["detail"]
    assert service.http.get("/v1/forecasts/other/checkout-api").status_code == 404


def test_a_burst_pool_of_unknown_growth_has_no_size(service) -> None:
    answer = service.http.get("/v1/burst-pools/shop/checkout-api", params={"window": "1h"}).json()

    assert (answer["declared"], answer["growth"], answer["pods"], answer["pod_hours"]) == (False, None, None, None)
    assert answer["quantile"] == 0.99
