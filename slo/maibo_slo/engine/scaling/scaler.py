"""The scaling engine: decides for every ScalingTarget, several times a second, and keeps the newest signals in memory for the faces.

`read` looks at the store, `decide` does not: it goes by what was last read. So a store that hangs lets signals grow old, which every face refuses, and
an override acts all the same. `tick` is one after the other. What takes longer than a tick is `Learner`'s and the forecaster's, at their own pace.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from maibo_slo.engine.forecasting.forecaster import Asked, Forecaster
from maibo_slo.engine.scaling.answered import Answered, LastAnswers
from maibo_slo.engine.scaling.decide import Memory, bounds, decide
from maibo_slo.engine.scaling.demand import LOOK_BACK_SECONDS, DemandEstimator
from maibo_slo.engine.scaling.inputs import Inputs, Replicas
from maibo_slo.engine.scaling.lately import Lately
from maibo_slo.engine.scaling.learning import Learner, name_of
from maibo_slo.engine.scaling.memories import Remembered, recall, remember
from maibo_slo.engine.scaling.recording import Recorded
from maibo_slo.engine.scaling.rising import Rising
from maibo_slo.engine.scaling.signal import NoSignal, Refusal, ScalingSignal, Signals
from maibo_slo.engine.scaling.starts import Starts
from maibo_slo.store import demand, replicas

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from maibo_slo.documents import Catalogue, Correction
    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.inputs import Decision, Demand, Override
    from maibo_slo.engine.scaling.memories import TargetName
    from maibo_slo.store import Store
    from maibo_slo.store.demand import CallsKey
    from maibo_slo.store.workload import Workload

REPLICAS_EVERY: Final = 2.0
REPLICAS_OLD_SECONDS: Final = 60.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look at the store found, of each target."""

    demand: Mapping[TargetName, Demand | None] = field(default_factory=dict)
    fed: Mapping[TargetName, Demand | None] = field(default_factory=dict)
    replicas: Mapping[Workload, Replicas] = field(default_factory=dict)
    heard: tuple[str, ...] = ()
    """Services, of no target in particular."""


