"""How many replicas are decided, and why."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maibo_slo.documents.scaling_kinds import CapacitySpec, ForecastSpec
from maibo_slo.engine.scaling.correction import correction
from maibo_slo.engine.scaling.decide import GAP_SECONDS, Memory, decide
from maibo_slo.engine.scaling.inputs import BurnSplit, Capacity, Demand, Forecast, Override, Replicas
from maibo_slo.engine.scaling.signal import NoSignal

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.inputs import Inputs

    MakeTarget = Callable[..., ScalingTarget]
    MakeInputs = Callable[..., Inputs]

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
RATES = st.floats(0, 2_000, allow_nan=False)


def burning(by_capacity: float, *, by_version: float = 0.0) -> tuple[BurnSplit, ...]:
    return (BurnSplit("checkout", by_capacity + by_version, by_capacity, by_version, 0.0, "it is so"),)


def override(*, least: int | None = None, most: int | None = None) -> Override:
    return Override("1", "checkout-api", least, most, 1e12, "ana", "sale", 0.0)


def forecast(rate: float, *, abstained: str = "", factor: float = 1.0) -> Forecast:
    return Forecast(0.0, 60.0, {0.5: rate / 2, 0.9: rate}, "trend", abstained, factor)


def test_demand_over_the_planned_capacity_rounded_up(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    target = make_target(capacity=CapacitySpec(fixed=10, utilisation=0.8))
    decision, _ = decide(target, make_inputs(0.0, 410), Memory())
    assert decision.desired == 52
    assert decision.reason == "52 replicas: 410 calls/s ÷ (10 a replica at 80%) (reactive)"
    assert decision.held_by == ""
    assert decision.lower <= 52 <= decision.upper


def test_what_floats_round_up_is_no_replica_more(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    target = make_target(capacity=CapacitySpec(fixed=0.1, utilisation=1.0))
    capacity = Capacity(0.1, 0.1, 0.1, learned=False)
    decision, _ = decide(target, make_inputs(0.0, 0.3, capacity=capacity), Memory())
    assert decision.desired == 3


def test_the_highest_wish_counts_and_each_says_why(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    fed = Demand(70, 0.0, 700, 10.0)
    decision, _ = decide(make_target(), make_inputs(0.0, 50, fed_forward=fed, forecast=forecast(60)), Memory())
    assert decision.desired == 7
    assert {wish.kind: wish.replicas for wish in decision.wishes} == {
        "reactive": 5,
        "feed_forward": 7,
        "predictive": 6,
        "correction": None,
    }
    assert all(wish.why for wish in decision.wishes)
    assert decision.reason.endswith("(feed-forward)")


@pytest.mark.parametrize(
    ("abstained", "factor", "wished"), [("", 1.0, 9), ("no better", 1.0, None), ("no better", 3.0, 9)]
)
def test_a_forecast_that_abstains_has_a_say_for_known_events_alone(
    make_target: MakeTarget, make_inputs: MakeInputs, abstained: str, factor: float, wished: int | None
) -> None:
    inputs = make_inputs(0.0, 50, forecast=forecast(90, abstained=abstained, factor=factor))
    decision, _ = decide(make_target(), inputs, Memory())
    assert decision.wishes[2].replicas == wished
    switched_off, _ = decide(make_target(forecast=ForecastSpec(enabled=False)), inputs, Memory())
    assert switched_off.wishes[2].replicas is None


def test_unknown_demand_and_unknown_capacity_are_no_decision(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    with pytest.raises(NoSignal, match="demand"):
        decide(make_target(), make_inputs(0.0, None), Memory())
    with pytest.raises(NoSignal, match="capacity"):
        decide(make_target(), make_inputs(0.0, 5, capacity=None), Memory())
    with pytest.raises(NoSignal, match="demand"):
        decide(make_target(), make_inputs(0.0, None, override=override(least=5)), Memory())


def test_an_override_that_leaves_one_number_is_a_decision_without_demand(
    make_target: MakeTarget, make_inputs: MakeInputs
) -> None:
    remembered = Memory(held=7)
    decision, memory = decide(make_target(), make_inputs(0.0, None, override=override(least=40, most=40)), remembered)
    assert (decision.desired, decision.held_by, memory) == (40, "override", remembered)
    assert decision.reason == "40 replicas, whatever demand is: ana said at least 40, at most 40 (sale)"


def test_an_override_wins_over_bounds_and_is_told(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    target = make_target(least=2, most=10)
    more, memory = decide(target, make_inputs(0.0, 50, override=override(least=40)), Memory())
    assert (more.desired, more.held_by) == (40, "override")
    assert memory.held == 5, "what is held is what would be without it"
    fewer, _ = decide(target, make_inputs(0.0, 50, override=override(most=1)), Memory())
    assert (fewer.desired, fewer.held_by) == (1, "override")
    none, _ = decide(target, make_inputs(0.0, 50, override=override(least=3)), Memory())
    assert (none.desired, none.held_by) == (5, "")


def test_bounds_are_told(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    target = make_target(least=2, most=10)
    assert decide(target, make_inputs(0.0, 5), Memory())[0].held_by == "least"
    most, _ = decide(target, make_inputs(0.0, 500), Memory())
    assert (most.desired, most.held_by) == (10, "most")
    assert most.reason.endswith("makes 50, but most is 10")


def test_a_small_change_is_none(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    target = make_target(capacity=CapacitySpec(fixed=10, utilisation=0.8))
    memory = Memory(decided_at=0.0, held=20)
    within, _ = decide(target, make_inputs(1.0, 172), memory)
    assert (within.desired, within.held_by) == (20, "dead_band")
    beyond, _ = decide(target, make_inputs(1.0, 180), memory)
    assert (beyond.desired, beyond.held_by) == (23, "")


def test_the_dead_band_never_keeps_fewer_than_demand_needs_at_all(
    make_target: MakeTarget, make_inputs: MakeInputs
) -> None:
    memory = Memory(decided_at=0.0, held=20)
    assert decide(make_target(), make_inputs(1.0, 201), memory)[0].desired == 21


def test_a_surge_acts_at_a_small_size_within_the_band(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    target = make_target(capacity=CapacitySpec(fixed=10, utilisation=0.5))
    memory = Memory(decided_at=0.0, held=2)
    assert decide(target, make_inputs(1.0, 10.5), memory)[0].desired == 2
    assert decide(target, make_inputs(1.0, 10.5, surge=True), memory)[0].desired == 3
    assert decide(target, make_inputs(1.0, 101, surge=True), Memory(0.0, 20))[0].desired == 20


def test_a_wish_falls_to_the_highest_of_the_window_only(
    make_target: MakeTarget, make_inputs: MakeInputs, deciding: type
) -> None:
    decided = deciding(make_target(scale_down_seconds=300))
    assert decided(make_inputs(0.0, 200)).desired == 20
    for second in range(1, 300):
        rate = 100 if second < 150 else 50
        decision = decided(make_inputs(float(second), rate))
        assert (decision.desired, decision.held_by) == (20, "scale_down")
    assert decided(make_inputs(302.0, 50)).desired == 10, "150 s ago it was 10"
    assert decided(make_inputs(400.0, 50)).desired == 10
    assert decided(make_inputs(455.0, 50)).desired == 5


def test_what_runs_at_the_start_counts_as_needed(
    make_target: MakeTarget, make_inputs: MakeInputs, deciding: type
) -> None:
    decided = deciding(make_target())
    replicas = Replicas(12, 12, 0.0)
    assert decided(make_inputs(0.0, 50, replicas=replicas)).desired == 12
    assert decided(make_inputs(100.0, 50, replicas=replicas)).held_by == "scale_down"
    wished = [decided(make_inputs(float(at), 50, replicas=replicas)).desired for at in range(150, 305, 50)]
    assert wished[-1] == 5


def test_after_a_gap_what_was_held_counts_as_needed(
    make_target: MakeTarget, make_inputs: MakeInputs, deciding: type
) -> None:
    decided = deciding(make_target())
    assert decided(make_inputs(0.0, 200)).desired == 20
    at = 1_000.0
    assert at > GAP_SECONDS
    assert decided(make_inputs(at, 50)).desired == 20
    assert [decided(make_inputs(at + later, 50)).desired for later in (100, 200, 290, 310)] == [20, 20, 20, 5]


def test_burn_for_want_of_capacity_asks_for_more_than_run(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    replicas = Replicas(10, 10, 0.0)
    decision, memory = decide(
        make_target(), make_inputs(0.0, 95, replicas=replicas, splits=burning(3.0)), Memory(-1.0, 10)
    )
    assert decision.desired == 13
    assert memory.corrected == 13
    assert "3 more than the 10 that run" in decision.wishes[3].why


def test_burn_of_a_version_asks_for_none(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    inputs = make_inputs(0.0, 95, replicas=Replicas(10, 10, 0.0), splits=burning(0.0, by_version=30))
    decision, _ = decide(make_target(), inputs, Memory(-1.0, 10))
    assert decision.desired == 10
    assert decision.wishes[3].replicas is None


def test_a_burn_of_which_nobody_knows_what_comes_of_load_is_told_as_such(
    make_target: MakeTarget, make_inputs: MakeInputs
) -> None:
    why = "how many calls a pod gets is not known"
    unsure = (BurnSplit("checkout", 6.7, 0.0, 0.0, 6.7, why, load_known=False),)
    wish = correction(make_target(), make_inputs(0.0, 95, splits=unsure), Memory()).wish
    assert wish.replicas is None
    assert wish.why == f"checkout burns 6.7, and what of it comes of load is not known: {why}"
    assert "by_capacity" not in wish.figures


def test_pods_on_their_way_are_not_asked_for_twice(
    make_target: MakeTarget, make_inputs: MakeInputs, deciding: type
) -> None:
    decided = deciding(make_target())
    decided.memory = Memory(-1.0, 10)
    splits = burning(5.0)
    assert decided(make_inputs(0.0, 95, replicas=Replicas(10, 10, 0.0), splits=splits)).desired == 15
    for at in range(10, 200, 10):
        decision = decided(make_inputs(float(at), 95, replicas=Replicas(15, 10, at), splits=splits))
        assert (decision.desired, decision.held_by) == (15, "warming")
    for at in range(200, 310, 10):
        ready = make_inputs(float(at), 95, replicas=Replicas(15, 15, at), splits=splits)
        assert decided(ready).desired == 15, "burn rates still hold what was before"
    settled = make_inputs(311.0, 95, replicas=Replicas(15, 15, 311.0), splits=splits)
    assert decided(settled).desired == 19


def test_pods_that_never_get_ready_do_not_hold_a_correction_for_ever(
    make_target: MakeTarget, make_inputs: MakeInputs, deciding: type
) -> None:
    decided = deciding(make_target())
    decided.memory = Memory(-1.0, 10)
    wished = [
        decided(make_inputs(float(at), 95, replicas=Replicas(10, 9, at), splits=burning(5.0))).desired
        for at in range(0, 900, 10)
    ]
    assert set(wished[:60]) == {10}
    assert wished[-1] > 10


def test_a_burn_that_no_replica_mends_does_not_add_them_for_ever(
    make_target: MakeTarget, make_inputs: MakeInputs, deciding: type
) -> None:
    decided = deciding(make_target(most=10_000))
    decided.memory = Memory(-1.0, 10)
    wished = [10]
    for at in range(0, 4 * 3_600, 20):
        ran = Replicas(wished[-1], wished[-1], float(at))
        wished.append(decided(make_inputs(float(at), 95, replicas=ran, splits=burning(50.0))).desired)
    assert 40 < wished[-1] < 55
    rose = [20 * place for place, (before, after) in enumerate(pairwise(wished)) if after > before]
    pauses = [later - before for before, later in pairwise(rose)]
    assert pauses[:4] == [120, 240, 480, 960]


def test_a_correction_that_helps_goes_on_as_it_began(
    make_target: MakeTarget, make_inputs: MakeInputs, deciding: type
) -> None:
    decided = deciding(make_target(most=10_000))
    decided.memory = Memory(-1.0, 10)
    wished = 10
    for at, burn in ((0.0, 10.0), (121.0, 8.0), (242.0, 6.0)):
        wished = decided(make_inputs(at, 95, replicas=Replicas(wished, wished, at), splits=burning(burn))).desired
    assert (wished, decided.memory.futile) == (58, 0), "10 and 10, 20 and 16, 36 and 22"


def test_starts_bring_five_times_what_is_counted_at_the_most(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    fed = Demand(900, 0.0, 9_000, 10.0, surge=True)
    target = make_target(most=1_000)
    assert decide(target, make_inputs(0.0, 50, fed_forward=fed), Memory())[0].desired == 25
    assert decide(target, make_inputs(0.0, 50, fed_forward=fed), Memory(-1.0, 24))[0].desired == 25
    assert decide(target, make_inputs(0.0, 0, fed_forward=fed), Memory())[0].desired == 90, (
        "from zero, they are all there is"
    )


def test_what_a_clock_that_was_ahead_remembered_is_not_held_until_it_comes_true(
    make_target: MakeTarget, make_inputs: MakeInputs, deciding: type
) -> None:
    decided = deciding(make_target())
    ahead = 1e9
    decided.memory = Memory(ahead, 20, ((ahead, 20.0),), unsettled_at=ahead, unready_since=ahead)
    assert decided(make_inputs(0.0, 50)).desired == 20
    assert [decided(make_inputs(at, 50)).desired for at in (100.0, 200.0, 310.0)] == [20, 20, 5]
    assert decided.memory.unsettled_at <= 310


def test_one_replica_becomes_two_and_none_becomes_one(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    target = make_target(least=0)
    assert decide(target, make_inputs(1.0, 12), Memory(0.0, 1))[0].desired == 2
    assert decide(target, make_inputs(1.0, 0.01), Memory(0.0, 0))[0].desired == 1
    assert decide(target, make_inputs(1.0, 0), Memory(0.0, 0))[0].desired == 0


def test_a_correction_stays_until_the_burn_is_well_below_what_lasts(
    make_target: MakeTarget, make_inputs: MakeInputs
) -> None:
    corrected = Memory(-1.0, 15, corrected=15)
    ran = Replicas(15, 15, 0.0)
    between = make_inputs(0.0, 95, replicas=ran, splits=burning(0.7))
    assert decide(make_target(), between, corrected)[0].wishes[3].replicas == 15
    over = make_inputs(0.0, 95, replicas=ran, splits=burning(0.2))
    decision, memory = decide(make_target(), over, corrected)
    assert decision.wishes[3].replicas is None
    assert memory.corrected is None


def test_without_replicas_a_correction_goes_by_what_was_decided(
    make_target: MakeTarget, make_inputs: MakeInputs
) -> None:
    decision, _ = decide(make_target(), make_inputs(0.0, 95, splits=burning(3.0)), Memory(-1.0, 10))
    assert decision.desired == 13


@given(rates=st.tuples(RATES, RATES), held=st.none() | st.integers(0, 150), surge=st.booleans())
@QUICK
def test_more_demand_never_asks_for_fewer(
    make_target: MakeTarget, make_inputs: MakeInputs, rates: tuple[float, float], held: int | None, surge: bool
) -> None:
    target = make_target(capacity=CapacitySpec(fixed=10, utilisation=0.7))
    memory = Memory(decided_at=0.0, held=held, needs=((0.0, float(held or 0)),))
    fewer, more = (decide(target, make_inputs(1.0, rate, surge=surge), memory)[0].desired for rate in sorted(rates))
    assert fewer <= more


@given(
    rates=st.lists(RATES, min_size=1, max_size=8),
    burn=st.floats(0, 50),
    bounds=st.tuples(st.integers(0, 50), st.integers(1, 50)),
    said=st.none() | st.tuples(st.none() | st.integers(0, 80), st.none() | st.integers(0, 80)),
    ready=st.integers(0, 60),
)
@QUICK
def test_bounds_and_overrides_are_never_exceeded(
    make_target: MakeTarget,
    make_inputs: MakeInputs,
    rates: list[float],
    burn: float,
    bounds: tuple[int, int],
    said: tuple[int | None, int | None] | None,
    ready: int,
) -> None:
    least, most = min(bounds), max(bounds)
    target, memory = make_target(least=least, most=most), Memory()
    by = None if said is None else override(least=said[0], most=said[1])
    for at, rate in enumerate(rates):
        replicas = Replicas(ready, ready, float(at))
        inputs = make_inputs(float(at), rate, override=by, splits=burning(burn), replicas=replicas)
        decision, memory = decide(target, inputs, memory)
        assert memory.held is not None
        assert least <= memory.held <= most
        assert decision.lower <= decision.desired <= decision.upper
        if said is None:
            assert least <= decision.desired <= most
            continue
        if said[0] is not None:
            assert decision.desired >= said[0]
        if said[1] is not None:
            assert decision.desired <= max(said[1], said[0] or 0)


@given(
    mean=st.floats(20, 1_000),
    noise=st.lists(st.floats(-0.05, 0.05), min_size=400, max_size=400),
)
@settings(QUICK, max_examples=20)
def test_noise_around_a_constant_demand_does_not_flap(
    make_target: MakeTarget, make_inputs: MakeInputs, deciding: type, mean: float, noise: list[float]
) -> None:
    decided = deciding(make_target(scale_down_seconds=300, capacity=CapacitySpec(fixed=10, utilisation=0.7)))
    wished = [decided(make_inputs(5.0 * at, mean * (1 + each))).desired for at, each in enumerate(noise)]
    changes = [after - before for before, after in pairwise(wished) if after != before]
    assert len(changes) <= 2
    assert all(change > 0 for change in changes), "what is high enough is not taken back"


@given(rates=st.lists(st.floats(0, 900), min_size=30, max_size=60), window=st.sampled_from([60, 300]))
@QUICK
def test_it_is_never_below_what_the_window_needed(
    make_target: MakeTarget, make_inputs: MakeInputs, deciding: type, rates: list[float], window: int
) -> None:
    target = make_target(scale_down_seconds=window, dead_band=0.0)
    decided = deciding(target)
    for place, rate in enumerate(rates):
        at = 10.0 * place
        decision = decided(make_inputs(at, rate))
        lately = [each for when, each in enumerate(rates[: place + 1]) if 10.0 * when > at - window]
        assert decision.desired >= min(max(lately) / 10, target.most) - 1e-6


def test_a_steady_fall_is_remembered_in_little(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    memory = Memory()
    for tick in range(4_000):
        _, memory = decide(make_target(scale_down_seconds=600), make_inputs(tick * 0.25, 900 - tick * 0.1), memory)
    assert len(memory.needs) <= 302


def test_decisions_are_the_same_for_the_same_inputs(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    inputs = make_inputs(0.0, 95, splits=burning(3.0))
    assert decide(make_target(), inputs, Memory(held=3)) == decide(make_target(), replace(inputs), Memory(held=3))
