"""Minutes of workloads under load, kept in memory and grown by what is new: what capacity is learned from, and what an SLO's burn is split by."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_slo.engine.corrections import effect_at, windows
from maibo_slo.engine.scaling.attribution import Outcome, odd_versions, split
from maibo_slo.engine.scaling.capacity import Observation
from maibo_slo.store import demand, replicas
from maibo_slo.store.demand import Events
from maibo_slo.store.histogram import last_bin_within

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from maibo_slo.documents import CellSelector, Correction, Slo
    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.inputs import BurnSplit, Capacity
    from maibo_slo.engine.scaling.memories import TargetName
    from maibo_slo.store import Store
    from maibo_slo.store.demand import Calls, Judged
    from maibo_slo.store.replicas import Sample

KEPT_SECONDS: Final = 86_400
"""A day has its peak; what was learned before is remembered as a capacity."""
AGAIN_SECONDS: Final = 600
"""Of what was read is read again: counts come late."""
LATELY_SECONDS: Final = 300
COLD_SECONDS: Final = 120
"""After more pods are ready: they are not yet warm."""
_MINUTE: Final = 60


class Pods(NamedTuple):
    """What ran in a minute."""

    ready: float
    """The mean."""
    rollout: bool
    cold: bool


class _Minute(NamedTuple):
    observation: Observation
    by_version: Mapping[str, Outcome]


class Minutes:
    """Of all targets. Not for several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[TargetName, dict[tuple[str, int], _Minute]] = {}
        self._read_to: dict[TargetName, int] = {}
        self._by: dict[TargetName, tuple[object, ...]] = {}
        """What they were judged and left out by: when that changes, all are read anew."""

    def keep(self, names: Collection[TargetName]) -> None:
        """Forget every other target."""
        self._kept = {name: each for name, each in self._kept.items() if name in names}
        self._read_to = {name: each for name, each in self._read_to.items() if name in names}
        self._by = {name: each for name, each in self._by.items() if name in names}

    def read(
        self,
        name: TargetName,
        target: ScalingTarget,
        which: Calls,
        slos: Sequence[Slo],
        corrections: Sequence[Correction],
        now: float,
    ) -> None:
        """Take in what is new, up to the last whole minute. StoreError."""
        end = int(now) // _MINUTE * _MINUTE
        by = (target.workload, target.services, target.journeys, target.environments, (*slos,), (*corrections,))
        if self._by.get(name) != by:
            self._read_to.pop(name, None)
        begin = max(self._read_to.get(name, 0) - AGAIN_SECONDS, end - KEPT_SECONDS)
        kept = {key: each for key, each in self._kept.get(name, {}).items() if end - KEPT_SECONDS <= key[1] < begin}
        if slos:
            pods = pods_of(replicas.history(self._store, target.workload, begin - COLD_SECONDS, end))
            calls = demand.calls_by_minute(self._store, which, begin, end)
            for slo in slos:
                judged = self._judged(slo, begin, end, target.services)
                corrected = windows(corrections, slo, begin, end)
                for minute in _minutes(slo, judged, calls, pods):
                    t = minute.observation.t
                    effect = effect_at(corrected, t)
                    kept[slo.name, t] = minute if effect is None else _left_out(minute, "correction")
        self._kept[name] = kept
        self._read_to[name] = end
        self._by[name] = by

    def _judged(self, slo: Slo, begin: int, end: int, services: Collection[str]) -> list[Judged]:
        """Of a composite SLO, its first component."""
        indicator = slo.indicator
        chosen = indicator.good or indicator.bad or indicator.total
        return demand.judged_by_minute(
            self._store,
            _events(indicator.total),
            _events(chosen),
            begin,
            end,
            are_good=indicator.bad is None,
            services=services,
        )

    def observations(self, name: TargetName) -> list[Observation]:
        """All that are kept of a target."""
        return [minute.observation for minute in self._kept.get(name, {}).values()]

    def splits(
        self, name: TargetName, slos: Sequence[Slo], capacity: Capacity | None, now: float
    ) -> tuple[BurnSplit, ...]:
        """Of each of its SLOs that had events lately."""
        begin = int(now) // _MINUTE * _MINUTE - LATELY_SECONDS
        found: list[BurnSplit] = []
        for slo in slos:
            mine = [each for (of, _), each in self._kept.get(name, {}).items() if of == slo.name]
            lately = [each for each in mine if each.observation.t >= begin]
            history = [each.observation for each in mine if each.observation.t < begin]
            told = split(slo.name, _objective(slo), _by_version(lately), _load(lately), history, capacity)
            found += [] if told is None else [told]
        return tuple(found)


