"""What is held of a surge: until whole buckets bear it out, and no longer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maibo_slo.engine.scaling.decide import Memory, decide
from maibo_slo.engine.scaling.inputs import Demand
from maibo_slo.engine.scaling.needs import SETTLED_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.inputs import Decision, Inputs

    MakeTarget = Callable[..., ScalingTarget]
    MakeInputs = Callable[..., Inputs]

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def surging(rate: float, settled: float, at: float) -> Demand:
    return Demand(rate, at, round(rate * 4), 4.0, surge=True, settled=settled)


def decided(
    target: ScalingTarget, make_inputs: MakeInputs, told: Sequence[tuple[float, float, float]]
) -> list[tuple[float, Decision]]:
    """`told`: when, rate, and what of it whole buckets tell. 10 calls/s of a replica."""
    memory, found = Memory(), []
    for at, rate, settled in told:
        demand = surging(rate, settled, at) if rate > settled else Demand(rate, at, round(rate * 30), 30.0)
        decision, memory = decide(target, replace(make_inputs(at, rate), demand=demand), memory)
        found.append((at, decision))
    return found


def test_what_whole_buckets_do_not_bear_out_is_held_no_longer_than_it_takes_to_know(
    make_target: MakeTarget, make_inputs: MakeInputs
) -> None:
    crowd = [
        (60.0, 158.0, 16.0),
        *((61.0 + at, 120.0, 16.0) for at in range(11)),
        *((72.0 + at, 120.0, 120.0) for at in range(60)),
    ]
    target = make_target(scale_down_seconds=300, dead_band=0.03)
    found = dict(decided(target, make_inputs, [(0.0, 16.0, 16.0), *crowd]))
    assert found[60.0].desired == found[80.0].desired == 16
    assert {each.desired for at, each in found.items() if at > 60 + SETTLED_SECONDS} == {12}
    assert found[80.0].reason.endswith("held at the highest of the last 300 s (15.8)")


def test_what_they_bear_out_is_held_as_ever(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    crowd = [*((60.0 + at, 120.0, 16.0) for at in range(12)), *((72.0 + at, 118.0, 118.0) for at in range(20))]
    after = [(92.0 + at, 16.0, 16.0) for at in range(300)]
    found = dict(decided(make_target(scale_down_seconds=120, dead_band=0.0), make_inputs, [*crowd, *after]))
    assert {each.desired for at, each in found.items() if at < 210} == {12}
    assert found[240.0].desired == 2


def test_a_surge_that_comes_again_is_held_for_the_whole_time(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    """Every minute, for four seconds: whole buckets never tell how high it is."""
    told = [(float(at), 120.0 if at % 60 < 4 else 40.0, 40.0) for at in range(600)]
    found = decided(make_target(scale_down_seconds=120, dead_band=0.0), make_inputs, told)
    assert {each.desired for at, each in found if 4 <= at < 20} == {12}
    assert {each.desired for at, each in found if 30 <= at < 60} == {4}, "one alone is not"
    assert {each.desired for at, each in found if at >= 60} == {12}


def test_a_surge_of_starts_is_provisional_too(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    memory = Memory()
    wished = []
    for at in range(60):
        fed = surging(100.0, 20.0, at) if at < 4 else None
        decision, memory = decide(make_target(), make_inputs(float(at), 20, fed_forward=fed), memory)
        wished.append(decision.desired)
    assert (wished[0], wished[20], wished[40]) == (10, 10, 2)


@given(
    told=st.lists(st.tuples(st.floats(0, 900), st.floats(0, 3)), min_size=30, max_size=80),
    window=st.sampled_from([0, 10, 60, 300]),
)
@QUICK
def test_it_is_never_below_what_was_known_nor_below_what_may_yet_be(
    make_target: MakeTarget, make_inputs: MakeInputs, told: list[tuple[float, float]], window: int
) -> None:
    target = make_target(scale_down_seconds=window, dead_band=0.0, most=1_000)
    looks = [(2.0 * place, settled * max(1.0, more), settled) for place, (settled, more) in enumerate(told)]
    for place, (at, decision) in enumerate(decided(target, make_inputs, looks)):
        past = looks[: place + 1]
        known = [settled for when, _, settled in past if when > at - window or when == at]
        guessed = [rate for when, rate, _ in past if when > at - min(window, SETTLED_SECONDS) + 1 or when == at]
        assert decision.desired >= max(known + guessed) / 10 - 1e-6


def test_surges_are_remembered_in_little(make_target: MakeTarget, make_inputs: MakeInputs) -> None:
    target, memory = make_target(scale_down_seconds=86_400), Memory()
    for tick in range(6_000):
        demand = surging(900 - tick * 0.1, 10.0, tick) if tick % 40 < 5 else Demand(10.0, tick, 300, 30.0)
        _, memory = decide(target, replace(make_inputs(float(tick), 10), demand=demand), memory)
    assert len(memory.needs) + len(memory.surges) + len(memory.peaks) < 400
