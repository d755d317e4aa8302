"""Where an objective stands in its error-budget policy: what a team has agreed to do as its budget goes.

A policy is a list of states, the best first. A worse one is entered at once, when less of the budget is left than it says or the burn over 6 h
is faster. A better one follows only when everything that the present one says has recovered, by its own and further-off limits, and not before
it was held for a while: what a release depends on must not flap.

What is not known (no events) neither enters a state nor leaves one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_slo.documents.kinds import ErrorBudgetPolicy, Origin, PolicyState
from maibo_slo.engine.state import PolicyNow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maibo_slo.documents import FedSlo, Slo

DEFAULT: Final = ErrorBudgetPolicy(
    name="default",
    description="Healthy: release as you like. Slow: less than a quarter of the budget is left, or it burns twice as fast as it lasts; "
    "release with care. Frozen: the budget is spent; release what mends it.",
    states=(
        PolicyState("healthy"),
        PolicyState("slow", remaining_below=0.25, recover_above=0.35, burn_above=2.0, burn_recover_below=1.0),
        PolicyState("frozen", remaining_below=0.0, recover_above=0.1),
    ),
    hold_seconds=3600,
    origin=Origin("", 0),
)
"""Of an SLO that no document has a policy for."""
BURN_SECONDS: Final = 6 * 3600
"""The window of the burn that policies go by."""


def policy_of(policies: Mapping[str, ErrorBudgetPolicy], slo: Slo | FedSlo) -> ErrorBudgetPolicy:
    """The policy that names the SLO, else the one that names its service, else the one that names nothing, else `DEFAULT`."""
    concerned = [policy for policy in policies.values() if _distance(policy, slo) is not None]
    return min(concerned, key=lambda policy: (_distance(policy, slo), policy.name), default=DEFAULT)


def _distance(policy: ErrorBudgetPolicy, slo: Slo | FedSlo) -> int | None:
    """0: it names the SLO; 1: its service; 2: nothing, so every SLO; None: others."""
    if slo.name in policy.slos:
        return 0
    if slo.service and slo.service in policy.services:
        return 1
    return None if policy.slos or policy.services else 2


def step(
    previous: PolicyNow | None,
    policy: ErrorBudgetPolicy,
    *,
    remaining: float | None,
    burn: float | None,
    now: float,
) -> PolicyNow:
    """The state at `now` (unix s), with so much of the budget left (projected) and so fast a burn over 6 h.

    >>> slow = step(None, DEFAULT, remaining=0.2, burn=0.5, now=0)
    >>> slow.state, step(slow, DEFAULT, remaining=0.3, burn=0.5, now=7200).state
    ('slow', 'slow')
    >>> step(slow, DEFAULT, remaining=0.4, burn=0.5, now=7200).state
    'healthy'
    """
    names = [state.name for state in policy.states]
    entered = _last(policy, lambda state: _is_entered(state, remaining, burn))
    if previous is None or previous.policy != policy.name or previous.state not in names:
        return PolicyNow(policy.name, names[entered], now)
    present = names.index(previous.state)
    if entered <= present:
        kept = _last(policy, lambda state: not _is_recovered(state, remaining, burn))
        entered = max(entered, min(present, kept))
    too_soon = entered < present and now - previous.since < policy.hold_seconds
    return previous if entered == present or too_soon else PolicyNow(policy.name, names[entered], now)


def _last(policy: ErrorBudgetPolicy, holds: Callable[[PolicyState], bool]) -> int:
    """Which is the worst of the states that this holds for; the first has no conditions."""
    return max((at for at, state in enumerate(policy.states) if at and holds(state)), default=0)


def _is_entered(state: PolicyState, remaining: float | None, burn: float | None) -> bool:
    spent = state.remaining_below is not None and remaining is not None and remaining < state.remaining_below
    return spent or (state.burn_above is not None and burn is not None and burn > state.burn_above)


def _is_recovered(state: PolicyState, remaining: float | None, burn: float | None) -> bool:
    left, calm = True, True
    if state.remaining_below is not None:
        limit = state.remaining_below if state.recover_above is None else state.recover_above
        left = remaining is not None and remaining > limit
    if state.burn_above is not None:
        limit = state.burn_above if state.burn_recover_below is None else state.burn_recover_below
        calm = burn is not None and burn < limit
    return left and calm
