"""What is known of an alert when it is told: its state, the engine's counts, and what the cells say beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from maibo_alerting.evaluating.circumstances import indicator
from maibo_alerting.evaluating.state import BURN, NO_DATA, NOT_EVALUATING
from maibo_alerting.wording import Facts, Waiting
from maibo_slo.engine.burn import burn_rate
from maibo_slo.engine.burning import ABOVE, RECENT_SECONDS, going_on, guard
from maibo_slo.engine.certainty import FEW
from maibo_slo.engine.groups import group_values
from maibo_slo.engine.state import assess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_alerting.evaluating.circumstances import Circumstances
    from maibo_alerting.evaluating.reading import Reading
    from maibo_alerting.evaluating.state import State
    from maibo_alerting.pairs import Pair
    from maibo_alerting.wording.facts import Wait
    from maibo_slo.engine.state import Observed

DASHBOARD: Final = "maibo.dev/dashboard"
RUNBOOK: Final = "maibo.dev/runbook"
"""Annotations of an SLO: where an alert says to look."""
OLD_SECONDS: Final = 300
"""From then on an alert says how old the newest data are."""
_KINDS: Final[Mapping[str, Literal["burn", "no_data", "standstill"]]] = {
    BURN: "burn",
    NO_DATA: "no_data",
    NOT_EVALUATING: "standstill",
}


@dataclass(frozen=True, slots=True)
class Known:
    """Of an objective that there is."""

    observed: Observed
    reading: Reading


def over_seconds(state: State, reading: Reading) -> int:
    """Which of its windows an alert tells: the short one, what goes on now, where that has enough events to mean something.

    Of one that does not fire yet the short one, since it is all there is.
    """
    if (waiting := waiting_pair(state, reading)) is not None:
        return waiting.short_seconds
    held = [pair for pair in reading.pairs if pair.long_seconds in state.held_by]
    if not held:
        return RECENT_SECONDS
    pair = min(held, key=lambda each: each.long_seconds)
    short = reading.of(pair.short_seconds)
    return pair.short_seconds if short.good + short.bad >= FEW and short.bad else pair.long_seconds


def waiting_pair(state: State, reading: Reading) -> Pair | None:
    """The pair whose short window makes a burn one that is about to fire."""
    if state.phase != "pending" or state.key.name != BURN:
        return None
    going = [pair for pair in reading.pairs if pair.shape.severity == state.key.severity and going_on(pair, reading)]
    return min(going, key=lambda each: each.long_seconds, default=None)


def since(state: State, known: Known | None) -> float:
    """When the trouble was first seen: mostly before it fired."""
    fired = state.since if state.fired_at is None else state.fired_at
    seen = None if known is None or state.key.name != BURN else known.observed.first_burning_at
    return fired if seen is None else min(fired, seen)


def facts_of(
    state: State, known: Known | None, found: Circumstances, *, evaluated_at: float | None, now: float
) -> Facts:
    """To be told. `known`: None of what is no longer among the documents, and of the evaluation itself."""
    key = state.key
    facts = Facts(
        now=now,
        slo=key.slo,
        objective=key.objective,
        kind=_KINDS[key.name],
        group=", ".join(group_values(key.group).values()) or key.group,
        since=since(state, known),
        until=state.since if state.phase == "resolved" else None,
        ended=state.reason or "over",
        page=state.link,
    )
    if key.name == NOT_EVALUATING:
        return facts if evaluated_at is None else replace(facts, age_seconds=now - evaluated_at)
    return facts if known is None else _of_objective(facts, state, known, found, evaluated_at=evaluated_at)


def _of_objective(
    facts: Facts, state: State, known: Known, found: Circumstances, *, evaluated_at: float | None
) -> Facts:
    observed, reading = known.observed, known.reading
    slo, sli = observed.slo, indicator(observed)
    facts = replace(
        facts,
        target=observed.objective.target,
        window_seconds=slo.window_seconds,
        period=observed.period,
        journey=slo.journey if sli is None else sli.total.journey,
        step="" if sli is None else sli.total.step,
        tier=", ".join(() if sli is None else sli.total.where.get("tier", ())),
        budget_remaining=assess(observed, now=facts.now, evaluated_at=evaluated_at).budget.projected,
        dashboard=slo.annotations.get(DASHBOARD, ""),
        runbook=slo.annotations.get(RUNBOOK, ""),
    )
    silent = reading.silent_seconds(now=facts.now)
    if state.key.name != BURN:
        return replace(facts, age_seconds=silent if facts.until is None else None)
    if facts.until is not None:
        return facts
    over = over_seconds(state, reading)
    window = reading.of(over)
    waiting = waiting_pair(state, reading)
    in_events = slo.method == "Occurrences"
    threshold_us = None if sli is None or sli.good is None else sli.good.max_duration_us
    return replace(
        facts,
        over_seconds=over,
        total=round(window.good + window.bad) if in_events else found.total,
        bad=round(window.bad) if in_events else found.bad,
        is_felt=sli is not None,
        p99_seconds=found.p99_seconds,
        threshold_seconds=None if threshold_us is None else threshold_us / 1e6,
        burn_rate=burn_rate(window.good, window.bad, target=observed.objective.target),
        age_seconds=silent if silent is not None and silent >= OLD_SECONDS else None,
        waiting=None if waiting is None else _waiting_for(waiting, reading, now=facts.now),
        changes=found.changes,
    )


def _waiting_for(pair: Pair, reading: Reading, *, now: float) -> Waiting | None:
    why = held_back_by(pair, reading, now=now)
    return None if why is None else Waiting(factor=pair.factor, long_seconds=pair.long_seconds, held_back_by=why)


def held_back_by(pair: Pair, reading: Reading, *, now: float) -> Wait | None:
    """Why the long window does not make the pair fire; None: it does."""
    long = reading.of(pair.long_seconds)
    if long.bad <= reading.limit(pair) * (long.good + long.bad) * ABOVE:
        return "below"
    return guard(pair, reading, now=now)
