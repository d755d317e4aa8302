"""How many pods of each workload run: from what watches tell, to rows of `maibo_slo.store.replicas`.

Pure: times are those of what is told. Ready pods are integrated over the time in which the workload, its ReplicaSets and its pods were seen: a gap in a
watch is neither ready nor not, and is left out (`Sample.observed_ms`). A pod belongs to the workload that controls it, through its ReplicaSet.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from maibo_slo.store.replicas import SECONDS, Sample
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from maibo_collectors.kubernetes.changes import Change
    from maibo_collectors.kubernetes.watch import Sight

MOST: Final = 500
"""Workloads that are sampled when no document names any."""
KINDS: Final[Mapping[str, str]] = {"deployments": "Deployment", "statefulsets": "StatefulSet", "rollouts": "Rollout"}
"""By the plural."""
_TELLING: Final[Mapping[str, tuple[str, ...]]] = {
    "Deployment": ("deployments", "replicasets", "pods"),
    "StatefulSet": ("statefulsets", "pods"),
    "Rollout": ("rollouts", "replicasets", "pods"),
}
"""What must be seen to know a workload's pods, by its kind."""
_TEMPLATE_LABELS: Final = ("pod-template-hash", "rollouts-pod-template-hash", "controller-revision-hash")
_BUCKET_MS: Final = SECONDS * 1000
_Named = tuple[str, str]
"""Namespace and name."""
K = TypeVar("K")


class Sampler:
    """Keeps a line for each pod and each workload."""

    def __init__(self) -> None:
        self._pods: dict[_Named, _Pod] = {}
        self._owners: dict[_Named, Workload] = {}
        """By ReplicaSet."""
        self._sets: dict[Workload, set[_Named]] = {}
        """The other way about."""
        self._of: dict[_Named | Workload, set[_Named]] = {}
        """Pods by what controls them: a ReplicaSet, or a workload without one."""
        self._tallies: dict[Workload, _Tally] = {}
        self._seen: dict[tuple[str, str], bool] = {}
        """By plural and namespace, '' all."""
        self._finished: list[Sample] = []
        self.not_sampled = 0
        """Workloads that were left out when it was last asked for all, beyond `MOST`."""

    def take(self, change: Change) -> None:
        """What a watch told; of other resources, nothing."""
        match change.resource:
            case "pods":
                self._pod(change)
            case "replicasets":
                self._replicaset(change)
            case "deployments" | "statefulsets" | "rollouts":
                self._workload(change)

    def sight(self, sight: Sight) -> None:
        """A watch began or ceased to see."""
        before = {workload: self._observed(workload) for workload in self._tallies}
        self._seen[sight.resource, sight.namespace] = sight.seen
        for workload, tally in self._tallies.items():
            if before[workload] != self._observed(workload):
                self._finished += tally.until(_ms(sight.at), observed=before[workload])

    def due(self, now: float, chosen: Collection[Workload] = ()) -> list[Sample]:
        """Rows to write: buckets that have ended, and running ones that changed since they were last asked for. `chosen`: of these
        workloads alone; empty: of all.
        """
        at = _ms(now)
        due, self._finished = self._finished, []
        for workload, tally in self._tallies.items():
            due += tally.until(at, observed=self._observed(workload))
        wanted = frozenset(chosen) if chosen else self._some({*self._tallies, *(sample.workload for sample in due)})
        due = [sample for sample in due if sample.workload in wanted]
        due += [sample for workload in self._tallies if workload in wanted for sample in self._tallies[workload].news()]
        return due

    def _some(self, workloads: set[Workload]) -> frozenset[Workload]:
        self.not_sampled = max(0, len(workloads) - MOST)
        return frozenset(sorted(workloads)[:MOST])

    def _observed(self, workload: Workload) -> bool:
        """Whether the workload, its pods, and what says that they are its are seen."""
        return all(
            self._seen.get((each, ""), False) or self._seen.get((each, workload.namespace), False)
            for each in _TELLING[workload.kind]
        )

    def _workload(self, change: Change) -> None:
        name = _named(change.object)
        workload = Workload(name[0], KINDS[change.resource], name[1])
        tally = self._tallies.get(workload)
        if change.type == "DELETED":
            if tally is not None:
                self._advance(tally, change.received)
                self._finished += tally.news(last=True)
                del self._tallies[workload]
            return
        if tally is None:
            tally = self._tallies[workload] = _Tally(workload, _ms(change.received))
            for owner in (workload, *self._sets.get(workload, ())):
                for pod in self._of.get(owner, ()):
                    tally.count(self._pods[pod], 1)
        self._advance(tally, change.received)
        replicas = (change.object.get("spec") or {}).get("replicas")
        tally.wanted = replicas if isinstance(replicas, int) else 1  # as the API server defaults it

    def _replicaset(self, change: Change) -> None:
        name = _named(change.object)
        owner = None if change.type == "DELETED" else _controller(change.object)
        found = Workload(name[0], *owner) if owner is not None and owner[0] in KINDS.values() else None
        former = self._owners.get(name)
        if former == found:
            return
        # Its pods may have been told before it: two watches, two connections.
        pods = [self._pods[each] for each in self._of.get(name, ())]
        for pod in pods:
            self._count(pod, -1, change.received)
        if former is not None:
            del self._owners[name]
            _drop(self._sets, former, name)
        if found is not None:
            self._owners[name] = found
            self._sets.setdefault(found, set()).add(name)
        for pod in pods:
            self._count(pod, 1, change.received)

    def _pod(self, change: Change) -> None:
        name = _named(change.object)
        former = self._pods.pop(name, None)
        if former is not None:
            self._count(former, -1, change.received)
            _drop(self._of, former.owner, name)
        pod = None if change.type == "DELETED" else _pod_of(change.object)
        if pod is None:
            return
        self._pods[name] = pod
        self._of.setdefault(pod.owner, set()).add(name)
        self._count(pod, 1, change.received)

    def _count(self, pod: _Pod, sign: int, received: float) -> None:
        workload = self._workload_of(pod)
        tally = None if workload is None else self._tallies.get(workload)
        if tally is not None:
            self._advance(tally, received)
            tally.count(pod, sign)

    def _advance(self, tally: _Tally, received: float) -> None:
        self._finished += tally.until(_ms(received), observed=self._observed(tally.workload))

    def _workload_of(self, pod: _Pod) -> Workload | None:
        return pod.owner if isinstance(pod.owner, Workload) else self._owners.get(pod.owner)


