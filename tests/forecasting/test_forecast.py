"""Forecasts: what they say, when they abstain, and what known events do."""

from __future__ import annotations

import csv
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maibo_slo.documents.scaling_kinds import ExpectedLoad
from maibo_slo.engine.forecasting import LEVELS, forecast, gate_of
from maibo_slo.engine.forecasting.forecast import MOST_TIMES
from maibo_slo.engine.forecasting.gate import fit, pinball
from maibo_slo.engine.forecasting.models import fit_model
from maibo_slo.engine.forecasting.series import Logs, factor_at, lead_minutes, without_expected

DAY = 1440
NOW = 1_800_000_000
TRACES = Path(__file__).parents[3] / "shared" / "traces"


def test_a_clean_day_curve_is_acted_upon_and_met(day_curve) -> None:
    days = day_curve(11)
    history, came = days[: 10 * DAY + 300], days[10 * DAY + 300 + 60 - 1]

    said = forecast(history, now=NOW, lead_seconds=3600)

    assert said.abstained == ""
    assert said.model in {"day", "week"}
    assert (said.made_at, said.at) == (NOW, NOW + 3600)
    assert said.quantiles[0.1] < came * 1.02
    assert said.quantiles[0.5] == pytest.approx(came, rel=0.04)
    assert said.quantiles[0.99] > came * 0.98


def test_coverage_on_a_clean_day_curve_is_what_the_level_says(day_curve) -> None:
    days = day_curve(11)
    gate = gate_of(days[: 10 * DAY], now=NOW, lead_seconds=600)
    asked = range(10 * DAY, 11 * DAY - 10, 3)

    met = [days[at + 9] <= forecast(days[:at], now=NOW, lead_seconds=600, gate=gate).quantiles[0.9] for at in asked]

    assert 0.85 < np.mean(met) < 0.95


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("lead", [60, 600, 3600])
def test_a_random_walk_is_left_alone_in_words(random_walk, seed, lead) -> None:
    said = forecast(random_walk(seed), now=NOW, lead_seconds=lead)

    assert "persistence" in said.abstained
    assert said.model == "persistence"


def test_what_abstains_still_says_persistence_with_its_spread(random_walk) -> None:
    walk = random_walk(1)

    said = forecast(walk, now=NOW, lead_seconds=60)

    assert said.quantiles[0.5] == pytest.approx(walk[-1], rel=0.01)
    assert said.quantiles[0.1] < walk[-1] < said.quantiles[0.9]


