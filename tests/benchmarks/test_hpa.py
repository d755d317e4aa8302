"""The HPA, held to the numbers of Kubernetes' own table tests (`horizontal_test.go`), and to what must hold of any history."""

from __future__ import annotations

import pytest
from benchmarks.autoscaling.hpa import (
    DEFAULT_DOWN,
    DEFAULT_UP,
    Behavior,
    Policy,
    Recommendation,
    Rules,
    ScaleEvent,
    Spec,
    State,
    change,
    limit,
    limit_legacy,
    reconcile,
    stabilise,
    stabilise_legacy,
    store_event,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = 1_700_000_000.0


def rules(pods: int, pods_period: float, percent: int, percent_period: float, window: float) -> Rules:
    policies = []
    if pods:
        policies.append(Policy("Pods", pods, pods_period))
    if percent:
        policies.append(Policy("Percent", percent, percent_period))
    return Rules(tuple(policies), window)


def spread(changes: tuple[int, ...], seconds: float = 120) -> list[ScaleEvent]:
    """Evenly over the last seconds."""
    step = seconds / max(1, len(changes))
    return [ScaleEvent(each, NOW - seconds + (place + 0.5) * step) for place, each in enumerate(changes)]


UP, DOWN = DEFAULT_UP, DEFAULT_DOWN
RATE_ROWS = [
    # current, desired, least, most, ups, downs, rules of the direction, expected
    (10, 50, 1, 1000, (), (), UP, 20),
    (10, 50, 1, 1000, (), (), rules(30, 60, 0, 0, 0), 40),
    (10, 50, 1, 1000, (), (), rules(0, 0, 200, 60, 0), 30),
    (100, 2, 1, 1000, (), (), rules(20, 60, 1, 60, 300), 80),
    (100, 2, 1, 1000, (), (), rules(2, 60, 1, 60, 300), 98),
    (10, 0, 1, 1000, (), (), rules(100, 60, 0, 0, 300), 1),
    (10, 2, 5, 1000, (), (), rules(0, 0, 100, 60, 300), 5),
    (10, 2, 1, 1000, (), (), rules(5, 60, 0, 0, 300), 5),
    (10, 5, 1, 1000, (), (), rules(0, 0, 50, 60, 300), 5),
    (100, 500, 1, 200, (1, 5, 9), (), rules(300, 60, 0, 0, 0), 200),
    (100, 500, 1, 200, (1, 5, 9), (), rules(0, 0, 10000, 60, 0), 200),
    (100, 500, 1, 1000, (1, 5, 9), (), rules(5, 120, 0, 0, 0), 100),
    (100, 500, 1, 1000, (1, 5, 9), (), rules(150, 120, 0, 0, 0), 235),
    (100, 500, 1, 1000, (1, 5, 9), (), rules(0, 0, 200, 120, 0), 255),
    (6, 24, 1, 1000, (4,), (2,), rules(0, 0, 300, 300, 0), 16),
    (10, 5, 1, 1000, (), (1, 5, 9), DOWN, 5),
    (100, 0, 1, 1000, (), (1, 5, 9), rules(115, 120, 0, 0, 300), 1),
    (100, 0, 5, 1000, (), (1, 5, 9), rules(130, 120, 0, 0, 300), 5),
    (100, 2, 5, 1000, (), (1, 5, 9), rules(0, 0, 100, 120, 300), 5),
    (100, 2, 1, 1000, (), (1, 5, 9), rules(5, 120, 0, 0, 300), 100),
    (100, 0, 1, 1000, (), (2, 4, 6), rules(0, 0, 50, 120, 300), 56),
    (10, 1, 1, 1000, (2,), (4,), rules(0, 0, 50, 180, 0), 6),
    (100, 0, 1, 1000, (), (10, 10, 10), rules(0, 0, 10, 120, 300), 100),
    (10, 5, 1, 1000, (), (10, 10, 10), rules(0, 0, 1000, 120, 300), 5),
    (100, 200, 1, 1000, (8, 12, 9, 11), (), rules(1000, 60, 0, 0, 0), 200),
    (100, 200, 1, 1000, (8, 12, 9, 11), (), rules(1000, 120, 100, 60, 0), 200),
    (100, 5, 1, 1000, (), (8, 12, 9, 11), rules(1000, 30, 100, 60, 300), 5),
    # The double's trap: 100 * (1 + 10 / 100) is 110.00000000000001.
    (100, 500, 1, 1000, (), (), rules(0, 0, 10, 60, 0), 111),
]


@pytest.mark.parametrize(("current", "desired", "least", "most", "ups", "downs", "given", "expected"), RATE_ROWS)
def test_policies_limit_as_in_kubernetes_own_rows(
    current: int,
    desired: int,
    least: int,
    most: int,
    ups: tuple[int, ...],
    downs: tuple[int, ...],
    given: Rules,
    expected: int,
) -> None:
    behavior = Behavior(given if desired > current else UP, given if desired < current else DOWN)
    state = State(ups=spread(ups), downs=spread(downs))
    assert limit(behavior, state, current, desired, least, most, NOW) == expected


@pytest.mark.parametrize(
    ("select", "desired", "expected"),
    [
        ("Max", 200, 150),
        ("Min", 200, 110),
        ("Disabled", 200, 100),
        ("Max", 1, 50),
        ("Min", 1, 90),
        ("Disabled", 1, 100),
    ],
)
def test_the_policy_is_selected_by_the_largest_or_the_smallest_change(select: str, desired: int, expected: int) -> None:
    policies = (Policy("Pods", 10, 60), Policy("Percent", 50, 60))
    one = Rules(policies, 0, select)  # type: ignore[arg-type]
    assert limit(Behavior(one, one), State(), 100, desired, 1, 1000, NOW) == expected


MINUTE = 60.0
STABILISE_ROWS = [
    # recommendations (replicas, age), current, desired, up window, down window, stable, remembered
    ((), 100, 5, 0, 0, 5, (5,)),
    (((4, 2), (5, 1)), 100, 3, 0, 180, 5, (4, 5, 3)),
    (((4, 2), (5, 1)), 1, 7, 300, 0, 4, (4, 5, 7)),
    (((1, 2), (2, 1)), 100, 3, 300, 0, 3, (1, 2, 3)),
    (((4, 2), (5, 1)), 1, 3, 0, 300, 3, (4, 5, 3)),
    (((10, 10), (9, 9)), 100, 3, 0, 0, 3, (10, 3)),
    (((10, 10), (9, 9)), 1, 100, 0, 0, 100, (10, 100)),
    (((10, 10), (4, 1), (5, 2), (9, 9)), 100, 3, 0, 180, 5, (10, 4, 5, 3)),
    (((10, 100), (6, 1), (5, 2), (9, 3)), 1, 100, 300, 0, 5, (100, 6, 5, 9)),
    (((2, 100), (3, 3)), 2, 1, 300, 300, 2, None),
    (((2, 100), (1, 3)), 2, 3, 300, 300, 2, None),
]


@pytest.mark.parametrize(
    ("recommendations", "current", "desired", "up", "down", "expected", "remembered"), STABILISE_ROWS
)
def test_behaviors_stabilise_as_in_kubernetes_own_rows(
    recommendations: tuple[tuple[int, int], ...],
    current: int,
    desired: int,
    up: float,
    down: float,
    expected: int,
    remembered: tuple[int, ...] | None,
) -> None:
    state = State([Recommendation(replicas, NOW - age * MINUTE) for replicas, age in recommendations])
    behavior = Behavior(Rules(UP.policies, up), Rules(DOWN.policies, down))
    assert stabilise(state, behavior, current, desired, NOW) == expected
    if remembered is not None:
        assert tuple(each.replicas for each in state.recommendations) == remembered


@pytest.mark.parametrize(
    ("recommendations", "desired", "expected", "remembered"),
    [
        ((), 5, 5, (5,)),
        (((4, 2), (5, 1)), 3, 5, (4, 5, 3)),
        (((10, 10), (9, 9)), 3, 3, (10, 3)),
        (((10, 10), (4, 1), (5, 2), (9, 9)), 3, 5, (10, 4, 5, 3)),
    ],
)
def test_without_a_behavior_the_highest_of_five_minutes_counts(
    recommendations: tuple[tuple[int, int], ...], desired: int, expected: int, remembered: tuple[int, ...]
) -> None:
    state = State([Recommendation(replicas, NOW - age * MINUTE) for replicas, age in recommendations])
    assert stabilise_legacy(state, desired, NOW, 300) == expected
    assert tuple(each.replicas for each in state.recommendations) == remembered


@pytest.mark.parametrize(
    ("desired", "current", "least", "most", "expected"),
    [
        (7, 3, 1, 15, 6),
        (3, 1, 1, 15, 3),
        (7, 1, 1, 15, 4),
        (20, 10, 1, 15, 15),
        (0, 3, 2, 15, 2),
        (100, 50, 1, 1000, 100),
        (101, 50, 1, 1000, 100),
    ],
)
def test_without_a_behavior_replicas_at_most_double_or_come_to_four(
    desired: int, current: int, least: int, most: int, expected: int
) -> None:
    assert limit_legacy(desired, current, least, most) == expected


EVENT_ROWS = [
    # events before (change, age), rules, events after (change, outdated), change per 60 s
    ((), None, (), 0),
    ((), rules(10, 60, 100, 60, 0), ((5, False),), 0),
    (((7, 61),), None, ((7, False),), 0),
    (((7, 61),), rules(10, 60, 100, 60, 0), ((5, False),), 0),
    (((7, 58),), rules(10, 60, 100, 60, 0), ((7, False), (5, False)), 7),
    (((7, 61), (6, 59)), rules(10, 60, 0, 0, 0), ((5, False), (6, False)), 6),
    (
        ((8, 29), (6, 59), (7, 61), (9, 61)),
        rules(10, 60, 100, 30, 0),
        ((8, False), (6, False), (7, True), (5, False)),
        14,
    ),
    (((7, 58), (6, 59)), rules(10, 120, 100, 30, 0), ((7, False), (6, False), (5, False)), 13),
]


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize(("before", "given", "after", "expected"), EVENT_ROWS)
def test_scale_events_are_stored_as_in_kubernetes_own_rows(
    before: tuple[tuple[int, float], ...],
    given: Rules | None,
    after: tuple[tuple[int, bool], ...],
    expected: int,
    up: bool,
) -> None:
    events = [ScaleEvent(each, NOW - age) for each, age in before]
    state = State(ups=events) if up else State(downs=events)
    assert change(events, 60, NOW) == expected
    store_event(None if given is None else Behavior(given, given), state, 10, 15 if up else 5, NOW)
    assert tuple((each.change, each.outdated) for each in events) == after


def test_bounds_pass_by_metrics_and_stabilisation() -> None:
    state = State([Recommendation(50, NOW - 10)])
    assert reconcile(Spec(2, 6), state, 1, [None], NOW) == 2
    assert reconcile(Spec(2, 5), state, 6, [None], NOW) == 5
    assert reconcile(Spec(1, 5), state, 0, [3], NOW) == 0, "0 replicas switch it off"


def test_nothing_goes_down_on_partial_data_but_up_it_does() -> None:
    assert reconcile(Spec(1, 20), State(), 5, [3, None], NOW) == 5
    assert reconcile(Spec(1, 20), State(), 5, [8, None], NOW) == 8
    assert reconcile(Spec(1, 20), State(), 5, [None, None], NOW) == 5


def test_the_first_look_remembers_what_runs_so_that_a_restart_delays_the_way_down() -> None:
    state = State()
    assert reconcile(Spec(1, 20), state, 10, [2], NOW) == 10
    assert reconcile(Spec(1, 20), state, 10, [2], NOW + 299) == 10
    assert reconcile(Spec(1, 20), state, 10, [2], NOW + 301) == 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), min_size=1, max_size=40),
    st.integers(1, 10),
    st.integers(10, 300),
    st.booleans(),
)
def test_whatever_is_wished_bounds_hold_and_one_sync_goes_no_further_than_its_policies(
    wishes: list[tuple[int, int]], least: int, most: int, has_behavior: bool
) -> None:
    state, current, now = State(), least, NOW
    spec = Spec(least, most, Behavior() if has_behavior else None)
    for wish, gap in wishes:
        now += gap
        found = reconcile(spec, state, current, [wish], now)
        assert least <= found <= most
        assert found <= max(2 * current, current + 4)
        if wish >= current:
            assert found >= current, "a wish for more never takes any away"
        current = found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=30), st.integers(1, 300))
def test_it_never_falls_below_the_highest_wish_of_the_window(wishes: list[int], first: int) -> None:
    state, current = State(), first
    for step, wish in enumerate(wishes):
        found = reconcile(Spec(1, 1000), state, current, [wish], NOW + 15 * step)
        assert found >= min(current, max(1, *wishes[max(0, step - 19) : step + 1]))
        current = found
