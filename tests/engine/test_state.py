"""The state of an objective at a moment."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from maibo_slo.documents import Calendar, Correction, Objective, Slo
from maibo_slo.documents.kinds import Effect, Method
from maibo_slo.engine.burn import BURN_WINDOWS, Counts
from maibo_slo.engine.certainty import Interval
from maibo_slo.engine.corrections import Window
from maibo_slo.engine.excluded import excluded_by
from maibo_slo.engine.state import Observed, PolicyNow, alerting, assess, is_burning, left_and_burn

DAY = 86_400
NOW = 1_800_000_000
BEGIN = datetime.fromisoformat("2027-01-01T00:00:00")


@pytest.fixture
def calm(make_slo: Callable[..., Slo]) -> Observed:
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


def busy(observed: Observed) -> Observed:
    """A hundred times the traffic: chance decides nothing any more."""
    counts = {seconds: replace(one, good=one.good * 100) for seconds, one in observed.counts.items()}
    return replace(observed, counts=counts, own=counts[observed.slo.window_seconds])


def state(observed: Observed, *, now: float = NOW, evaluated_at: float | None = NOW) -> str:
    return assess(observed, now=now, evaluated_at=evaluated_at).state


def burn_5m(observed: Observed) -> tuple[float, Interval]:
    burn = assess(observed, now=NOW, evaluated_at=NOW).burns[0]
    assert burn.rate is not None
    assert burn.interval is not None
    return burn.rate, burn.interval


def test_ok(calm: Observed) -> None:
    said = assess(calm, now=NOW, evaluated_at=NOW)
    assert (said.state, said.coverage, said.age_seconds, said.budget.remaining) == ("ok", 1.0, 0.0, 1.0)


def test_burning_slowly(calm: Observed) -> None:
    burning = with_bad(busy(calm), {1800: 400, 21600: 4_400, 28 * DAY: 4_400})  # 2.2x and 2.04x
    assert state(burning) == "burning"
    assert is_burning(burning, now=NOW)


def test_burning_fast_by_the_hour(calm: Observed) -> None:
    assert state(with_bad(busy(calm), {300: 500, 3600: 5_000, 28 * DAY: 5_000})) == "burning_fast"  # 16.7x and 13.9x


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


def test_a_burn_that_chance_explains_is_held_back_and_said_so(calm: Observed) -> None:
    by_chance = with_bad(calm, {300: 5, 3600: 50, 28 * DAY: 50})  # 13.9x of 13.44x, by 50 events
    said = assess(by_chance, now=NOW, evaluated_at=NOW)
    assert said.state == "ok"
    fast = said.rules[0]
    assert (fast.state, fast.reached, fast.held_back_by) == ("burning_fast", False, "chance")


@pytest.mark.parametrize(
    ("good", "bad", "minutes", "guard"),
    [
        (10, 2, 30, "too_few"),
        (1_000, 1_000, 5, "too_soon"),
        (13_500, 2_500, 22, "not_whole"),  # 11.6 times the factor by what came, but of an hour's events too few
        (13_500, 2_500, 60, None),
    ],
)
def test_what_holds_a_burn_back_is_told_by_name(
    make_slo: Callable[..., Slo], good: int, bad: int, minutes: int, guard: str | None
) -> None:
    slo = make_slo(targets=[0.99])
    whole = {
        seconds: Counts(good * share, bad * share, min(minutes, seconds // 60))
        for seconds in (*BURN_WINDOWS.values(), slo.window_seconds)
        for share in [min(1.0, seconds / 60 / minutes)]
    }
    seen = Observed(
        slo, slo.objectives[0], whole, whole[slo.window_seconds], first_t=NOW - minutes * 60, last_t=NOW - 60
    )
    hourly = assess(seen, now=NOW, evaluated_at=NOW).rules[0]
    assert (hourly.reached, hourly.held_back_by) == (guard is None, guard)
    parted = replace(seen, counts={}, own=Counts(0, 0, 0), parts=(seen,))
    hourly = assess(parted, now=NOW, evaluated_at=NOW).rules[0]
    assert (hourly.reached, hourly.held_back_by) == (guard is None, guard)
    told = dict(alerting(seen, now=NOW)), dict(alerting(parted, now=NOW))
    assert told[0]["1h"] == told[1]["1h"] == (guard is None)


def test_pairs_that_alert_are_told_of_while_there_is_data(calm: Observed) -> None:
    leak = with_bad(busy(calm), {7200: 2_500, 86_400: 25_000, 28 * DAY: 25_000})  # 3.5x and 2.9x of 2.8x
    assert dict(alerting(leak, now=NOW)) == {"1h": False, "6h": False, "1d": True, "3d": False}
    assert not is_burning(leak, now=NOW)
    hour = replace(calm.slo, window_seconds=3600)
    assert [long for long, _ in alerting(replace(calm, slo=hour), now=NOW)] == ["1h"]
    assert not list(alerting(replace(calm, counts={}), now=NOW))


def test_a_total_outage_of_a_new_service_burns_after_a_tenth_of_the_hour(calm: Observed) -> None:
    def born(seconds: int) -> Observed:
        counts = {window: Counts(0, seconds, seconds // 60) for window in (*BURN_WINDOWS.values(), 28 * DAY)}
        return replace(calm, counts=counts, own=counts[28 * DAY], first_t=NOW - seconds)

    assert not is_burning(born(300), now=NOW)
    assert is_burning(born(360), now=NOW)


def test_every_burn_rate_lies_within_its_interval_which_is_wide_for_few_events(calm: Observed) -> None:
    few, few_within = burn_5m(with_bad(calm, {300: 3, 28 * DAY: 3}))
    assert few_within.lower < few < few_within.upper
    assert few_within.upper > 2.5 * few
    many, many_within = burn_5m(with_bad(busy(calm), {300: 300, 28 * DAY: 300}))
    assert many == few
    assert many_within.upper < 1.2 * many


def test_a_period_that_has_half_passed_projects_the_other_half_flawless(calm: Observed) -> None:
    period = (NOW - 14 * DAY, NOW + 14 * DAY)
    calendar = Calendar(4, "w", BEGIN, "UTC")
    half = replace(calm, slo=replace(calm.slo, calendar=calendar), period=period, own=Counts(99_950, 50, 14 * 1440))
    said = assess(half, now=NOW, evaluated_at=NOW)
    assert said.budget.remaining == pytest.approx(0.5)
    assert said.budget.projected == pytest.approx(0.75)
    assert (said.period, said.coverage, said.no_data_minutes) == (period, 1.0, 0)


def test_an_slo_that_began_within_the_period_is_judged_from_there(calm: Observed) -> None:
    period = (NOW - 20 * DAY, NOW + 10 * DAY)
    late = replace(calm, period=period, first_t=NOW - 5 * DAY, own=Counts(99_950, 50, 5 * 1440))
    said = assess(late, now=NOW, evaluated_at=NOW)
    assert said.budget.projected == pytest.approx(1 - 0.5 * 5 / 15)
    assert said.coverage == pytest.approx(5 / 20)
    assert said.no_data_minutes == 15 * 1440


def test_at_the_begin_of_a_period_the_budget_is_whole_and_the_burn_goes_on(calm: Observed) -> None:
    burning = with_bad(busy(calm), {300: 5_000, 3600: 50_000, 28 * DAY: 50_000})
    fresh = replace(burning, period=(NOW - 60, NOW + 28 * DAY), own=Counts(5_000, 1_000, 1))
    said = assess(fresh, now=NOW, evaluated_at=NOW)
    assert said.state == "burning_fast"
    assert said.budget.projected is not None
    assert said.budget.projected > 0.99


def window(begin: int, end: int, effect: Effect = "exclude") -> Window:
    return Window(begin, end, Correction("deploy", "maintenance", effect, BEGIN, end - begin, "UTC", who="ann"))


def test_excluded_time_is_neither_observed_nor_missing_and_counts_once(calm: Observed) -> None:
    hour = calm.counts[3600]
    windows = (window(NOW - 1800, NOW), window(NOW - 1200, NOW - 600))
    some = replace(
        calm, excluded=excluded_by(windows), counts={**calm.counts, 3600: replace(hour, observed_minutes=30)}
    )
    said = assess(replace(some, own=replace(some.own, observed_minutes=28 * 1440 - 30)), now=NOW, evaluated_at=NOW)
    assert (said.excluded_minutes, said.no_data_minutes, said.coverage) == (30, 0, 1.0)
    assert next(burn for burn in said.burns if burn.window == "1h").coverage == 1.0
    noted = assess(
        replace(calm, excluded=excluded_by([window(NOW - 1800, NOW, "annotate")])), now=NOW, evaluated_at=NOW
    )
    assert noted.excluded_minutes == 0


def test_maintenance_makes_nothing_stale(calm: Observed) -> None:
    later = NOW + 3600
    assert state(calm, now=later, evaluated_at=later) == "stale"
    excluded = replace(calm, excluded=excluded_by([window(NOW, later + 600)]))
    assert state(excluded, now=later, evaluated_at=later) == "ok"


def sliced(calm: Observed, method: Method, scale: int = 1) -> Observed:
    """Slices of five minutes, one row each; over six hours, 3 of 72 bad."""
    objective = Objective("slices", 0.99, slice_seconds=300, slice_target=0.95)
    counts = {
        seconds: Counts(max(0, seconds // 300 - 3) * scale, min(3, seconds // 300) * scale, seconds // 300)
        for seconds in (*BURN_WINDOWS.values(), 28 * DAY)
    }
    slo = replace(calm.slo, method=method, objectives=(objective,))
    return replace(calm, slo=slo, objective=objective, counts=counts, own=counts[28 * DAY])


def test_slices_are_counted_as_slices(calm: Observed) -> None:
    said = assess(sliced(calm, "Timeslices"), now=NOW, evaluated_at=NOW)
    assert (said.unit, said.good, said.bad) == ("slices", 8_061, 3)
    assert (said.coverage, said.observed_minutes, said.no_data_minutes) == (1.0, 28 * 1440, 0)
    assert [burn.coverage for burn in said.burns] == [1.0] * 7


def test_millionths_are_told_and_judged_as_slices(calm: Observed) -> None:
    whole = assess(sliced(calm, "Timeslices"), now=NOW, evaluated_at=NOW)
    parts = assess(sliced(calm, "RatioTimeslices", 1_000_000), now=NOW, evaluated_at=NOW)
    assert (parts.good, parts.bad, parts.unit) == (whole.good, whole.bad, "slices")
    assert (parts.rules, parts.budget, parts.state) == (whole.rules, whole.budget, whole.state)
    two = sliced(calm, "RatioTimeslices", 666_666)
    assert not any(rule.reached for rule in assess(two, now=NOW, evaluated_at=NOW).rules), "not even two bad slices"


def test_a_slice_is_not_stale_before_the_next_is_over(calm: Observed) -> None:
    hourly = sliced(calm, "Timeslices")
    hourly = replace(hourly, objective=replace(hourly.objective, slice_seconds=3600))
    assert state(hourly, now=NOW + 3600, evaluated_at=NOW + 3600) != "stale"
    assert state(hourly, now=NOW + 4300, evaluated_at=NOW + 4300) == "stale"


def composite(calm: Observed, *parts: Observed) -> Observed:
    whole = Objective("composite", 0.999)
    nothing = Counts(0, 0, 0)
    return replace(
        calm,
        objective=whole,
        counts=dict.fromkeys(calm.counts, nothing),
        own=nothing,
        first_t=None,
        last_t=None,
        parts=parts,
    )


def weighted(observed: Observed, name: str, weight: float) -> Observed:
    return replace(observed, objective=Objective(name, 0.999, weight=weight))


def test_a_composite_adds_up_what_its_components_burn_by_weight(calm: Observed) -> None:
    busy_ = busy(calm)
    cart = weighted(with_bad(busy_, {300: 60, 28 * DAY: 60_480}), "cart", 2.0)  # 2x; a quarter of the budget
    pay = weighted(with_bad(busy_, {300: 30, 28 * DAY: 24_192}), "pay", 0.5)  # 1x; a tenth
    said = assess(composite(calm, cart, pay), now=NOW, evaluated_at=NOW)
    assert said.burns[0].rate == pytest.approx(2 * 2 + 0.5 * 1)
    assert said.budget.remaining == pytest.approx(1 - (2 * 0.25 + 0.5 * 0.1))
    assert said.budget.attainment == pytest.approx(1 - 0.001 * 0.55)
    assert [(part.name, part.weight) for part in said.parts] == [("cart", 2.0), ("pay", 0.5)]
    assert [part.share for part in said.parts] == [pytest.approx(0.5 / 0.55), pytest.approx(0.05 / 0.55)]
    rate, interval = burn_5m(composite(calm, cart, pay))
    assert interval.lower < rate < interval.upper
    assert (said.age_seconds, said.coverage, said.good, said.bad) == (0.0, 1.0, 0, 0)


def test_components_that_each_last_may_together_burn_fast(calm: Observed) -> None:
    each = with_bad(busy(calm), {300: 300, 3600: 3_600, 28 * DAY: 3_600})  # 10x of 13.44x
    assert state(each) == "ok"
    assert state(composite(calm, weighted(each, "cart", 1.0), weighted(each, "pay", 1.0))) == "burning_fast"


def test_a_component_without_data_adds_nothing_and_is_told(calm: Observed) -> None:
    silent = weighted(replace(calm, counts={}, own=Counts(0, 0, 0), first_t=None, last_t=None), "pay", 1.0)
    cart = weighted(with_bad(busy(calm), {28 * DAY: 60_480}), "cart", 1.0)
    said = assess(composite(calm, cart, silent), now=NOW, evaluated_at=NOW)
    assert said.budget.remaining == pytest.approx(0.75)
    assert [(part.spent, part.share) for part in said.parts] == [(pytest.approx(0.25), 1.0), (None, None)]
    assert said.coverage == 0.0, "not all of it is known"
    nobody = assess(composite(calm, silent), now=NOW, evaluated_at=NOW)
    assert (nobody.state, nobody.budget.remaining, nobody.burns[0].rate) == ("no_data", None, None)


def test_what_a_policy_goes_by_is_the_projected_budget_and_the_burn(calm: Observed) -> None:
    left, burn = left_and_burn(with_bad(busy(calm), {21600: 2_160, 28 * DAY: 60_480}), 21600, now=NOW)
    assert left == pytest.approx(0.75)
    assert burn == pytest.approx(1.0)


def test_a_cold_start_and_two_failures_move_no_policy(calm: Observed) -> None:
    young = replace(with_bad(calm, {21600: 200, 28 * DAY: 200}), first_t=NOW - 120, own=Counts(1_800, 200, 2))
    young = replace(young, counts={**young.counts, 21600: Counts(1_800, 200, 2)})
    left, burn = left_and_burn(young, 21600, now=NOW)
    assert left is not None
    assert left > 0.99
    assert burn == pytest.approx(100 * 2 / 360), "a tenth of two minutes is bad, of six hours very little"
    two = replace(calm, counts={**calm.counts, 21600: Counts(8, 2, 10)})
    assert left_and_burn(two, 21600, now=NOW)[1] == 0.0
    silent = replace(calm, counts={**calm.counts, 21600: Counts(0, 0, 0)})
    assert left_and_burn(silent, 21600, now=NOW)[1] is None


def test_group_and_policy_are_passed_on(calm: Observed) -> None:
    policy = PolicyNow("default", "slow", NOW - 60.0)
    said = assess(replace(calm, group="tier=gold", policy=policy), now=NOW, evaluated_at=NOW)
    assert (said.group, said.policy) == ("tier=gold", policy)
