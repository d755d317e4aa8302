"""States of an error-budget policy: entered at once, left late."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.documents import Slo
from maibo_slo.documents.kinds import ErrorBudgetPolicy, PolicyState
from maibo_slo.engine.policy import DEFAULT, policy_of, step
from maibo_slo.engine.state import PolicyNow

HOUR = 3600
NUMBERS = st.none() | st.floats(-2, 3)
RANK = {state.name: rank for rank, state in enumerate(DEFAULT.states)}


def at(previous: PolicyNow | None, remaining: float | None, burn: float | None = 0.5, *, now: float = 0.0) -> PolicyNow:
    return step(previous, DEFAULT, remaining=remaining, burn=burn, now=now)


@pytest.mark.parametrize(
    ("remaining", "burn", "state"),
    [
        (1.0, 0.0, "healthy"),
        (0.25, 2.0, "healthy"),
        (0.24, 0.0, "slow"),
        (0.9, 2.1, "slow"),
        (0.0, 0.0, "slow"),
        (-0.01, 0.0, "frozen"),
        (None, None, "healthy"),
        (None, 2.1, "slow"),
    ],
)
def test_the_first_state_follows_from_budget_and_burn_alone(
    remaining: float | None, burn: float | None, state: str
) -> None:
    assert at(None, remaining, burn) == PolicyNow("default", state, 0.0)


def test_a_worse_state_is_entered_at_once() -> None:
    healthy = at(None, 0.9)
    slow = at(healthy, 0.2, now=10.0)
    frozen = at(slow, -0.1, now=20.0)
    assert [(each.state, each.since) for each in (slow, frozen)] == [("slow", 10.0), ("frozen", 20.0)]


def test_it_is_left_only_above_the_further_limit_and_after_the_hold() -> None:
    slow = at(None, 0.2)
    assert at(slow, 0.3, now=5 * HOUR) is slow, "not above 0.35"
    assert at(slow, 0.9, now=HOUR - 1) is slow, "not held for an hour"
    assert at(slow, 0.9, burn=1.5, now=5 * HOUR) is slow, "not below a burn of 1"
    assert at(slow, 0.9, now=HOUR) == PolicyNow("default", "healthy", HOUR)


def test_on_the_way_up_a_state_between_is_not_skipped_before_it_has_recovered() -> None:
    frozen = at(None, -0.1)
    assert at(frozen, 0.05, now=2 * HOUR) is frozen
    assert at(frozen, 0.3, now=2 * HOUR).state == "slow"
    assert at(frozen, 0.4, now=2 * HOUR).state == "healthy"


def test_what_is_not_known_changes_nothing() -> None:
    for state in (at(None, 0.9), at(None, 0.2), at(None, -0.1)):
        assert at(state, None, None, now=9 * HOUR) is state


def test_a_changed_policy_is_judged_anew() -> None:
    before = PolicyNow("strict", "slow", 0.0)
    assert at(before, 0.9, now=5.0) == PolicyNow("default", "healthy", 5.0)
    assert at(PolicyNow("default", "gone", 0.0), 0.9, now=5.0) == PolicyNow("default", "healthy", 5.0)


def test_without_a_limit_to_recover_at_the_limit_to_enter_is_it() -> None:
    simple = ErrorBudgetPolicy("p", "", (PolicyState("go"), PolicyState("stop", remaining_below=0.5)), 0)
    stopped = step(None, simple, remaining=0.4, burn=None, now=0)
    assert step(stopped, simple, remaining=0.5, burn=None, now=1) is stopped
    assert step(stopped, simple, remaining=0.6, burn=None, now=1).state == "go"


@given(seen=st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(1, 2 * HOUR)), min_size=1, max_size=30))
def test_however_budget_and_burn_move_no_state_better_than_entered_and_none_left_before_its_hold(
    seen: list[tuple[float | None, float | None, int]],
) -> None:
    now, state = 0.0, None
    for remaining, burn, passed in seen:
        now += passed
        before, state = state, at(state, remaining, burn, now=now)
        assert RANK[state.state] >= RANK[at(None, remaining, burn).state]
        if before is not None and RANK[state.state] < RANK[before.state]:
            assert state.since - before.since >= HOUR


def test_the_policy_that_names_the_slo_comes_before_its_services_and_that_before_the_one_for_all(
    make_slo: Callable[..., Slo],
) -> None:
    slo = make_slo("checkout")
    everybody = replace(DEFAULT, name="everybody")
    shop = replace(DEFAULT, name="a-shop", services=("shop",))
    named = replace(DEFAULT, name="z-named", slos=("checkout",))
    other = replace(DEFAULT, name="other", slos=("browse",), services=("search",))
    known = {policy.name: policy for policy in (everybody, shop, named, other)}
    assert policy_of(known, slo) is named
    assert policy_of({**known, "z-named": other}, slo) is shop
    assert policy_of({"everybody": everybody, "other": other}, slo) is everybody
    assert policy_of({"other": other}, slo) is DEFAULT
