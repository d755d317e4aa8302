"""One step of the evaluator: states and counts in, states and alerts out. Pure.

* A burn alert is **pending** while the short window of a pair burns above its factor and the long one does not, or not for sure; it
  **fires** while a pair of its severity is held: reached, and not yet let go (`burning`). So a burst that ends is seen to end by the short
  window, and bad events that come late open it again.
* **No data is not good.** A firing alert without fresh data keeps firing. The silence has an alert of its own, a ticket; once that has
  fired for `HOLD_SECONDS` the burn alert ends, and says that nobody knows whether the trouble is over. So it does after as long a silence
  that is no news, since there is one every night (`Reading.is_usual`).
* A **resolved** one is told for `RESOLVED_KEPT_SECONDS`, so that whoever delivers alerts may miss a step, and be restarted; reached
  again within that time, it is the same alert, from its first start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from maibo_alerting.alerts import Alert
from maibo_alerting.evaluating.state import BURN, NO_DATA, Key, State, States
from maibo_slo.engine.burning import MINUTE, going_on, let_go, reached

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maibo_alerting.alerts import Reason, Severity
    from maibo_alerting.evaluating.reading import Reading
    from maibo_alerting.evaluating.state import Phase
    from maibo_alerting.pairs import Pair

RESOLVED_KEPT_SECONDS: Final = 900
NO_DATA_AFTER_SECONDS: Final = 1800
MISSED_EVENTS: Final = 20
"""Silence is news when so many events should have come in it: with ten an hour, two hours."""
SURELY: Final = 0.999
"""No slice is surer to have data."""
NO_DATA_AFTER_AT_MOST_SECONDS: Final = 86_400
WAIT_SECONDS: Final = 300
"""Of a silence, after it is seen: a service that was down itself takes a while to read what it missed."""
HOLD_SECONDS: Final = 3600


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
    changes: tuple[Change, ...] = ()

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Every one that fires, and those resolved within `RESOLVED_KEPT_SECONDS`; in the words in which they were told last."""
        return tuple(_alert(state) for state in self.states.values() if state.phase in ("firing", "resolved"))


def step(states: Mapping[Key, State], readings: Iterable[Reading], *, now: float) -> Outcome:
    """What the states become with these readings, which are of every objective that there is, at `now` (unix s)."""
    after: States = {}
    settled = True
    for reading in readings:
        settled &= reading.settled
        silence = _silence(states, reading, now=now)
        told = [silence, *(_burn(states, reading, severity, silence, now=now) for severity in ("page", "ticket"))]
        after.update({state.key: state for state in told if state is not None})
    for key, state in states.items():
        if key in after:
            continue
        if state.phase == "firing" and not settled:
            after[key] = state  # a group that is about to be found again
        elif (kept := _left(state, now=now)) is not None:
            after[key] = kept
    return Outcome(after, changes(states, after))


def _burn(
    states: Mapping[Key, State], reading: Reading, severity: Severity, silence: State | None, *, now: float
) -> State | None:
    key = Key(BURN, reading.slo, reading.objective, reading.group, severity)
    state = states.get(key)
    chosen = [pair for pair in reading.pairs if pair.shape.severity == severity]
    if _is_unknown(reading, silence, now=now):
        return _not_firing(state, "no_data", now=now)
    held = tuple(pair.long_seconds for pair in chosen if _held(pair, state, reading, now=now))
    if held:
        return _firing(state, key, reading, held, now=now)
    if _is_inactive(state, now=now) and any(going_on(pair, reading) for pair in chosen):
        return _pending(state, key, now=now)
    return _not_firing(state, "over", now=now)


def _held(pair: Pair, state: State | None, reading: Reading, *, now: float) -> bool:
    if state is not None and state.phase == "firing" and pair.long_seconds in state.held_by:
        return not let_go(pair, reading, now=now)
    return reached(pair, reading, now=now)