def test_noise_around_a_level_is_known_for_noise() -> None:
    """Persistence takes each minute's chance for a change; a trend model knows better, and its P90 is lower after a lucky minute."""
    calls = np.random.default_rng(5).poisson(40, 7 * DAY) / 60
    calls[-1] = calls.mean() * 1.6

    said = forecast(calls, now=NOW, lead_seconds=60)

    assert said.abstained == ""
    assert said.quantiles[0.5] == pytest.approx(calls.mean(), rel=0.2)


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (np.zeros(0), "no demand is known yet"),
        (np.full(DAY, np.nan), "no demand is known yet"),
        (np.full(30, 10.0), "is short: 0.5 h are known"),
        (np.full(5 * 60, 10.0), "is short: 5.0 h are known, 12 h are needed"),
        (np.full(11 * 60, 10.0), "is short: 11.0 h are known, 12 h are needed"),
        (np.r_[np.full(3 * DAY, 10.0), np.full(10, np.nan)], "is stale: the newest known minute is 10 minutes old"),
        (np.r_[np.full(2 * DAY, 10.0), np.tile([10.0, np.nan], DAY // 2)], "has gaps: only 50% of the last day is known"),
        (
            np.r_[np.full(60, 10.0), np.full(3 * DAY, np.nan), np.full(3 * DAY, 10.0)],
            "has gaps: only 50% of the history is known",
        ),
        (np.full(3 * DAY, 10.0), "nothing ever changed"),
        (np.zeros(3 * DAY), "nothing ever changed"),
    ],
)  # fmt: skip
def test_a_history_to_learn_nothing_from_is_refused_in_words(history, words) -> None:
    said = forecast(history, now=NOW, lead_seconds=60)

    assert words in said.abstained
    assert all(np.isfinite(list(said.quantiles.values())))


@pytest.mark.parametrize(
    "history",
    [np.full(59, 10.0), np.r_[np.full(3 * DAY, 10.0), np.full(13, np.nan)], np.full(DAY, np.nan)],
    ids=["short", "stale", "unknown"],
)
def test_where_there_is_no_spread_or_no_fresh_minute_no_number_is_told(history) -> None:
    """A line that is drawn on, as wide as nothing, would look like certainty."""
    said = forecast(history, now=NOW, lead_seconds=60)

    assert said.abstained
    assert said.quantiles == {}


def test_a_short_history_of_hours_abstains_with_a_spread_that_was_measured(random_walk) -> None:
    said = forecast(random_walk(2)[: 4 * 60], now=NOW, lead_seconds=60)

    assert "is short: 4.0 h are known" in said.abstained
    assert said.quantiles[0.1] < said.quantiles[0.5] < said.quantiles[0.9]


def test_why_it_abstains_is_of_now_and_not_of_when_the_gate_was_made(day_curve) -> None:
    gate = gate_of(np.full(DAY, np.nan), now=NOW, lead_seconds=60)
    assert gate.abstained == "no demand is known yet"

    said = forecast(np.full(3, 99.7), now=NOW, lead_seconds=60, gate=gate)
    long = forecast(day_curve(3), now=NOW, lead_seconds=60, gate=gate)

    assert "is short: 0.1 h are known" in said.abstained
    assert "no model was tried yet" in long.abstained


def test_a_gate_of_this_morning_does_not_act_on_a_history_that_went_stale(day_curve) -> None:
    days = day_curve(10)
    gate = gate_of(days, now=NOW, lead_seconds=3600)
    assert gate.abstained == ""

    said = forecast(np.r_[days, np.full(30, np.nan)], now=NOW, lead_seconds=3600, gate=gate)

    assert "stale" in said.abstained


def test_a_minute_that_is_not_counted_yet_is_the_one_before_it(day_curve) -> None:
    days = day_curve(10)
    whole = forecast(np.r_[days, days[-1]], now=NOW, lead_seconds=3600)

    said = forecast(np.r_[days, np.nan], now=NOW, lead_seconds=3600)

    assert said.abstained == ""
    assert said.quantile(0.9) == pytest.approx(whole.quantile(0.9), rel=0.02)


def test_a_known_event_multiplies_what_is_said(day_curve) -> None:
    days = day_curve(10)
    sale = ExpectedLoad(NOW + 3000, NOW + 7200, 3.0, "sale")
    plain = forecast(days, now=NOW, lead_seconds=3600)

    said = forecast(days, now=NOW, lead_seconds=3600, expected=[sale])
    before = forecast(days, now=NOW, lead_seconds=600, expected=[sale])

    assert said.expected_factor == 3.0
    assert said.quantiles == pytest.approx({level: 3 * rate for level, rate in plain.quantiles.items()})
    assert before.expected_factor == 1.0


def test_a_known_event_acts_on_what_abstains_too() -> None:
    said = forecast(np.full(10, 20.0), now=NOW, lead_seconds=60, expected=[ExpectedLoad(NOW, NOW + 600, 2.5)])

    assert said.abstained
    assert said.expected_factor == 2.5
    assert said.quantiles[0.9] == pytest.approx(50.0)


def test_within_an_event_its_factor_is_not_taken_twice() -> None:
    """The sale has begun: demand is trebled already, and stays so until it ends."""
    history = np.r_[np.full(100, 20.0), np.full(20, 60.0)]
    sale = ExpectedLoad(NOW - 1200, NOW + 600, 3.0)

    within = forecast(history, now=NOW, lead_seconds=300, expected=[sale])
    after = forecast(history, now=NOW, lead_seconds=900, expected=[sale])

    assert within.quantiles[0.5] == pytest.approx(60.0)
    assert after.quantiles[0.5] == pytest.approx(20.0)


def test_what_a_past_sale_brought_is_not_learned_as_the_usual_day(day_curve) -> None:
    days = day_curve(10)
    begin = 9 * DAY + 600  # yesterday, from 10:00 to 12:00
    sold = days.copy()
    sold[begin : begin + 120] *= 4
    sale = ExpectedLoad(NOW - 60 * (len(days) - begin), NOW - 60 * (len(days) - begin - 120), 4.0)

    said = forecast(sold, now=NOW, lead_seconds=3600, expected=[sale])

    assert said.quantiles == pytest.approx(forecast(days, now=NOW, lead_seconds=3600).quantiles)


def test_history_in_an_event_is_divided_by_its_factor_minute_by_minute() -> None:
    history = np.arange(1.0, 7.0)  # six minutes that end at 600
    expected = [ExpectedLoad(360, 480, 2.0), ExpectedLoad(460, 600, 5.0), ExpectedLoad(0, 100, 9.0)]

    # Minutes begin at 240, 300, 360 (2), 420 (2; of a middle at 450), 480 (5), 540 (5).
    assert without_expected(history, now=600, expected=expected).tolist() == [1.0, 2.0, 1.5, 2.0, 1.0, 1.2]
    assert history.tolist() == [1, 2, 3, 4, 5, 6]


def test_of_two_events_the_farther_from_usual_counts() -> None:
    holiday, sale = ExpectedLoad(0, 100, 0.2), ExpectedLoad(50, 100, 3.0)

    assert [factor_at([holiday, sale], at) for at in (0, 49, 50, 99, 100)] == [0.2, 0.2, 0.2, 0.2, 1.0]
    assert factor_at([sale, ExpectedLoad(0, 100, 0.5)], 60) == 3.0


def test_lead_times_are_whole_minutes_ahead() -> None:
    assert [lead_minutes(seconds) for seconds in (0, 1, 60, 61, 90, 3600)] == [1, 1, 1, 2, 2, 60]
    for wrong in (-1, 12 * 3600 + 1):
        with pytest.raises(ValueError, match="a lead time is between"):
            lead_minutes(wrong)


def test_pinball_loss_is_the_textbooks() -> None:
    came, said = np.array([10.0, 10.0, 10.0]), np.array([8.0, 10.0, 13.0])

    assert pinball(came, said, 0.9).tolist() == pytest.approx([1.8, 0.0, 0.3])


def test_windows_of_the_past_are_means_of_what_is_known() -> None:
    logs = Logs.of(np.exp(np.array([0.0, 1.0, np.nan, 3.0, 4.0])), 0.0)
    at = np.array([0, 2, 4])

    assert logs.mean(at, 2).tolist() == pytest.approx([0.0, 1.0, 3.5])
    assert logs.mean(at, 3, back=1).tolist() == pytest.approx([np.nan, 0.5, 2.0], nan_ok=True)
    assert np.isnan(logs.mean(at, 2, back=5)).all()


def test_persistence_is_the_last_minute_with_the_spread_of_its_level() -> None:
    """Growth over a minute alternates between +10 % and what takes it back: the busy half fell, the quiet half rose."""
    rates = np.tile([10.0, 11.0], 300)
    logs = Logs.of(rates, 0.0)

    fitted = fit_model("persistence", logs, np.arange(len(rates) - 1), 1, (0.25, 0.75))

    said = fitted.quantiles(logs, np.array([0, 1]))
    assert said.tolist() == [pytest.approx([11.0, 11.0]), pytest.approx([10.0, 10.0])]


def test_a_model_learns_nothing_from_after_its_rows(day_curve) -> None:
    """Whatever comes later: what was learned from the rows before it is the same to the last bit."""
    days = day_curve(10)
    rows = np.arange(8 * DAY)
    other = days.copy()
    other[8 * DAY + 60 :] *= 17

    learned = [fit_model("week", Logs.of(each, 1.0), rows, 60, LEVELS) for each in (days, other)]

    assert learned[0] == learned[1]


def test_scores_tell_persistence_first_and_how_often_each_level_held(day_curve) -> None:
    gate = fit(day_curve(10), minutes=60, levels=(0.5, 0.9))

    assert [score.model for score in gate.scores] == ["persistence", "trend", "day"]
    best = gate.score("day")
    assert best is not None
    assert best.won == 4
    assert best.pinball < gate.scores[0].pinball / 3
    assert best.coverage[0.9] == pytest.approx(0.9, abs=0.05)
    assert gate.score("week") is None


def test_a_gate_of_another_lead_time_is_refused(day_curve) -> None:
    gate = gate_of(day_curve(3), now=NOW, lead_seconds=60)

    with pytest.raises(ValueError, match="the gate is of 1 minutes ahead"):
        forecast(day_curve(3), now=NOW, lead_seconds=600, gate=gate)


_rates = st.one_of(
    st.floats(0, 1e6), st.just(0.0), st.just(float("nan")), st.floats(allow_nan=True, allow_infinity=True)
)


@given(
    history=st.one_of(
        arrays(np.float64, st.integers(0, 900), elements=_rates),
        # Long enough for models and gates: a short piece that comes again.
        st.builds(np.resize, arrays(np.float64, st.integers(1, 60), elements=_rates), st.integers(1_000, 4_000)),
    ),
    lead=st.integers(0, 7200),
    factor=st.floats(0.1, 20),
)
@settings(max_examples=60, deadline=None)
def test_quantiles_ascend_and_are_never_negative_whatever_the_history(history, lead, factor) -> None:
    expected = [ExpectedLoad(NOW - 3600, NOW + 3600, factor)]

    said = forecast(history, now=NOW, lead_seconds=lead, expected=expected)

    assert said.quantiles or (said.abstained and said.expected_factor == 1)
    if not said.quantiles:
        return
    rates = [said.quantiles[level] for level in LEVELS]
    assert all(np.isfinite(rates))
    assert min(rates) >= 0
    assert all(low <= high for low, high in pairwise(rates))
    highest = max((float(rate) for rate in history if np.isfinite(rate) and rate >= 0), default=0.0)
    known = highest * max(1.0, factor) * max(1.0, 1 / factor)
    assert max(rates) <= MOST_TIMES * known * 1.001, "a model may not invent more"


def test_asking_a_fitted_model_costs_a_millisecond_or_two(day_curve) -> None:
    days = day_curve(15)
    gate = gate_of(days, now=NOW, lead_seconds=600)
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(10):
            forecast(days, now=NOW, lead_seconds=600, gate=gate)
        best = min(best, (time.process_time() - began) / 10)

    assert best < 0.01, "a simulation asks thousands of times"


@pytest.mark.skipif(not TRACES.is_dir(), reason="the traces are not here")
def test_an_hour_ahead_a_real_service_with_a_regular_day_is_foreseen() -> None:
    with (TRACES / "crane_dsp_input9.csv").open(newline="") as file:
        rates = np.array([float(value) for _, value in list(csv.reader(file))[1:]])

    gate = gate_of(rates, now=NOW, lead_seconds=3600)

    best = gate.score(gate.model)
    assert gate.abstained == ""
    assert gate.model in {"day", "week"}
    assert best is not None
    assert best.pinball < gate.scores[0].pinball / 2
    assert best.coverage[0.9] == pytest.approx(0.9, abs=0.05)
