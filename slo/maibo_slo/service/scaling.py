"""How scaling stands: every ScalingTarget's signal from memory, and of one target what was decided, ran and was forecast lately.

A signal never waits for the store: while that fails, the history is missing and says why, and what is decided now is told all the same.
How it stood at a moment of the past is what the store has on record of that moment, and nothing that is known of now alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from maibo_slo.engine.scaling.signal import ScalingSignal
from maibo_slo.errors import StoreError
from maibo_slo.signals.reading import Reader, Standing
from maibo_slo.store import forecasts, replicas, rises, scaling
from maibo_slo.store.scaling import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from maibo_slo.documents import Catalogue
    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.answered import Answered
    from maibo_slo.engine.scaling.inputs import Inputs, Override
    from maibo_slo.engine.scaling.overrides import Overrides, Said
    from maibo_slo.engine.scaling.signal import Signals
    from maibo_slo.store import Store
    from maibo_slo.store.forecasts import Forecasted
    from maibo_slo.store.replicas import Sample
    from maibo_slo.store.rises import Rise
    from maibo_slo.store.scaling import Decided

AHEAD_SECONDS: Final = 3600
"""Forecasts of so long after the window are told too: a lead time is seldom longer."""
TRAIL_SECONDS: Final = 30 * 86_400
RECORD_SECONDS: Final = 30
"""What was decided at a moment is the newest bucket on record that was over by then, if it began so shortly before: the engine decides twice a second."""


@dataclass(frozen=True, slots=True)
class TargetNow:
    """One target at one moment."""

    target: ScalingTarget
    standing: Standing | None
    """None: nothing was decided for it yet."""
    override: Override | None
    """In force, whether it is in the signal already or not."""
    faces: tuple[Answered, ...] = ()
    """What each face that was asked since the start answered last."""

    @property
    def signal(self) -> ScalingSignal | None:
        """The newest there was, be it fit to be acted upon or not."""
        found = None if self.standing is None else self.standing.found
        return found if isinstance(found, ScalingSignal) else None

    @property
    def inputs(self) -> Inputs | None:
        """What is known of it, also where that is not enough for a signal."""
        return None if self.standing is None else self.standing.found.inputs

    @property
    def refused(self) -> str:
        """Why there is no signal to act upon; '' where there is one."""
        return "nothing was decided for it yet" if self.standing is None else self.standing.refused


@dataclass(frozen=True, slots=True)
class ScalingNow:
    """Every target in force, by namespace and name."""

    now: float
    decided_at: float | None
    """None: nothing was decided yet."""
    targets: tuple[TargetNow, ...]


@dataclass(frozen=True, slots=True)
class TargetHistory:
    """What the store has of one target in [begin, end), unix s; each the oldest first."""

    begin: float
    end: float
    decided: tuple[Decided, ...] = ()
    ran: tuple[Sample, ...] = ()
    forecast: tuple[Forecasted, ...] = ()
    """Also of moments up to `AHEAD_SECONDS` after the end."""
    rises: tuple[Rise, ...] = ()
    problem: str = ""
    """Why there is none."""


@dataclass(frozen=True, slots=True)
class TargetThen:
    """One target, and how it came to that."""

    now: float
    decided_at: float | None
    at: TargetNow
    history: TargetHistory
    trail: tuple[Said, ...]
    """Overrides of the last `TRAIL_SECONDS`, the newest first."""


@dataclass(frozen=True, slots=True)
class TargetRecord:
    """One target at a moment of the past, as it is on record."""

    target: ScalingTarget
    """By the document in force now: earlier ones are not kept."""
    decided: Decided | None
    """None: nothing is on record of that moment."""
    override: Override | None
    """In force then."""


@dataclass(frozen=True, slots=True)
class ScalingRecord:
    """Every target in force now, by namespace and name, at a moment of the past."""

    at: float
    targets: tuple[TargetRecord, ...]


@dataclass(frozen=True, slots=True)
class TargetPast:
    """One target at a moment of the past, and how it had come to that."""

    at: float
    record: TargetRecord
    history: TargetHistory
    """Until the last bucket that was over; forecasts that had been made by then, rises with the face that had told them by then."""
    trail: tuple[Said, ...]
    """Overrides of the `TRAIL_SECONDS` before, as they stood then, the newest first."""


class Scaling:
    """Answers about the targets in force. `overrides` None: nobody can set any."""

    def __init__(
        self,
        store: Store,
        catalogue: Callable[[], Catalogue],
        *,
        signals: Callable[[], Signals | None],
        overrides: Overrides | None = None,
        answers: Callable[[str, str], Sequence[Answered]] = lambda *_: (),
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._signals = signals
        self._overrides = overrides
        self._answers = answers

    def targets(self, now: float) -> ScalingNow:
        """Every target, from memory."""
        decided_at, standings = self._standings(now)
        said = self._said(now)
        return ScalingNow(now, decided_at, tuple(self._now(target, standings, said) for target in self._targets()))

    def record(self, at: float) -> ScalingRecord:
        """Every target at a moment of the past. StoreError."""
        decided, trail = self._decided(at), self._trail(at)
        return ScalingRecord(at, tuple(_record(target, decided, trail, at) for target in self._targets()))

    def target(self, namespace: str, name: str, *, begin: float, end: float, now: float) -> TargetThen | None:
        """One target with its history in [begin, end); None when no document in force has it."""
        target = self._target(namespace, name)
        if target is None:
            return None
        decided_at, standings = self._standings(now)
        try:
            history = self._history(target, begin, end)
        except StoreError as error:
            history = TargetHistory(begin, end, problem=str(error))
        trail = () if self._overrides is None else self._overrides.trail(now - TRAIL_SECONDS, now + 1)
        return TargetThen(
            now, decided_at, self._now(target, standings, self._said(now)), history, _of_target(trail, name)
        )

    def target_record(self, namespace: str, name: str, *, begin: float, at: float) -> TargetPast | None:
        """One target at a moment of the past, with its history since `begin`; None when no document in force has it. StoreError."""
        target = self._target(namespace, name)
        if target is None:
            return None
        history = self._history(target, begin, _over(at))
        history = replace(
            history,
            forecast=tuple(each for each in history.forecast if each.made_at <= at),
            rises=tuple(each.as_of(at) for each in history.rises),
        )
        trail = self._trail(at)
        return TargetPast(
            at,
            _record(target, self._decided(at), trail, at),
            history,
            _of_target(trail, name),
        )

    def _targets(self) -> list[ScalingTarget]:
        return sorted(self._catalogue().scaling_targets.values(), key=lambda each: (each.workload.namespace, each.name))

    def _target(self, namespace: str, name: str) -> ScalingTarget | None:
        target = self._catalogue().scaling_targets.get(name)
        return None if target is None or target.workload.namespace != namespace else target

    def _decided(self, at: float) -> dict[tuple[str, str], Decided]:
        return scaling.newest(self._store, begin=at - RECORD_SECONDS, end=_over(at))

    def _trail(self, at: float) -> tuple[Said, ...]:
        """Overrides as they stood then: whoever ended one later had not yet."""
        if self._overrides is None:
            return ()
        return tuple(
            replace(each, ended=None) if each.ended is not None and each.ended.at > at else each
            for each in self._overrides.trail(at - TRAIL_SECONDS, at)
        )

    def _now(
        self, target: ScalingTarget, standings: Mapping[tuple[str, str], Standing], said: Mapping[str, Override]
    ) -> TargetNow:
        key = (target.workload.namespace, target.name)
        return TargetNow(target, standings.get(key), said.get(target.name), tuple(self._answers(*key)))

    def _standings(self, now: float) -> tuple[float | None, dict[tuple[str, str], Standing]]:
        signals = self._signals()
        if signals is None:
            return None, {}
        standings = Reader(lambda: signals, now=lambda: now).standings()
        return signals.decided_at, {(each.namespace, each.target): each for each in standings}

    def _said(self, now: float) -> dict[str, Override]:
        said = () if self._overrides is None else self._overrides()
        return {each.target: each for each in said if now < each.until}

    def _history(self, target: ScalingTarget, begin: float, end: float) -> TargetHistory:
        """StoreError."""
        store, workload = self._store, target.workload
        return TargetHistory(
            begin,
            end,
            tuple(scaling.history(store, workload.namespace, target.name, begin, end)),
            tuple(replicas.history(store, workload, begin, end)),
            tuple(forecasts.forecasts(store, workload.namespace, target.name, begin=begin, end=end + AHEAD_SECONDS)),
            tuple(rises.history(store, workload, begin, end)),
        )


def _over(at: float) -> float:
    """Buckets that begin before it were over by then; another may have come to be what was decided later."""
    return at // SECONDS * SECONDS


def _record(
    target: ScalingTarget, decided: Mapping[tuple[str, str], Decided], trail: Sequence[Said], at: float
) -> TargetRecord:
    """`trail`: overrides as they stood then, the newest first."""
    in_force = (each.override for each in _of_target(trail, target.name) if each.in_force(at))
    return TargetRecord(target, decided.get((target.workload.namespace, target.name)), next(in_force, None))


def _of_target(trail: Sequence[Said], name: str) -> tuple[Said, ...]:
    return tuple(each for each in trail if each.override.target == name)