def _is_unknown(reading: Reading, silence: State | None, *, now: float) -> bool:
    """Whether the silence has lasted for so long that nobody knows whether it still burns."""
    if silence is not None and silence.phase == "firing":
        return now - silence.since >= HOLD_SECONDS
    silent = reading.silent_seconds(now=now) if reading.is_usual else None
    return silent is not None and silent >= patience(reading, now=now) + WAIT_SECONDS + HOLD_SECONDS


def _silence(states: Mapping[Key, State], reading: Reading, *, now: float) -> State | None:
    key = Key(NO_DATA, reading.slo, reading.objective, reading.group, "ticket")
    state = states.get(key)
    silent = reading.silent_seconds(now=now)
    if silent is not None and reading.last_t is not None and silent <= (patient := patience(reading, now=now)):
        # Or there is still none, and a correction excludes the time.
        has_data = now - (reading.last_t + MINUTE) <= patient
        return _not_firing(state, "over" if has_data else "withdrawn", now=now)
    if state is not None and state.phase == "firing":
        return replace(state, link=reading.link)
    if not reading.settled:
        return state  # what was counted so far may lack what there is
    if reading.is_usual:
        return _not_firing(state, "over", now=now)
    wait = NO_DATA_AFTER_SECONDS if silent is None else WAIT_SECONDS
    if state is not None and state.phase == "pending" and now - state.since >= wait:
        return _firing(state, key, reading, (), now=now)
    return _pending(state, key, now=now)


def patience(reading: Reading, *, now: float) -> float:
    """For how long an objective may be without an event before that is news."""
    usual = reading.usual_events(1, now=now)
    if (
        reading.in_slices
    ):  # where none is ever without data, a few are as unlikely to be without by chance as so many events
        usual = -math.log1p(-min(usual * reading.grain_seconds, SURELY)) / reading.grain_seconds
    needed = MISSED_EVENTS / usual if usual else 0.0
    slice_seconds = reading.grain_seconds if reading.grain_seconds > MINUTE else 0  # it is counted when it is over
    return min(NO_DATA_AFTER_AT_MOST_SECONDS, max(NO_DATA_AFTER_SECONDS, needed)) + slice_seconds


def _firing(state: State | None, key: Key, reading: Reading, held: tuple[int, ...], *, now: float) -> State:
    if state is not None and state.phase == "firing":
        return replace(state, held_by=held, link=reading.link)
    again = state is not None and state.phase == "resolved" and not _is_inactive(state, now=now)
    fired_at = state.fired_at if again and state is not None and state.fired_at is not None else now
    labels = state.labels if again and state is not None else reading.labels
    return State(key, "firing", now, fired_at, held, labels=labels, link=reading.link)


def _pending(state: State | None, key: Key, *, now: float) -> State:
    return state if state is not None and state.phase == "pending" else State(key, "pending", now)


def _not_firing(state: State | None, reason: Reason, *, now: float) -> State | None:
    """Resolved, for a while, if it fired."""
    if state is None or state.phase == "pending" or _is_inactive(state, now=now):
        return None
    if state.phase == "resolved":
        return state
    return replace(state, phase="resolved", since=now, held_by=(), reason=reason, told_at=None)


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


def changes(before: Mapping[Key, State], after: Mapping[Key, State]) -> tuple[Change, ...]:
    """What came from one phase into another."""
    found = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        phases: tuple[Phase, Phase] = (old.phase if old else "inactive", new.phase if new else "inactive")
        if phases[0] != phases[1]:
            found.append(Change(key, *phases, new.reason if new else "", new.held_by if new else ()))
    return tuple(found)


def _alert(state: State) -> Alert:
    resolved = state.phase == "resolved"
    return Alert(
        name=state.key.name,
        slo=state.key.slo,
        objective=state.key.objective,
        severity=state.key.severity,
        starts_at=state.since if state.fired_at is None else state.fired_at,
        ends_at=state.since if resolved else None,
        reason=state.reason if resolved else "",
        group=state.key.group,
        labels=state.labels,
        annotations=state.annotations,
        translations=state.translations,
        link=state.link,
        changed_at=state.since,
    )
