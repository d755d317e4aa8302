"""The state of an objective at a moment."""

from dataclasses import replace

import pytest

from maibo_slo.engine.burn import BURN_WINDOWS, Counts
from maibo_slo.engine.state import Observed, assess, is_burning

DAY = 86_400
NOW = 1_800_000_000


@pytest.fixture
def calm(make_slo) -> Observed:
    """A full window of traffic, all of it good, up to now."""
    slo = make_slo(targets=[0.999])
    windows = {*BURN_WINDOWS.values(), slo.window_seconds}
    counts = {seconds: Counts(seconds, 0, seconds // 60) for seconds in windows}
    return Observed(slo, slo.objectives[0], counts, counts[slo.window_seconds], first_t=NOW - 28 * DAY, last_t=NOW - 30)


def with_bad(observed: Observed, bad: dict[int, int]) -> Observed:
    counts = {
        seconds: replace(one, good=one.good - bad.get(seconds, 0), bad=bad.get(seconds, 0))
        for seconds, one in observed.counts.items()
    }
    return replace(observed, counts=counts, own=counts[observed.slo.window_seconds])


def state(observed: Observed, *, now: float = NOW, evaluated_at: float | None = NOW) -> str:
    return assess(observed, now=now, evaluated_at=evaluated_at).state


def test_ok(calm: Observed) -> None:
    said = assess(calm, now=NOW, evaluated_at=NOW)
    assert (said.state, said.coverage, said.age_seconds, said.budget.remaining) == ("ok", 1.0, 0.0, 1.0)


def test_burning_slowly(calm: Observed) -> None:
    burning = with_bad(calm, {1800: 4, 21600: 44, 28 * DAY: 44})  # 2.2x and 2.04x
    assert state(burning) == "burning"
    assert is_burning(burning)


def test_burning_fast_by_the_hour(calm: Observed) -> None:
    assert state(with_bad(calm, {300: 5, 3600: 50, 28 * DAY: 50})) == "burning_fast"  # 16.7x and 13.9x


def test_burning_fast_by_six_hours(calm: Observed) -> None:
    assert state(with_bad(calm, {1800: 11, 21600: 125, 28 * DAY: 125})) == "burning_fast"  # 6.1x and 5.8x


def test_a_spent_budget_is_exhausted_even_in_a_quiet_night(calm: Observed) -> None:
    spent = with_bad(calm, {28 * DAY: 2_420})
    assert state(spent) == "exhausted"
    assert state(spent, now=NOW + 3600, evaluated_at=NOW + 3600) == "exhausted"


def test_a_cold_start_does_not_exhaust_a_month(calm: Observed) -> None:
    fresh = replace(with_bad(calm, {300: 5, 28 * DAY: 5}), first_t=NOW - 300)
    fresh = replace(fresh, own=Counts(95, 5, 5))
    said = assess(fresh, now=NOW, evaluated_at=NOW)
    assert said.budget.remaining == pytest.approx(-49)
    assert said.budget.projected == pytest.approx(1 - 50 * 300 / (28 * DAY))
    assert said.state == "ok"


def test_silence_goes_stale_after_ten_minutes(calm: Observed) -> None:
    assert state(calm, now=NOW + 600, evaluated_at=NOW + 600) == "ok"
    assert state(calm, now=NOW + 660, evaluated_at=NOW + 660) == "stale"


def test_an_engine_that_stopped_makes_everything_stale(calm: Observed) -> None:
    assert state(calm, now=NOW + 60, evaluated_at=NOW) == "ok"
    assert state(calm, now=NOW + 61, evaluated_at=NOW) == "stale"


def test_nothing_counted_is_no_data(calm: Observed) -> None:
    empty = replace(calm, counts={}, own=Counts(0, 0, 0), first_t=None, last_t=None)
    said = assess(empty, now=NOW, evaluated_at=NOW)
    assert said.state == "no_data"
    assert (said.age_seconds, said.coverage, said.budget.attainment) == (None, 0.0, None)
    assert [burn.rate for burn in said.burns] == [None] * 7


def test_the_burn_is_worked_out_by_window(calm: Observed) -> None:
    said = assess(with_bad(calm, {300: 3, 28 * DAY: 3}), now=NOW, evaluated_at=NOW)
    assert said.burns[0].window == "5m"
    assert said.burns[0].rate == pytest.approx(10.0)  # 1 % bad of a budget of 0.1 %
