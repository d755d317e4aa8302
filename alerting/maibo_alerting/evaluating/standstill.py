"""Who watches the watcher: the alert that the engine no longer evaluates, so that no other one can fire.

It is the service's own, about no SLO, and goes the way of all others. What it cannot tell is that the whole service is gone: for that there
is whoever watches ``/readyz``, or `MaiboNotEvaluating` of the generated rules.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from maibo_alerting.evaluating.state import NOT_EVALUATING, Key, State
from maibo_alerting.evaluating.step import RESOLVED_KEPT_SECONDS
from maibo_slo.engine.state import is_stale

KEY: Final = Key(NOT_EVALUATING, "", "", "", "page")
SEEN_SECONDS: Final = 60
"""How long it is watched standing still before it fires, beyond the minute after which it counts as doing so. Two minutes in all; and after
a clock that jumped, or a machine that slept, the engine has the time to tick."""


def standstill(
    state: State | None, *, evaluated_at: float | None, began_at: float, now: float, link: str = ""
) -> State | None:
    """What its state becomes. `evaluated_at`: the engine's last tick; None without one since `began_at`, when this process began to look."""
    if is_stale(began_at if evaluated_at is None else evaluated_at, now=now):
        if state is None or state.phase == "resolved":
            return State(KEY, "pending", now)
        if state.phase == "pending" and now - state.since >= SEEN_SECONDS:
            return State(KEY, "firing", now, now, link=link)
        return state
    if state is None or state.phase == "pending":
        return None
    if state.phase == "firing":
        ticks = evaluated_at is not None  # after a restart: until the engine has ticked, nothing is over
        return replace(state, phase="resolved", since=now, reason="over", told_at=None) if ticks else state
    return state if now - state.since < RESOLVED_KEPT_SECONDS else None
