"""One step of the evaluator: states and counts in, states and alerts out. Pure.

* A burn alert is **pending** while the short window of a pair burns above its factor and the long one does not, or not for sure; it
  **fires** while a pair of its severity is held: reached, and not yet let go (`burning`). So a burst that ends is seen to end by the short
  window, and bad events that come late open it again.
* **No data is not good.** A firing alert without fresh data keeps firing. The silence has an alert of its own, a ticket; once that has
  fired for `HOLD_SECONDS` the burn alert ends, and says that nobody knows whether the trouble is over.
* A **resolved** one is told for `RESOLVED_KEPT_SECONDS`, so that whoever delivers alerts may miss a step, and be restarted; reached
  again within that time, it is the same alert, from its first start.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from maibo_alerting.alerts import Alert
from maibo_alerting.evaluating.burning import going_on, let_go, reached
from maibo_alerting.evaluating.state import BURN, NO_DATA, Key, Reason, State, States
from maibo_slo.engine.burn import burn_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maibo_alerting.alerts import Severity
    from maibo_alerting.evaluating.reading import Reading
    from maibo_alerting.evaluating.state import Phase
    from maibo_alerting.pairs import Pair

RESOLVED_KEPT_SECONDS: Final = 900
NO_DATA_AFTER_SECONDS: Final = 1800
MISSED_EVENTS: Final = 20
"""Silence is news when so many events should have come in it: with ten an hour, two hours."""
NO_DATA_AFTER_AT_MOST_SECONDS: Final = 86_400
WAIT_SECONDS: Final = 300
"""Of a silence, after it is seen: a service that was down itself takes a while to read what it missed."""
HOLD_SECONDS: Final = 3600

_ENDED: Final[Mapping[Reason, str]] = {
    "over": "The trouble is over.",
    "no_data": "There has been no data for too long: nobody knows whether the trouble is over.",
    "withdrawn": "The objective is no longer among the documents.",
}


@dataclass(frozen=True, slots=True)
class Change:
    """An alert came from one phase into another."""

    key: Key
    before: Phase
    after: Phase
    reason: Reason
    held_by: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one step."""

    states: States
    alerts: tuple[Alert, ...]
    """Every one that fires, and those resolved within `RESOLVED_KEPT_SECONDS`."""
    changes: tuple[Change, ...]


def step(states: Mapping[Key, State], readings: Iterable[Reading], *, now: float) -> Outcome:
    """What the states become with these readings, which are of every objective that there is, at `now` (unix s)."""
    after: States = {}
    for reading in readings:
        silence = _silence(states, reading, now=now)
        told = [silence, *(_burn(states, reading, severity, silence, now=now) for severity in ("page", "ticket"))]
        after.update({state.key: state for state in told if state is not None})
    for key, state in states.items():
        if key not in after and (kept := _left(state, now=now)) is not None:
            after[key] = kept
    return Outcome(
        states=after,
        alerts=tuple(_alert(state) for state in after.values() if state.phase in ("firing", "resolved")),
        changes=_changes(states, after),
    )


def _burn(
    states: Mapping[Key, State], reading: Reading, severity: Severity, silence: State | None, *, now: float
) -> State | None:
    key = Key(BURN, reading.slo, reading.objective, reading.group, severity)
    state = states.get(key)
    chosen = [pair for pair in reading.pairs if pair.shape.severity == severity]
    if silence is not None and silence.phase == "firing" and now - silence.since >= HOLD_SECONDS:
        return _not_firing(state, "no_data", now=now)
    held = tuple(pair.long_seconds for pair in chosen if _held(pair, state, reading, now=now))
    if held:
        annotations = _burn_told(reading, [pair for pair in chosen if pair.long_seconds in held])
        return _firing(state, key, reading, annotations, held, now=now)
    if _is_inactive(state, now=now) and any(going_on(pair, reading) for pair in chosen):
        return _pending(state, key, now=now)
    return _not_firing(state, "over", now=now)


def _held(pair: Pair, state: State | None, reading: Reading, *, now: float) -> bool:
    if state is not None and state.phase == "firing" and pair.long_seconds in state.held_by:
        return not let_go(pair, reading, now=now)
    return reached(pair, reading, now=now)


