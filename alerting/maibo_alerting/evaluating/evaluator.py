"""The evaluator beside a running engine: a step a tick, states on disk before alerts are told.

Not thread-safe: one `evaluate` at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_alerting.evaluating.memory import recall, remember
from maibo_alerting.evaluating.reading import readings
from maibo_alerting.evaluating.step import Outcome, step
from maibo_slo.engine.state import is_stale

if TYPE_CHECKING:
    from pathlib import Path

    from maibo_slo.engine.snapshot import Snapshot


class Evaluator:
    """Judges the snapshots of an engine."""

    def __init__(self, path: Path, *, url: str = "") -> None:
        """`path`: of its states, in a folder that exists. `url`: where people reach the pages."""
        self._path = path
        self._url = url
        self._outcome = Outcome(recall(path), (), ())
        self._saved = self._outcome.states
        self._evaluated_at: float | None = None

    @property
    def outcome(self) -> Outcome:
        """Of the last step; may be read from any thread."""
        return self._outcome

    @property
    def evaluated_at(self) -> float | None:
        """The engine's tick of the last step of this process, unix s; None before the first."""
        return self._evaluated_at

    def evaluate(self, snapshot: Snapshot, *, now: float) -> Outcome:
        """One step, if the engine has ticked since the last one and its tick is fresh; otherwise what was true stays.

        OSError when the states cannot be written: then nothing has changed, and the next call tries again.
        """
        at = snapshot.evaluated_at
        if at is None or at == self._evaluated_at or is_stale(at, now=now):
            return Outcome(self._outcome.states, self._outcome.alerts, ())
        outcome = step(self._outcome.states, readings(snapshot, url=self._url), now=at)
        if outcome.states != self._saved:
            remember(self._path, outcome.states.values())
            self._saved = outcome.states
        self._outcome, self._evaluated_at = outcome, at
        return outcome
