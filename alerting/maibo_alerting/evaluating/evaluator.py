"""The evaluator beside a running engine: a step a tick, states on disk before alerts are told.

Not thread-safe: one `evaluate` at a time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from maibo_alerting.evaluating import standstill
from maibo_alerting.evaluating.habits import Habits, Silence, outlived
from maibo_alerting.evaluating.memory import recall, remember
from maibo_alerting.evaluating.reading import readings
from maibo_alerting.evaluating.soon import soon
from maibo_alerting.evaluating.step import Outcome, changes, patience, step
from maibo_alerting.evaluating.teller import Teller, is_due
from maibo_slo.engine.burning import MINUTE
from maibo_slo.engine.state import is_stale

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from maibo_alerting.evaluating.reading import Reading
    from maibo_alerting.evaluating.state import States
    from maibo_alerting.wording import Locale
    from maibo_slo.engine.snapshot import Snapshot
    from maibo_slo.service.alerts_soon import Soon
    from maibo_slo.store import Store

EARLY_SECONDS: Final = 120
"""So long before a silence could be news, the days before are looked up."""


class Evaluator:
    """Judges the snapshots of an engine."""

    def __init__(
        self, path: Path, *, store: Store | None = None, url: str = "", locales: Sequence[Locale] = ("en",)
    ) -> None:
        """`path`: of its states, in a folder that exists. `store`: to ask what counts do not say; None asks nothing.

        `url`: where people reach the pages. `locales`: in which alerts are told, the service's own first.
        """
        self._path = path
        self._url = url.rstrip("/")
        self._habits = None if store is None else Habits(store)
        self._teller = Teller(store, locales)
        states = recall(path)
        if (stood := states.get(standstill.KEY)) is not None and stood.phase == "pending":
            del states[standstill.KEY]  # it was another process' engine
        self._outcome = Outcome(states)
        self._saved = states
        self._read: Sequence[Reading] = ()
        self._soon = soon(states.values(), (), now=0.0)
        self._evaluated_at: float | None = None
        self._began_at: float | None = None

    @property
    def outcome(self) -> Outcome:
        """Of the last step; may be read from any thread."""
        return self._outcome

    @property
    def soon(self) -> tuple[Soon, ...]:
        """What is about to fire, in order; may be read from any thread."""
        return self._soon

    @property
    def evaluated_at(self) -> float | None:
        """The engine's tick of the last step of this process, unix s; None before the first."""
        return self._evaluated_at

    def evaluate(self, snapshot: Snapshot, *, now: float) -> Outcome:
        """One step, if the engine has ticked since the last one and its tick is fresh; else what was true stays: the same object.

        OSError when the states cannot be written: then nothing has changed, and the next call tries again.
        """
        self._began_at = now if self._began_at is None else self._began_at
        before, at = self._outcome.states, snapshot.evaluated_at
        is_new = at is not None and at != self._evaluated_at and not is_stale(at, now=now)
        stepped = self._stepped(before, snapshot, now=at) if is_new and at is not None else before
        after = self._watched(stepped, at, now=now)
        if after is before:
            return self._outcome
        if after != self._saved:
            remember(self._path, after.values())
            self._saved = after
        self._evaluated_at = at if is_new else self._evaluated_at
        self._outcome = Outcome(after, changes(before, after))
        self._soon = soon(after.values(), self._read, now=now if at is None else at)
        return self._outcome

    def stop(self) -> None:
        """Ask the store no more."""
        self._teller.stop()
        if self._habits is not None:
            self._habits.stop()

    def _stepped(self, before: States, snapshot: Snapshot, *, now: float) -> States:
        """What the objectives' states become."""
        read = self._read = self._with_habits(list(readings(snapshot, url=self._url)), now=now)
        of_objectives = {key: state for key, state in before.items() if key != standstill.KEY}
        of_evaluation = {key: state for key, state in before.items() if key == standstill.KEY}
        after = step(of_objectives, read, now=now).states
        return {**self._teller.told(after, snapshot, read, now=now), **of_evaluation}

    def _watched(self, states: States, evaluated_at: float | None, *, now: float) -> States:
        """With the state of the evaluation itself."""
        before = states.get(standstill.KEY)
        after = standstill.standstill(
            before,
            evaluated_at=evaluated_at,
            began_at=now if self._began_at is None else self._began_at,
            now=now,
            link=f"{self._url}/" if self._url else "",
        )
        if after is not None and is_due(after, now=now):
            after = self._teller.in_words(after, evaluated_at=evaluated_at, now=now)
        if after is before:
            return states
        others = {key: state for key, state in states.items() if key != standstill.KEY}
        return others if after is None else {**others, standstill.KEY: after}

    def _with_habits(self, read: Sequence[Reading], *, now: float) -> Sequence[Reading]:
        usual = outlived(read, now=now)
        if self._habits is not None:
            usual |= self._habits.usual(_silences(read, now=now), now=now)
        return [
            replace(each, is_usual=True) if usual and (each.slo, each.objective, each.group) in usual else each
            for each in read
        ]


def _silences(read: Sequence[Reading], *, now: float) -> Iterator[Silence]:
    """That would be news soon."""
    for each in read:
        if each.last_t is None or each.first_t is None:
            continue
        silent = each.silent_seconds(now=now)
        if silent is not None and silent > patience(each, now=now) - EARLY_SECONDS:
            yield Silence(each.slo, each.objective, each.group, each.last_t + MINUTE, each.first_t)
