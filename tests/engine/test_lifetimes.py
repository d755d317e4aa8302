"""Durations of which some never ended: by hand, from a textbook, against a simulation, and as intervals."""

import doctest
import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.engine import lifetimes
from maibo_slo.engine.lifetimes import (
    LONGEST_LEAD_SECONDS,
    Lasted,
    between,
    by_phase,
    latency,
    lead_time,
    least_lead,
    phases,
    pod_phases,
    quantiles,
)
from maibo_slo.store.scaleups import Brief, Moment, PodState, ScaleUpState, Stage

AT = 1_800_000_000.0
POD = {"created": 1, "scheduled": 1.5, "pulled": 6, "started": 7, "ready": 12, "in_rotation": 13, "first_journey": 15}


def test_the_examples_in_the_module_hold() -> None:
    assert doctest.testmod(lifetimes).failed == 0


def test_quantiles_are_those_of_the_textbooks_table() -> None:
    # Remission in weeks under 6-MP, Freireich et al. 1963: the table that Kaplan-Meier is taught with. Its curve falls to
    # 0.857 (6), 0.807 (7), 0.753 (10), 0.690 (13), 0.627 (16), 0.538 (22), 0.448 (23).
    ended = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    durations = [*ended, *censored]
    observed = [True] * len(ended) + [False] * len(censored)
    levels = [0.14, 0.15, 0.19, 0.24, 0.3, 0.37, 0.46, 0.5, 0.55, 0.56]
    assert quantiles(durations, observed, levels) == [6, 7, 7, 10, 13, 16, 22, 23, 23, None]


def test_nothing_measured_and_nothing_ended_is_no_data() -> None:
    assert quantiles([], [], [0.5]) == [None]
    assert quantiles([60, 70], [False, False], [0.01, 0.5]) == [None, None]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=40), st.sampled_from([0.1, 0.25, 0.5, 0.9, 0.99, 1.0]))
def test_without_censoring_a_quantile_is_a_duration_that_so_many_did_not_exceed(
    durations: list[int], level: float
) -> None:
    [found] = quantiles(durations, [True] * len(durations), [level])
    needed = math.ceil(level * len(durations) - 1e-6)
    assert found == sorted(durations)[needed - 1]


def test_the_estimate_finds_the_truth_where_a_mean_of_the_complete_ones_flatters() -> None:
    rng = np.random.default_rng(1)
    truth = rng.exponential(60, 4000)
    given_up = rng.exponential(90, 4000)
    durations, observed = np.minimum(truth, given_up), truth <= given_up
    found = quantiles(durations.tolist(), observed.tolist(), [0.5, 0.8])
    assert found == pytest.approx([60 * math.log(2), 60 * math.log(5)], rel=0.06)
    assert np.median(durations[observed]) < 0.7 * 60 * math.log(2)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30),
    st.sampled_from([0.5, 0.9, 0.99]),
)
def test_a_quantile_of_intervals_has_the_true_one_between_its_ends(
    known: list[tuple[float, float, float]], level: float
) -> None:
    durations = [Lasted(true - below, true + above, True) for true, below, above in known]
    [truth] = quantiles([true for true, _, _ in known], [True] * len(known), [level])
    [found] = between(durations, [level])
    assert truth is not None
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower <= truth <= found.upper


def test_the_ends_of_a_quantile_are_in_order_even_where_one_overtakes_a_censored_one() -> None:
    durations = [Lasted(1, 3, True), Lasted(2, 2, False), Lasted(4, 4, True)]
    assert between(durations, [0.5]) == [(3, 4)]


def test_latency_is_from_the_trigger_where_it_is_known_until_the_added_pods_serve(make_scaleup) -> None:
    one = make_scaleup(AT, [POD, POD], trigger=-2.5)
    assert latency(one) == pytest.approx((15.5, 16.5, True))
    assert latency(one, since="decision") == pytest.approx((13, 14, True))
    assert latency(one, until="ready") == pytest.approx((14.5, 15.5, True))
    assert latency(one, until="first_journey") == pytest.approx((17.5, 17.5, True))
    assert latency(make_scaleup(AT, [POD])) == pytest.approx((13, 14, True))


def test_ready_is_enough_where_no_service_selects_the_pods_and_not_where_one_does(make_scaleup) -> None:
    unselected = {stage: seconds for stage, seconds in POD.items() if stage not in ("in_rotation", "first_journey")}
    assert latency(make_scaleup(AT, [unselected])) == pytest.approx((12, 13, True))
    waiting = make_scaleup(AT, [unselected], state=ScaleUpState.RUNNING)
    assert latency(waiting, now=AT + 40) == pytest.approx((40, 40, False))


def test_what_is_not_over_lasted_until_now_or_until_it_was_censored(make_scaleup) -> None:
    half = [POD, {"created": 1, "scheduled": 2}]
    assert latency(make_scaleup(AT, half), now=AT + 90) == pytest.approx((90, 90, False))
    assert latency(make_scaleup(AT, half)) == pytest.approx((15, 15, False)), "the last that is known of it"
    assert latency(make_scaleup(AT, half, ended=50.0, trigger=-1), now=AT + 90) == pytest.approx((51, 51, False))