class Scaler:
    """`read` is for one thread, `decide` for one, `refresh` for one, `forecast` for one, `write` for one; the rest for any."""

    def __init__(
        self,
        store: Store,
        catalogue: Callable[[], Catalogue],
        *,
        corrections: Callable[[], Iterable[Correction]] = tuple,
        overrides: Callable[[], Sequence[Override]] = tuple,
        data_dir: Path | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`corrections`: those told to the running service, beside the documents'. `data_dir`: where files remember over a restart."""
        self._store = store
        self._catalogue = catalogue
        self._overrides = overrides
        self._now = now
        self._path = None if data_dir is None else data_dir / "scaling.json"
        remembered = {} if self._path is None else recall(self._path, store=str(store))
        self._memories: dict[TargetName, Memory] = {name: each.memory for name, each in remembered.items()}
        self.learner = Learner(
            store,
            catalogue,
            lambda: (*catalogue().corrections.values(), *corrections()),
            capacities={name: each.capacity for name, each in remembered.items() if each.capacity is not None},
        )
        self.forecaster = Forecaster(
            self._history, store=store, path=None if data_dir is None else data_dir / "forecasts.json"
        )
        self._lately = Lately(store)
        self._estimators: dict[TargetName, tuple[ScalingTarget, DemandEstimator]] = {}
        self._starts = Starts()
        self._replicas: Mapping[Workload, Replicas] = {}
        self._replicas_at: float | None = None
        self._seen = _Seen()
        self._rising = Rising()
        self._answers = LastAnswers()
        self._recorded = Recorded()
        self._signals = Signals(None, {})
        self._lock = threading.Lock()

    def signals(self) -> Signals:
        """Of the last tick."""
        return self._signals

    def served(self, namespace: str, target: str, replicas: int, face: str) -> None:
        """A face answered so. Does not block."""
        now = self._now()
        self._rising.served(namespace, target, replicas, face, now)
        self._answers.answered(namespace, target, face, replicas=replicas, refused="", at=now)

    def answered(self, namespace: str, target: str, replicas: int | None, refused: str, face: str) -> None:
        """A face answered so, be it a scaler that asked or a person. Does not block."""
        self._answers.answered(namespace, target, face, replicas=replicas, refused=refused, at=self._now())

    def last_answers(self, namespace: str, target: str) -> tuple[Answered, ...]:
        """What each face that was asked about it since the start answered last."""
        return self._answers.of(namespace, target)

    @property
    def targets(self) -> dict[TargetName, ScalingTarget]:
        """Those in force."""
        return {name_of(target): target for target in self._catalogue().scaling_targets.values()}

    def tick(self, now: float) -> Signals:
        """Look, decide. StoreError: decided all the same, from what was seen before."""
        try:
            self.read(now)
        finally:
            self.decide(now)
        return self._signals

    def read(self, now: float) -> None:
        """Look at demand and pods. StoreError."""
        targets = self.targets
        if not targets:
            self._seen = _Seen()
            return
        self.learner.prepare(now)
        counts = self._lately.look(now)
        begun = demand.starts(self._store, int(now - LOOK_BACK_SECONDS))
        if self._replicas_at is None or not 0 <= now - self._replicas_at < REPLICAS_EVERY:
            self._replicas = _replicas(self._store, {target.workload for target in targets.values()}, now=now)
            self._replicas_at = now
        per_start = {name: self.learner.of(name).per_start for name in targets}
        told: dict[int, int] = {}
        for buckets in counts.values():
            _add(told, buckets)
        self._starts.look(now, begun, of=set().union(*per_start.values()), heard=told)
        steps = {(key.service, key.journey) for key in counts if key.is_step}
        heard = _heard(counts)
        found: dict[TargetName, Demand | None] = {}
        fed: dict[TargetName, Demand | None] = {}
        for name, target in targets.items():
            others = [t for t, services in heard.items() if not services.issubset(target.services)]
            found[name] = self._demand(name, target, counts, steps, now, others)
            fed[name] = self._starts.fed(per_start[name])
        self._estimators = {name: each for name, each in self._estimators.items() if name in targets}
        self._seen = _Seen(found, fed, self._replicas, tuple(sorted(set().union(*heard.values()))))

    def decide(self, now: float) -> Signals:
        """Decide for every target, from what was last read."""
        said = {override.target: override for override in self._overrides() if now < override.until}
        seen = self._seen
        found: dict[TargetName, ScalingSignal | Refusal] = {}
        memories: dict[TargetName, Memory] = {}
        for name, target in self.targets.items():
            inputs = self._inputs(name, target, seen, said.get(target.name), now)
            memories[name] = self._memories.get(name, Memory())
            before = self._signals.by_target.get(name)
            try:
                decision, memories[name] = decide(target, inputs, memories[name])
            except NoSignal as none:
                found[name] = _no_signal(target, inputs, _refused(target, inputs, str(none)), before, seen.heard)
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is this target's alone; the others' signals go on
                why = f"it cannot be decided: {type(error).__name__}: {error}"
                if _refusal(before) != why:
                    log.warning("no signal %s/%s: %s", *name, why)
                found[name] = _no_signal(target, inputs, why, before, seen.heard)
            else:
                found[name] = signal = _signal(target, inputs, decision)
                self._rising.seen(name, signal)
            self._recorded.take(name, found[name], inputs)
        self._memories = memories
        self._signals = Signals(now, found)
        return self._signals

    def refresh(self, now: float) -> None:
        """What takes longer: see `Learner`."""
        self._answers.retain(self.targets.keys())
        self.learner.refresh(now)

    def forecast(self, now: float) -> None:
        """Make forecasts anew: each minute."""
        if not self.targets:
            return
        self.learner.prepare(now)
        leads = [(target, self.learner.lead(target)) for target in self.targets.values()]
        asked = [Asked(target, lead.seconds, lead.why, self.learner.refill(target)) for target, lead in leads]
        self.forecaster.refresh(asked, now=now)

    def write(self, now: float) -> None:
        """Record rises and decisions, and remember what a restart needs."""
        self._rising.written(self._store)
        if self._recorded.written(self._store, now) and self._path is not None:
            remembered = {
                name: Remembered(memory, self.learner.of(name).capacity) for name, memory in self._memories.items()
            }
            try:
                remember(self._path, remembered, store=str(self._store))
            except OSError as error:
                log.warning("what scaling goes by is not remembered over a restart: %s", error)

    def _demand(
        self,
        name: TargetName,
        target: ScalingTarget,
        counts: Mapping[CallsKey, Mapping[int, int]],
        steps: Container[tuple[str, str]],
        now: float,
        others: Collection[int],
    ) -> Demand | None:
        known = self._estimators.get(name)
        if known is None or known[0] != target:
            silent = target.silence == "zero"
            known = target, DemandEstimator(silence_is_zero=silent, max_age_seconds=target.max_age_seconds)
            self._estimators[name] = known
        which = self.learner.calls(target)
        calls: dict[int, int] = {}
        ends: dict[int, int] = {}
        heard: dict[int, int] = {}
        for key, buckets in counts.items():
            if key.service not in target.services:
                continue
            is_call = which.has(key) and (key.is_step or (key.service, key.journey) not in steps)
            _add(heard, buckets)
            if is_call:
                _add(calls, buckets)
            elif not key.is_step and which.concerns(key):
                _add(ends, buckets)
        if not any(calls.values()):
            calls = ends  # its steps are told no more: ends are what is left, and better than none
        weight = max((self.learner.weights.get(service, 1.0) for service in target.services), default=1.0)
        return known[1].look(now, calls, heard=heard, others=others, weight=weight)

    def _inputs(
        self, name: TargetName, target: ScalingTarget, seen: _Seen, override: Override | None, now: float
    ) -> Inputs:
        learned = self.learner.of(name)
        forecast = self.forecaster.forecast(*name, now=now) if target.forecast.enabled else None
        ran = seen.replicas.get(target.workload)
        return Inputs(
            now,
            demand=seen.demand.get(name),
            fed_forward=seen.fed.get(name),
            capacity=self.learner.capacity(target),
            forecast=forecast if forecast is not None and forecast.at > now else None,
            splits=learned.splits_of(now),
            replicas=ran if ran is not None and abs(now - ran.observed_at) <= REPLICAS_OLD_SECONDS else None,
            override=override,
            lead=self.learner.lead(target),
        )

    def _history(self, target: ScalingTarget, begin: int, end: int) -> NDArray[np.float64]:
        return demand.history(self._store, self.learner.calls(target), begin, end)


def _heard(counts: Mapping[CallsKey, Mapping[int, int]]) -> dict[int, set[str]]:
    """Begin of a bucket -> the services that sent something in it."""
    found: dict[int, set[str]] = {}
    for key, buckets in counts.items():
        for t, n in buckets.items():
            if n > 0:
                found.setdefault(t, set()).add(key.service)
    return found


def _add(sums: dict[int, int], more: Mapping[int, int]) -> None:
    for t, n in more.items():
        sums[t] = sums.get(t, 0) + n


def _replicas(store: Store, workloads: set[Workload], *, now: float) -> dict[Workload, Replicas]:
    return {
        workload: Replicas(sample.wanted, sample.ready, sample.at, rollout=sample.templates > 1)
        for workload, sample in replicas.newest(store, workloads, now=now).items()
    }


def _refusal(found: ScalingSignal | Refusal | None) -> str:
    return found.why if isinstance(found, Refusal) else ""


def _no_signal(
    target: ScalingTarget, inputs: Inputs, why: str, before: ScalingSignal | Refusal | None, heard: tuple[str, ...]
) -> Refusal:
    """`before`: of the last tick. What was followed last is so known for as long as the service runs."""
    observed_at = before.observed_at if isinstance(before, Refusal) else None
    for known in (None if before is None else before.inputs, inputs):
        if known is not None and known.demand is not None:
            observed_at = known.demand.observed_at
    return Refusal(target.name, target.workload, why, inputs, observed_at, *bounds(target, inputs.override), heard)


def _refused(target: ScalingTarget, inputs: Inputs, why: str) -> str:
    if inputs.demand is None:
        return f"no calls of {', '.join(target.services)} were seen in the last {LOOK_BACK_SECONDS} s"
    if inputs.capacity is None:
        return f"{why}: nothing was learned yet, and the document gives neither `fixed` nor `floor`"
    return why


def _signal(target: ScalingTarget, inputs: Inputs, decision: Decision) -> ScalingSignal:
    least, most = bounds(target, inputs.override)
    follows = inputs.now
    if inputs.demand is not None and not (inputs.override is not None and least == most):
        follows = inputs.demand.observed_at
    return ScalingSignal(
        target=target.name,
        workload=target.workload,
        desired_replicas=decision.desired,
        lower=decision.lower,
        upper=decision.upper,
        least=least,
        most=most,
        reason=decision.reason,
        observed_at=follows,
        decided_at=inputs.now,
        max_age_seconds=target.max_age_seconds,
        decision=decision,
        inputs=inputs,
        override=inputs.override,
    )