@dataclass(frozen=True, slots=True)
class _Pod:
    """One that exists, has not ended and is not being deleted."""

    ready: bool
    template: str
    owner: _Named | Workload
    """Its ReplicaSet; without one, the workload itself."""


@dataclass(slots=True)
class _Tally:
    """One workload's running bucket."""

    workload: Workload
    at: int
    """Up to which it is integrated, unix ms."""
    wanted: int = 0
    pods: int = 0
    ready: int = 0
    templates: Counter[str] = field(default_factory=Counter)
    ready_ms: int = 0
    observed_ms: int = 0
    told: tuple[int, ...] = ()
    """What `news` last said, and of which bucket."""

    def count(self, pod: _Pod, sign: int) -> None:
        self.pods += sign
        self.ready += sign * pod.ready
        self.templates[pod.template] += sign
        if not self.templates[pod.template]:
            del self.templates[pod.template]

    def until(self, at: int, *, observed: bool) -> Iterator[Sample]:
        """Integrate as it is; buckets that end thereby. An earlier `at` is taken for now: watches tell side by side.

        What a clock that was set forward skips is not made up: it was not observed.
        """
        if at - self.at > _LONGEST_MS:
            self.at, observed = at - at % _BUCKET_MS, False
        while self.at < at:
            end = self.at - self.at % _BUCKET_MS + _BUCKET_MS
            passed = min(at, end) - self.at
            if observed:
                self.observed_ms += passed
                self.ready_ms += passed * self.ready
            self.at += passed
            if self.at == end:
                yield from self._ended(end)

    def news(self, *, last: bool = False) -> Iterator[Sample]:
        """The running bucket, if it is not as it was told last."""
        now = (self.at // _BUCKET_MS, self.wanted, self.pods, self.ready, len(self.templates))
        if self.observed_ms and (last or now != self.told):
            self.told = now
            yield self._sample(self.at // _BUCKET_MS * SECONDS)

    def _ended(self, end: int) -> Iterator[Sample]:
        if self.observed_ms:
            yield self._sample(end // 1000 - SECONDS)
        self.ready_ms = self.observed_ms = 0

    def _sample(self, t: int) -> Sample:
        return Sample(
            workload=self.workload,
            t=t,
            wanted=self.wanted,
            pods=self.pods,
            ready=self.ready,
            ready_ms=self.ready_ms,
            observed_ms=self.observed_ms,
            templates=len(self.templates),
            at=self.at / 1000,
        )


_LONGEST_MS: Final = 60_000
"""Far more than between two calls of `Sampler.due`."""


def _pod_of(whole: Mapping[str, Any]) -> _Pod | None:
    """None: it has ended, is about to, or nothing controls it."""
    metadata, status = whole.get("metadata") or {}, whole.get("status") or {}
    owner = _controller(whole)
    if owner is None or metadata.get("deletionTimestamp") or status.get("phase") in ("Succeeded", "Failed"):
        return None
    namespace, labels = str(metadata.get("namespace", "")), metadata.get("labels") or {}
    kind, name = owner
    return _Pod(
        ready=any(
            each.get("type") == "Ready" and each.get("status") == "True" for each in status.get("conditions") or ()
        ),
        template=next((str(labels[each]) for each in _TEMPLATE_LABELS if each in labels), ""),
        owner=(namespace, name) if kind == "ReplicaSet" else Workload(namespace, kind, name),
    )


def _controller(whole: Mapping[str, Any]) -> tuple[str, str] | None:
    """Its kind and name."""
    for each in (whole.get("metadata") or {}).get("ownerReferences") or ():
        if each.get("controller"):
            return str(each.get("kind", "")), str(each.get("name", ""))
    return None


def _drop(index: dict[K, set[_Named]], key: K, name: _Named) -> None:
    """Out of a set, which goes with its last."""
    index[key].discard(name)
    if not index[key]:
        del index[key]


def _named(whole: Mapping[str, Any]) -> _Named:
    metadata = whole["metadata"]
    return str(metadata.get("namespace", "")), str(metadata.get("name", ""))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