def test_clocks_that_differ_make_no_duration_negative(make_scaleup) -> None:
    assert latency(make_scaleup(AT, [{**POD, "in_rotation": -3}], skews=1)) == pytest.approx((0, 0, True))


def test_lead_time_counts_those_that_never_served(make_scaleup) -> None:
    done = [make_scaleup(AT + 1000 * i, [{"created": 1, "ready": 10 + i}]) for i in range(9)]
    assert lead_time(done) == 19
    stuck = [make_scaleup(AT + 1000 * i, [{"created": 1}], ended=100.0) for i in range(20, 25)]
    assert lead_time([*done, *stuck], 0.5) == 17
    assert lead_time([*done, *stuck]) is None
    assert lead_time([]) is None
    assert least_lead([*done, *stuck]) == 100
    assert least_lead([]) == 0


def test_one_stuck_pod_among_few_does_not_make_a_lead_time_of_an_hour(make_scaleup) -> None:
    done = [make_scaleup(AT + 1000 * i, [{"created": 1, "ready": 10 + i}]) for i in range(4)]
    slow = make_scaleup(AT + 9000, [{"created": 1, "ready": 10}, {"created": 1, "ready": 3500}])
    assert lead_time([*done, slow]) == LONGEST_LEAD_SECONDS
    never = make_scaleup(AT + 9000, [{"created": 1}], ended=3600.0)
    assert lead_time([*done, never]) is None
    assert least_lead([*done, never]) == LONGEST_LEAD_SECONDS


def test_phases_of_a_complete_scaleup_add_up_to_its_latency(make_scaleup) -> None:
    one = make_scaleup(AT, [POD, POD], trigger=-2.5, served=-0.5, exact=True)
    found = phases(one)
    assert [phase.stage for phase in found] == [stage for stage in Stage if stage is not Stage.TRIGGER]
    until = sum(phase.lasted.upper for phase in found if phase.stage is not Stage.FIRST_JOURNEY)
    assert until == pytest.approx(latency(one).upper)


def test_a_censored_scaleup_was_in_the_middle_of_the_phase_that_its_pods_did_not_end(make_scaleup) -> None:
    stuck = make_scaleup(AT, [POD, {"created": 1.0}], ended=70.0, exact=True)
    last = phases(stuck)[-1]
    assert (last.stage, last.after, last.over) == (Stage.SCHEDULED, Stage.CREATED, False)
    assert last.lasted == pytest.approx((69, 69, False))
    pulling = make_scaleup(AT, [POD, {"created": 1, "scheduled": 2}], exact=True)
    assert phases(pulling, now=AT + 30)[-1].stage is Stage.PULLED, "another pod of it told when its images were there"
    started = make_scaleup(AT, [{"created": 1, "scheduled": 2}], exact=True)
    assert phases(started, now=AT + 30)[-1].stage is Stage.STARTED
    ready = make_scaleup(AT, [{"created": 1, "ready": 2}], state=ScaleUpState.RUNNING, exact=True)
    assert phases(ready, now=AT + 30)[-1].stage is Stage.IN_ROTATION


def test_a_brief_tells_the_same_as_all_its_pods(make_scaleup) -> None:
    cold = {"created": 1, "pulled": 7, "state": PodState.STARTING, "unschedulable": "no room"}
    for pods in ([POD, POD], [POD, {"created": 1, "scheduled": 2}], [POD, cold], []):
        for more in ({}, {"ended": 50.0}, {"trigger": -1}):
            one = make_scaleup(AT, pods, **more)
            brief = Brief(**{each.name: getattr(one, each.name) for each in fields(one)} | {"pods": one.together})
            for now in (None, AT + 90):
                assert latency(brief, now=now) == latency(one, now=now)
                assert phases(brief, now=now) == phases(one, now=now)
            assert lifetimes.warmth([brief]) == lifetimes.warmth([one])


def test_a_pods_phases_begin_at_the_decision_and_end_where_it_was_censored(make_scaleup) -> None:
    one = make_scaleup(
        AT, [{"created": 1, "scheduled": 2, "state": "never_ready", "ended": 60.0}], ended=60.0, exact=True
    )
    found = pod_phases(one.pods[0], Moment(AT, AT), is_over=False, until=AT + 99)
    assert [(phase.stage, phase.lasted.upper, phase.over) for phase in found] == [
        (Stage.CREATED, 1, True),
        (Stage.SCHEDULED, 1, True),
        (Stage.STARTED, 58, False),
    ]
    assert one.pods[0].state is PodState.NEVER_READY


def test_phases_of_many_count_the_censored_one_in_the_phase_where_it_ended(make_scaleup) -> None:
    found = by_phase([make_scaleup(AT, [POD], exact=True), make_scaleup(AT, [{"created": 1}], ended=70.0, exact=True)])
    assert list(found) == [stage for stage in Stage if stage in found]
    assert sorted(found[Stage.SCHEDULED]) == [pytest.approx((0.5, 0.5, True)), pytest.approx((69, 69, False))]
    assert len(found[Stage.PULLED]) == 1
