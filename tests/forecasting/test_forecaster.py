"""The forecaster: each minute anew, with what came kept beside, over failures and restarts."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from maibo_slo.documents.scaling_kinds import ExpectedLoad, ForecastSpec
from maibo_slo.engine.forecasting import Asked, Forecaster
from maibo_slo.engine.forecasting.forecaster import IN_USE_SECONDS, LOOK_BACK_MINUTES, REFIT_SECONDS
from maibo_slo.engine.forecasting.gate import LEARNED_MINUTES
from maibo_slo.engine.scaling.inputs import Lead
from maibo_slo.errors import StoreError
from maibo_slo.store.forecasts import forecasts

DAY = 1440
BEGIN = 1_800_000_000 // 86_400 * 86_400
NOW = BEGIN + 10 * 86_400
KEY = ("shop", "checkout-api")


class Demand:
    """What came by the minute from `BEGIN` on; who asks is written down."""

    def __init__(self, rates):
        self.rates = rates
        self.asked: list[tuple[str, int]] = []
        self.fails = False

    def __call__(self, target, begin, end, /):
        self.asked.append((target.name, (end - begin) // 60))
        if self.fails:
            raise StoreError("the store is away")
        found = np.full((end - begin) // 60, np.nan)
        at = np.arange((begin - BEGIN) // 60, (end - BEGIN) // 60)
        known = (at >= 0) & (at < len(self.rates))
        found[known] = self.rates[at[known]]
        return found


@pytest.fixture
def demand(day_curve):
    return Demand(day_curve(11))


def test_each_target_gets_its_forecast_of_the_last_whole_minute(demand, target) -> None:
    forecaster = Forecaster(demand)

    made = forecaster.refresh([Asked(target(), 90), Asked(target("cart"), 600)], now=NOW + 7.5)

    assert {key: (each.made_at, each.at - each.made_at) for key, each in made.items()} == {
        ("shop", "checkout-api"): (NOW, 90 + IN_USE_SECONDS),
        ("shop", "cart"): (NOW, 600 + IN_USE_SECONDS),
    }
    assert forecaster.forecast(*KEY, now=NOW + 7.5) is made[KEY]
    gate = forecaster.gate(*KEY)
    assert gate is not None
    assert gate.model in {"trend", "day", "week"}
    assert forecaster.forecast("shop", "unknown", now=NOW) is None


def test_a_forecast_is_still_ahead_when_the_next_takes_its_place(demand, target) -> None:
    """Of a lead time of seconds too: what is decided with it is ready after the moment that it is of, or at it."""
    made = Forecaster(demand).refresh([Asked(target(), 5)], now=NOW + 6)[KEY]

    assert made.at >= NOW + 60 + 6 + 5


def test_the_level_that_a_target_is_made_ready_for_is_among_the_quantiles(demand, target) -> None:
    asked = Asked(target(forecast=ForecastSpec(quantile=0.97)), 90)

    made = Forecaster(demand).refresh([asked], now=NOW)

    assert 0.97 in made[KEY].quantiles


def test_a_minute_later_only_what_is_new_is_read_and_an_hour_later_all_of_it(demand, target) -> None:
    forecaster = Forecaster(demand)
    asked = [Asked(target(), 600)]

    for later in (0, 60, 240, REFIT_SECONDS):
        forecaster.refresh(asked, now=NOW + later)

    assert [minutes for _, minutes in demand.asked] == [
        LEARNED_MINUTES,
        LOOK_BACK_MINUTES + 1,
        LOOK_BACK_MINUTES + 3,
        LEARNED_MINUTES,
    ]


def test_a_document_that_names_other_services_is_forecast_from_their_history(demand, target) -> None:
    forecaster = Forecaster(demand)
    for later, services in enumerate((("checkout-api",), ("checkout-api", "checkout-worker"))):
        forecaster.refresh([Asked(target(services=services), 600)], now=NOW + 60 * later)

    assert [minutes for _, minutes in demand.asked] == [LEARNED_MINUTES, LEARNED_MINUTES]


def test_a_history_that_was_refused_is_looked_at_again_before_the_hour_is_over(demand, target) -> None:
    silent = demand.rates.copy()
    silent[10 * DAY - 30 : 10 * DAY] = np.nan
    demand.rates = silent
    forecaster = Forecaster(demand)
    asked = [Asked(target(), 600)]
    assert "stale" in forecaster.refresh(asked, now=NOW)[KEY].abstained

    said = [forecaster.refresh(asked, now=NOW + 60 * minute)[KEY].abstained for minute in range(1, 6)]

    assert "no model was tried yet" in said[-2]
    assert said[-1] == ""


def test_what_is_read_piece_by_piece_is_what_there_is(demand, target) -> None:
    piecewise, whole = Forecaster(demand), Forecaster(demand)
    asked = [Asked(target(), 600)]

    for minute in range(0, 12, 4):
        piecewise.refresh(asked, now=NOW + 60 * minute)
    whole.refresh(asked, now=NOW + 480)

    pieces, all_of_it = piecewise.history(*KEY), whole.history(*KEY)
    assert pieces is not None
    assert all_of_it is not None
    assert np.array_equal(pieces, all_of_it, equal_nan=True)
    assert len(all_of_it) == LEARNED_MINUTES


def test_a_history_that_fails_leaves_the_others_alone_and_grows_old_in_words(demand, target, caplog) -> None:
    forecaster = Forecaster(demand)
    asked = [Asked(target(), 600)]
    first = forecaster.refresh(asked, now=NOW)[KEY]
    assert first.abstained == ""
    demand.fails = True

    with caplog.at_level(logging.WARNING):
        for minute in range(1, 7):
            forecaster.refresh(asked, now=NOW + 60 * minute)

    assert forecaster.forecast(*KEY, now=NOW + 300) is first
    old = forecaster.forecast(*KEY, now=NOW + 360)
    assert old is not None
    assert old.abstained == "it is 360 s old: its history cannot be read: the store is away"
    assert len(caplog.records) == 1, "told once, not each minute"

    demand.fails = False
    assert forecaster.refresh(asked, now=NOW + 420)[KEY].made_at == NOW + 420


def test_a_lead_time_of_days_is_seen_half_a_day_ahead(demand, target) -> None:
    made = Forecaster(demand).refresh([Asked(target(), 48 * 3600)], now=NOW)

    assert made[KEY].at == NOW + 12 * 3600


def test_a_history_that_raises_whatever_it_likes_is_its_targets_matter_alone(demand, target) -> None:
    def history(of, begin, end, /):
        if of.name == "cart":
            raise KeyError("no such service")
        return demand(of, begin, end)

    made = Forecaster(history).refresh([Asked(target("cart"), 60), Asked(target(), 60)], now=NOW)

    assert list(made) == [KEY]


def test_a_history_of_another_length_is_none(target) -> None:
    made = Forecaster(lambda target, begin, end: np.ones(7)).refresh([Asked(target(), 60)], now=NOW)

    assert made == {}


def test_fitting_is_bounded_in_a_round_and_goes_on_with_the_next(demand, target) -> None:
    forecaster = Forecaster(demand, work_seconds=0.0)
    asked = [Asked(target(name), 60) for name in ("one", "two", "three")]

    made = [len(forecaster.refresh(asked, now=NOW + 60 * minute)) for minute in range(3)]

    assert made == [1, 2, 3]


def test_a_target_without_forecast_has_none_and_one_that_goes_is_forgotten(demand, target) -> None:
    forecaster = Forecaster(demand)
    off = Asked(target(forecast=ForecastSpec(enabled=False)), 60)
    forecaster.refresh([Asked(target(), 60)], now=NOW)

    assert forecaster.refresh([off], now=NOW + 60) == {}
    assert forecaster.refresh([], now=NOW + 120) == {}
    assert forecaster.gate(*KEY) is None


def test_known_events_of_the_document_are_in_what_is_said(demand, target) -> None:
    sale = ExpectedLoad(NOW, NOW + 7200, 3.0, "sale")

    made = Forecaster(demand).refresh([Asked(target(expected=(sale,)), 600)], now=NOW)

    assert made[KEY].expected_factor == 3.0


def test_a_restart_forecasts_by_the_gate_that_was_before_it(demand, target, tmp_path) -> None:
    path = tmp_path / "forecasts.json"
    asked = [Asked(target(), 600)]
    before = Forecaster(demand, path=path)
    before.refresh(asked, now=NOW)
    demand.asked.clear()

    after = Forecaster(demand, path=path)
    made = after.refresh(asked, now=NOW + 60)

    assert after.gate(*KEY) == before.gate(*KEY)
    assert made == before.refresh(asked, now=NOW + 60)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 0, "gates": []}', '{"format": 1, "gates": [{}]}'])
def test_a_damaged_memory_is_fitted_again(demand, target, tmp_path, text) -> None:
    path = tmp_path / "forecasts.json"
    path.write_text(text)

    made = Forecaster(demand, path=path).refresh([Asked(target(), 600)], now=NOW)

    assert KEY in made


def test_a_memory_that_cannot_be_written_costs_no_forecast(demand, target, tmp_path, caplog) -> None:
    made = Forecaster(demand, path=tmp_path / "none" / "forecasts.json").refresh([Asked(target(), 600)], now=NOW)

    assert KEY in made
    assert "cannot be remembered" in caplog.text


def test_each_forecast_is_kept_and_what_came_is_written_beside_it(demand, target, store) -> None:
    forecaster = Forecaster(demand, store=store)
    asked = [Asked(target(), 60)]

    for minute in range(6):
        forecaster.refresh(asked, now=NOW + 60 * minute)

    kept = forecasts(store, *KEY, begin=NOW, end=NOW + 3600)
    rates = demand.rates[10 * DAY :]
    assert [each.made_at for each in kept] == [NOW + 60 * minute for minute in range(6)]
    # The first is of the third minute, whose end is two minutes ago now: what it came to is settled.
    assert [each.came for each in kept] == [pytest.approx(rates[2]), None, None, None, None, None]


def test_what_has_no_number_is_not_kept_but_told_with_its_lead_time(demand, target, store) -> None:
    demand.rates = np.full(10 * DAY, np.nan)
    demand.rates[-30:] = 20.0
    forecaster = Forecaster(demand, store=store)

    forecaster.refresh([Asked(target("young"), 90, "assumed")], now=NOW)

    said = forecaster.forecast("shop", "young", now=NOW)
    assert said is not None
    assert "is short: 0.5 h are known" in said.abstained
    assert forecasts(store, "shop", "young", begin=NOW - DAY * 60, end=NOW + DAY * 60) == []
    assert forecaster.lead("shop", "young") == Lead(90, "assumed")


def test_what_came_during_an_outage_is_written_after_it(demand, target, store) -> None:
    Forecaster(demand, store=store).refresh([Asked(target(), 60)], now=NOW)

    Forecaster(demand, store=store).refresh([Asked(target(), 60)], now=NOW + 6 * 3600)

    [made, _] = forecasts(store, *KEY, begin=NOW, end=NOW + 86_400)
    assert made.came == pytest.approx(demand.rates[10 * DAY + 2])


def test_a_store_that_is_away_costs_no_forecast(demand, target, store, caplog) -> None:
    forecaster = Forecaster(demand, store=store)
    store.close()

    made = forecaster.refresh([Asked(target(), 60)], now=NOW)

    assert KEY in made
    assert "could not be kept" in caplog.text
