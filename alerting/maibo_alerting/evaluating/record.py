"""Each fire of an alert, on record in the store: from when to when, of what, who was told, and why it ended. Reports tell real pages from it.

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

    from maibo_alerting.delivery.outbox import Taken
    from maibo_alerting.evaluating.state import State
    from maibo_slo.store import Store

KIND: Final = "alert"
_Phase = tuple[str, float, int]
_Notices = dict[tuple[str, str], float]


class Record:
    """Of one service's alerts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asking: Asking[int, None] = Asking("alerts cannot be put on record", within_seconds=0.0)
        self._written: dict[str, _Phase] = {}
        """Id of an event -> the phase in which it is on record, since when it was in it, and how many notices of it were taken."""
        self._notices: dict[str, _Notices] = {}
        """Id of an event -> destination and status -> when it was first taken."""

    def write(self, states: Iterable[State], taken: Iterable[Taken] = ()) -> None:
        """What fires and what ended, and what of it destinations took, unless it is on record already."""
        if self._asking.is_busy:
            return
        told = {_id(state): state for state in states if state.phase in ("firing", "resolved")}
        self._written = {id_: phase for id_, phase in self._written.items() if id_ in told}
        self._notices = {id_: each for id_, each in self._notices.items() if id_ in told}
        for one in taken:
            id_ = f"{one.key}@{one.starts_at:.3f}"
            if id_ in told:
                status = "firing" if one.firing else "resolved"
                self._notices.setdefault(id_, {}).setdefault((one.destination, status), one.at)
        if missing := {id_: state for id_, state in told.items() if self._written.get(id_) != self._phase(id_, state)}:
            self._asking.answers({0: partial(self._append, missing)})

    @property
    def is_busy(self) -> bool:
        """With the store."""
        return self._asking.is_busy

    def stop(self) -> None:
        self._asking.stop()

    def _append(self, states: Mapping[str, State]) -> None:
        written = {id_: (self._phase(id_, state), dict(self._notices.get(id_, {}))) for id_, state in states.items()}
        events.append(self._store, [_event(id_, state, written[id_][1]) for id_, state in states.items()])
        self._written |= {id_: phase for id_, (phase, _) in written.items()}

    def _phase(self, id_: str, state: State) -> _Phase:
        return state.phase, state.since, len(self._notices.get(id_, ()))


def _event(id_: str, state: State, notices: _Notices) -> Event:
    key = state.key
    told = [
        {"destination": destination, "status": status, "at": at}
        for (destination, status), at in sorted(notices.items(), key=lambda one: one[1])
    ]
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
            **({"notices": told} if told else {}),
        },
    )


def _id(state: State) -> str:
    return f"{key_of(*state.key)}@{_fired_at(state):.3f}"


def _fired_at(state: State) -> float:
    return state.since if state.fired_at is None else state.fired_at
