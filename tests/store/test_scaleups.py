"""Scale-ups and rises in the store: what was written is what is read, to the last digit."""

from __future__ import annotations

import time
from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maibo_slo.store import Store, rises
from maibo_slo.store.rises import Rise
from maibo_slo.store.scaleup_briefs import briefs
from maibo_slo.store.scaleups import (
    KIND,
    Brief,
    Moment,
    PodState,
    PodTimes,
    ScaleUp,
    ScaleUpState,
    Stage,
    append,
    find,
    running,
    scaleups,
)
from maibo_slo.store.workload import Workload

CHECKOUT = Workload("shop", "Deployment", "checkout-api")
NOW = float(int(time.time()) - 3600)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES = st.floats(NOW - 3600, NOW + 3600)
MOMENTS = st.builds(Moment, TIMES, TIMES, st.none() | TIMES, TEXTS)
STAGES = st.dictionaries(st.sampled_from(Stage), MOMENTS)
PODS = st.builds(
    PodTimes,
    name=TEXTS,
    node=TEXTS,
    state=st.sampled_from(PodState),
    moments=STAGES,
    ended=st.none() | TIMES,
    image_bytes=st.none() | st.integers(0, 2**50),
    pull_seconds=st.none() | st.floats(0, 1e6),
    pull_queued_seconds=st.none() | st.floats(0, 1e6),
    node_provisioned=st.booleans(),
    unschedulable=TEXTS,
)
NAMES = st.text("abc-.0", min_size=1, max_size=10)
SCALE_UPS = st.builds(
    ScaleUp,
    id=TEXTS,
    workload=st.builds(Workload, NAMES, NAMES, NAMES),
    before=st.integers(0, 10**6),
    after=st.integers(0, 10**6),
    by=TEXTS,
    reason=TEXTS,
    moments=st.builds(lambda some, decided: {**some, Stage.DECIDED: decided}, STAGES, MOMENTS),
    pods=st.lists(PODS, max_size=3).map(tuple),
    state=st.sampled_from(ScaleUpState),
    half=st.none() | MOMENTS,
    most=st.none() | MOMENTS,
    ended=st.none() | TIMES,
    why_censored=TEXTS,
    skews=st.integers(0, 1000),
    version=TEXTS,
    notes=st.lists(TEXTS, max_size=3).map(tuple),
)


def scale_up(decided: float, workload: Workload = CHECKOUT, **more: object) -> ScaleUp:
    return replace(
        ScaleUp(
            f"{workload}@{decided * 1000:.0f}",
            workload,
            4,
            8,
            "hpa",
            "cpu",
            {Stage.DECIDED: Moment(decided, decided + 1)},
            (),
            ScaleUpState.RUNNING,
        ),
        **more,
    )


def rise(asked_at: float, after: int = 8, workload: Workload = CHECKOUT, **more: object) -> Rise:
    return replace(
        Rise(f"{workload}@{asked_at}", workload, "checkout", asked_at - 0.3, asked_at, 4, after, "demand"), **more
    )


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=SCALE_UPS)
def test_a_scale_up_is_read_as_it_was_written(store: Store, told: ScaleUp):
    append(store, [told])
    assert find(store, told.id) == told
    earliest = told.moments[Stage.DECIDED].earliest
    assert told in scaleups(store, earliest, earliest + 0.001, told.workload)
    version, brief = briefs(store, [(KIND, told.id)])[KIND, told.id]
    assert version > 0
    said = {each.name: getattr(told, each.name) for each in fields(told)}
    assert brief == Brief(**said | {"pods": told.together})
    assert list(brief.moments) == [stage for stage in Stage if stage in told.moments]


def test_stages_are_read_in_their_order(store: Store):
    moment = Moment(NOW, NOW)
    append(store, [scale_up(NOW, moments=dict.fromkeys(reversed(Stage), moment))])
    [read] = scaleups(store, NOW, NOW + 1)
    assert list(read.moments) == list(Stage)


