"""Each fire of an alert, on record in the store: from when to when, of what, and why it ended. Reports tell real pages from it.

Written beside alerting, which never waits for it; what a store did not take is written again while the alert fires, and for as long as its end
is told. The same fire is the same event, however often it is written.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from maibo_alerting.alerts import key_of
from maibo_alerting.evaluating.asking import Asking
from maibo_slo.store import events
from maibo_slo.store.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maibo_alerting.evaluating.state import State
    from maibo_slo.store import Store

KIND: Final = "alert"


class Record:
    """Of one service's alerts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asking: Asking[int, None] = Asking("alerts cannot be put on record", within_seconds=0.0)
        self._written: dict[str, tuple[str, float]] = {}
        """Id of an event -> the phase in which it is on record, and since when it was in it."""

    def write(self, states: Iterable[State]) -> None:
        """What fires and what ended, unless it is on record already."""
        if self._asking.is_busy:
            return
        told = {_id(state): state for state in states if state.phase in ("firing", "resolved")}
        self._written = {id_: phase for id_, phase in self._written.items() if id_ in told}
        if missing := {id_: state for id_, state in told.items() if self._written.get(id_) != _phase(state)}:
            self._asking.answers({0: partial(self._append, missing)})

    @property
    def is_busy(self) -> bool:
        """With the store."""
        return self._asking.is_busy

    def stop(self) -> None:
        self._asking.stop()

    def _append(self, states: Mapping[str, State]) -> None:
        events.append(self._store, [_event(id_, state) for id_, state in states.items()])
        self._written |= {id_: _phase(state) for id_, state in states.items()}


def _event(id_: str, state: State) -> Event:
    key = state.key
    return Event(
        id=id_,
        kind=KIND,
        subject=key.slo,
        begin=_fired_at(state),
        end=state.since if state.phase == "resolved" else None,
        detail={
            "name": key.name,
            "objective": key.objective,
            "group": key.group,
            "severity": key.severity,
            "reason": state.reason,
            "summary": state.annotations.get("summary", ""),
        },
    )


def _id(state: State) -> str:
    return f"{key_of(*state.key)}@{_fired_at(state):.3f}"


def _phase(state: State) -> tuple[str, float]:
    return state.phase, state.since


def _fired_at(state: State) -> float:
    return state.since if state.fired_at is None else state.fired_at