def pods_of(samples: Sequence[Sample]) -> dict[int, Pods]:
    """By minute (unix s), of samples in the order of their times."""
    by_minute: defaultdict[int, list[Sample]] = defaultdict(list)
    rose: list[int] = []
    for before, sample in zip([None, *samples], samples, strict=False):
        by_minute[sample.t // _MINUTE * _MINUTE].append(sample)
        if before is not None and sample.ready > before.ready:
            rose.append(sample.t)
    found: dict[int, Pods] = {}
    for t, some in by_minute.items():
        observed = sum(each.observed_ms for each in some)
        if observed:
            ready = sum(each.ready_ms for each in some) / observed
            cold = any(t - COLD_SECONDS < at < t + _MINUTE for at in rose)
            found[t] = Pods(ready, any(each.templates > 1 for each in some), cold)
    return found


def _minutes(slo: Slo, judged: Sequence[Judged], calls: Mapping[int, int], pods: Mapping[int, Pods]) -> list[_Minute]:
    by_minute: defaultdict[int, dict[str, Outcome]] = defaultdict(dict)
    for each in judged:
        by_minute[each.t][each.version] = Outcome(each.good, each.bad)
    found: list[_Minute] = []
    for t, versions in by_minute.items():
        ran = pods.get(t)
        observation = Observation(
            t,
            slo.name,
            _objective(slo),
            rate=calls.get(t, 0) / _MINUTE,
            pods=0.0 if ran is None else ran.ready,
            good=sum(each.good for each in versions.values()),
            bad=sum(each.bad for each in versions.values()),
            excluded=_excluded(ran, versions),
        )
        found.append(_Minute(observation, versions))
    return found


def _excluded(ran: Pods | None, versions: Mapping[str, Outcome]) -> str:
    if ran is None:
        return "pods not known"
    if ran.rollout:
        return "rollout"
    if ran.cold:
        return "cold pods"
    return "bad version" if odd_versions(versions) else ""


def _left_out(minute: _Minute, why: str) -> _Minute:
    one = minute.observation
    left = Observation(one.t, one.slo, one.objective, one.rate, one.pods, one.good, one.bad, why)
    return _Minute(left, minute.by_version)


def _by_version(minutes: Sequence[_Minute]) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for minute in minutes:
        for version, each in minute.by_version.items():
            before = found.get(version, Outcome(0, 0))
            found[version] = Outcome(before.good + each.good, before.bad + each.bad)
    return found


def _load(minutes: Sequence[_Minute]) -> float | None:
    """Calls a second of a pod, all together."""
    pods = sum(each.observation.pods for each in minutes)
    return sum(each.observation.rate for each in minutes if each.observation.pods) / pods if pods else None


def _objective(slo: Slo) -> float:
    """Share of good events: of the objective that is easiest to miss."""
    return max(each.target if each.slice_target is None else each.slice_target for each in slo.objectives)


def _events(selector: CellSelector) -> Events:
    last_bin = None if selector.max_duration_us is None else last_bin_within(selector.max_duration_us)
    return Events(selector.journey, selector.step, tuple(sorted(selector.outcomes)), last_bin, selector.where)