def test_a_later_version_takes_the_place_of_a_running_one(store: Store):
    append(store, [scale_up(NOW)])
    complete = scale_up(NOW, state=ScaleUpState.COMPLETE, ended=NOW + 7.25)
    append(store, [complete])
    assert scaleups(store, NOW - 60, NOW + 60) == [complete]


def test_scale_ups_are_found_by_the_time_of_their_decision_and_by_workload(store: Store):
    cart = Workload("shop", "StatefulSet", "cart")
    first, second = scale_up(NOW, ended=NOW + 500), scale_up(NOW + 100)
    other = scale_up(NOW + 50.0005, cart)
    append(store, [second, other, first])
    assert scaleups(store, NOW, NOW + 100) == [first, other]
    assert scaleups(store, NOW, NOW + 100.001) == [first, other, second]
    assert scaleups(store, NOW + 1, NOW + 200, CHECKOUT) == [second], "what only went on in it is none of its decisions"
    assert scaleups(store, NOW + 50.0005, NOW + 50.001) == [other]
    assert find(store, "shop/Deployment/nobody@1") is None


def test_nothing_to_write_is_no_error(store: Store):
    append(store, [])
    rises.append(store, [])
    assert scaleups(store, 0, NOW) == []


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked_at=TIMES,
    trigger_at=TIMES,
    served_at=st.none() | TIMES,
    reason=TEXTS,
    workload=st.builds(Workload, NAMES, NAMES, NAMES),
)
def test_a_rise_is_read_as_it_was_written(
    store: Store, asked_at: float, trigger_at: float, served_at: float | None, reason: str, workload: Workload
):
    told = rise(
        asked_at, workload=workload, trigger_at=trigger_at, served_at=served_at, served_by=reason, reason=reason
    )
    rises.append(store, [told])
    assert rises.newest(store, workload, asked_at) == told


@pytest.mark.parametrize(
    ("before", "at_least", "found"),
    [
        (-0.001, 0, None),
        (0.0, 8, 0.0),
        (30.0, 8, 30.0),
        (30.0, 20, 10.0),
        (30.0, 50, 30.0),
        (609.0, 20, 10.0),
        (611.0, 20, 20.0005 + 9.9995),
        (631.0, 0, None),
    ],
)
def test_the_newest_rise_that_asked_for_so_many_is_found(
    store: Store, before: float, at_least: int, found: float | None
):
    asked = [
        rise(NOW, 10),
        rise(NOW + 10, 20),
        rise(NOW + 30, 9),
        rise(NOW + 25, 99, Workload("shop", "StatefulSet", "cart")),
    ]
    rises.append(store, asked)
    newest = rises.newest(store, CHECKOUT, NOW + before, at_least)
    assert (None if newest is None else newest.asked_at - NOW) == found


def test_who_served_a_rise_is_told_later(store: Store):
    rises.append(store, [rise(NOW)])
    served = rise(NOW, served_at=NOW + 0.2, served_by="keda")
    rises.append(store, [served])
    assert rises.newest(store, CHECKOUT, NOW + 1) == served


def test_what_runs_is_found_however_long_ago_it_began(store: Store):
    old, new = scale_up(NOW - 90 * 86_400), scale_up(NOW)
    over = scale_up(NOW - 60, state=ScaleUpState.COMPLETE, ended=NOW - 30)
    append(store, [old, new, over])
    assert running(store) == [old, new]
    append(store, [replace(old, state=ScaleUpState.CENSORED, ended=NOW)])
    assert running(store) == [new]


def test_of_many_the_newest_are_read_alone(store: Store):
    told = [scale_up(NOW + place) for place in range(5)]
    append(store, told)
    assert scaleups(store, NOW, NOW + 9, newest=2) == told[3:]
    assert scaleups(store, NOW, NOW + 9, newest=9) == told