def _silence(states: Mapping[Key, State], reading: Reading, *, now: float) -> State | None:
    key = Key(NO_DATA, reading.slo, reading.objective, reading.group, "ticket")
    state = states.get(key)
    silent = reading.silent_seconds(now=now)
    if silent is not None and silent <= _patience(reading, now=now):
        return _not_firing(state, "over", now=now)
    if not reading.settled and (state is None or state.phase != "firing"):
        return state  # what was counted so far may lack what there is
    if state is not None and state.phase == "firing":
        return replace(state, annotations=_silence_told(reading, now=now))
    wait = NO_DATA_AFTER_SECONDS if silent is None else WAIT_SECONDS
    if state is not None and state.phase == "pending" and now - state.since >= wait:
        return _firing(state, key, reading, _silence_told(reading, now=now), (), now=now)
    return _pending(state, key, now=now)


def _patience(reading: Reading, *, now: float) -> float:
    """For how long an objective may be without an event before that is news."""
    usual = reading.usual_events(1, now=now)
    needed = MISSED_EVENTS / usual if usual else 0.0
    return min(NO_DATA_AFTER_AT_MOST_SECONDS, max(NO_DATA_AFTER_SECONDS, needed))


def _firing(
    state: State | None, key: Key, reading: Reading, told: Mapping[str, str], held: tuple[int, ...], *, now: float
) -> State:
    if state is not None and state.phase == "firing":
        return replace(state, annotations=told, held_by=held, link=reading.link)
    again = state is not None and state.phase == "resolved" and not _is_inactive(state, now=now)
    fired_at = state.fired_at if again and state is not None and state.fired_at is not None else now
    labels = state.labels if again and state is not None else reading.labels
    return State(key, "firing", now, fired_at, held, labels=labels, annotations=told, link=reading.link)


def _pending(state: State | None, key: Key, *, now: float) -> State:
    return state if state is not None and state.phase == "pending" else State(key, "pending", now)


def _not_firing(state: State | None, reason: Reason, *, now: float) -> State | None:
    """Resolved, for a while, if it fired."""
    if state is None or state.phase == "pending" or _is_inactive(state, now=now):
        return None
    if state.phase == "resolved":
        return state
    return replace(state, phase="resolved", since=now, held_by=(), reason=reason)


def _left(state: State, *, now: float) -> State | None:
    """Of an alert whose objective no reading is about; or that was dropped in this step, for being over."""
    return _not_firing(state, "withdrawn", now=now)


def _is_inactive(state: State | None, *, now: float) -> bool:
    """Or as good as: pending, or resolved long ago."""
    return (
        state is None
        or state.phase == "pending"
        or (state.phase == "resolved" and now - state.since >= RESOLVED_KEPT_SECONDS)
    )


def _changes(before: Mapping[Key, State], after: Mapping[Key, State]) -> tuple[Change, ...]:
    changes = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        phases: tuple[Phase, Phase] = (old.phase if old else "inactive", new.phase if new else "inactive")
        if phases[0] != phases[1]:
            changes.append(Change(key, *phases, new.reason if new else "", new.held_by if new else ()))
    return tuple(changes)


def _burn_told(reading: Reading, held: Iterable[Pair]) -> dict[str, str]:
    parts = []
    for pair in held:
        windows = ((pair.shape.long, pair.long_seconds), (pair.shape.short, pair.shape.short_seconds))
        rates = [f"{_rate(reading, seconds)} over {name}" for name, seconds in windows]
        parts.append(f"{' and '.join(rates)} (above {pair.factor:.4g})")
    return {
        "summary": f"{reading.slo} {reading.objective}: the error budget burns too fast",
        "description": f"Burn rate {'; '.join(parts)}. 1 would spend exactly the budget over the SLO's window.",
    }


def _rate(reading: Reading, seconds: int) -> str:
    window = reading.of(seconds)
    rate = burn_rate(window.good, window.bad, target=reading.target)
    return "unknown, for lack of events," if rate is None else f"{rate:.3g}"


def _silence_told(reading: Reading, *, now: float) -> dict[str, str]:
    silent = reading.silent_seconds(now=now)
    since = "in the whole of the SLO's window" if silent is None else f"for {silent / 60:.0f} minutes"
    return {
        "summary": f"{reading.slo} {reading.objective}: no data",
        "description": f"No event has been counted {since}. That is neither good nor bad: see whether customers stayed away or the "
        "telemetry did.",
    }


def _alert(state: State) -> Alert:
    resolved = state.phase == "resolved"
    return Alert(
        name=state.key.name,
        slo=state.key.slo,
        objective=state.key.objective,
        severity=state.key.severity,
        starts_at=state.since if state.fired_at is None else state.fired_at,
        ends_at=state.since if resolved else None,
        group=state.key.group,
        labels=state.labels,
        annotations={**state.annotations, "ended": _ENDED[state.reason]} if resolved else state.annotations,
        link=state.link,
        changed_at=state.since,
    )
