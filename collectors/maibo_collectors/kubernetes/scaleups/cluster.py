"""What is known of a cluster's workloads, from changes that come in any order between resources.

A pod's events, and the EndpointSlices that have it, may come before the pod, and the pod before its ReplicaSet.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_collectors.kubernetes.scaleups.deciders import Deciders
from maibo_collectors.kubernetes.scaleups.occurrences import occurrence
from maibo_collectors.kubernetes.scaleups.pods import TEMPLATE_LABELS, Pod
from maibo_collectors.kubernetes.scaleups.reading import controller, moment, newer, required, sane, text
from maibo_collectors.kubernetes.scaleups.rotation import endpoints
from maibo_collectors.kubernetes.scaleups.workloads import Scaled
from maibo_slo.store.scaleups import Moment
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from maibo_collectors.kubernetes.changes import Change

MOST_WORKLOADS: Final = 20_000
MOST_PODS: Final = 200_000
MOST_NODES: Final = 20_000
SWEEP_SECONDS: Final = 60.0
_UNBORN_SECONDS: Final = 900.0
"""So long what events and slices tell waits for its pod."""
_KINDS: Final = {"deployments": "Deployment", "statefulsets": "StatefulSet", "rollouts": "Rollout"}
_WITHOUT_SCALE: Final = frozenset({"", "Job", "CronJob", "DaemonSet", "Node"})
_REVISION: Final = re.compile(r"[0-9]{1,12}")
_REVISIONS: Final = ("deployment.kubernetes.io/revision", "rollout.argoproj.io/revision")


class _Set(NamedTuple):
    """A ReplicaSet."""

    home: Workload
    revision: str
    version: int


class Cluster:
    """Workloads with their pods, and who decides about them. Bounded."""

    def __init__(self) -> None:
        self.overflowed = 0
        """Objects that were one too many to be kept."""
        self.scaled: dict[Workload, Scaled] = {}
        self.nodes: dict[str, Moment] = {}
        """When each was made."""
        self.deciders = Deciders()
        self.awake: dict[Workload, None] = {}
        """Of which something was heard that may make a difference."""
        self._pods: dict[str, Pod] = {}
        self._homes: dict[str, Workload] = {}
        self._sets: dict[tuple[str, str], _Set] = {}
        self._of_set: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._swept = 0.0
        self._idle: set[Workload] = set()
        """Those that had nothing to be kept for when it was swept last."""

    def take(self, change: Change) -> None:
        """One more change. ValueError, TypeError or AttributeError for an object that is not what its API says."""
        if not sane(change.received):
            raise ValueError("received at no time")
        match change.resource:
            case "pods":
                self._take_pod(change)
            case "events":
                self._take_event(change)
            case "endpointslices":
                self._take_slice(change)
            case "replicasets" if controller(change.object)[0]:
                self._take_set(change)
            case "horizontalpodautoscalers":
                self._wake(self.deciders.take(change, "HorizontalPodAutoscaler"))
            case "scaledobjects":
                self._wake(self.deciders.take(change, "ScaledObject"))
            case "nodes":
                self._take_node(change, text(change.object, "metadata", "name"))
            case "nodeclaims":
                self._take_node(change, text(change.object, "status", "nodeName"))
            case resource:
                kind = (
                    _KINDS.get(resource)
                    or text(change.object, "kind")
                    or ("ReplicaSet" if resource == "replicasets" else "")
                )
                self._take_workload(change, kind)

    def _take_workload(self, change: Change, kind: str) -> None:
        if not text(change.object, "metadata", "namespace"):
            return  # of the cluster: no pods are its own
        if not kind:
            raise ValueError("no kind")
        workload = Workload(
            required(change.object, "metadata", "namespace"), kind, required(change.object, "metadata", "name")
        )
        if change.type == "DELETED" and workload not in self.scaled:
            return
        scaled = self.workload(workload)
        version = newer(change.object, scaled.version if text(change.object, "metadata", "uid") == scaled.uid else 0)
        if version is None:
            return
        scaled.take(change)
        scaled.version = version
        self._wake(workload)

    def _take_set(self, change: Change) -> None:
        item = change.object
        key = required(item, "metadata", "namespace"), required(item, "metadata", "name")
        former = self._sets.get(key)
        version = newer(item, former.version if former else 0)
        if version is None:
            return
        if change.type == "DELETED":
            self._sets.pop(key, None)
            return
        kind, name = controller(item)
        if not name:
            raise ValueError("an owner without a name")
        if former is None and len(self._sets) >= MOST_PODS:
            self.overflowed += 1
            return
        labels = (text(item, "metadata", "labels", label) for label in TEMPLATE_LABELS)
        template = next((label for label in labels if label), "")
        revision = next((found for label in _REVISIONS if (found := text(item, "metadata", "annotations", label))), "")
        home = Workload(key[0], kind, name)
        self._sets[key] = _Set(home, revision, version)
        for uid in self._of_set.get(key, ()):
            self._settle(self._pods[uid], home)
        begin = moment(item, "metadata", "creationTimestamp", source="creationTimestamp")
        if former is not None and former.revision and revision != former.revision:
            begin = Moment(change.received, change.received, change.received, "watch")  # rolled back to
        elif former is not None:
            return
        if begin is not None and template:
            self.workload(home).template(template, begin, int(revision) if _REVISION.fullmatch(revision) else 0)
            self._wake(home)

    def _take_pod(self, change: Change) -> None:
        uid = required(change.object, "metadata", "uid")
        kind, name = controller(change.object)
        if kind in _WITHOUT_SCALE:
            self.drop(uid)
            return
        if change.type == "DELETED" and uid not in self._pods:
            return
        pod = self._pod(uid, change.received)
        if pod is None:
            return
        version = newer(change.object, pod.version)
        if version is None:
            return
        pod.take(change)
        pod.version = version
        if kind == "ReplicaSet":
            self._of_set[pod.namespace, name].add(uid)
        self._settle(pod, self._home(pod))

    def _home(self, pod: Pod) -> Workload:
        """The workload it belongs to. While its ReplicaSet was not seen, what the set's name tells."""
        kind, name = pod.owner
        if kind != "ReplicaSet":
            return Workload(pod.namespace, kind, name)
        found = self._sets.get((pod.namespace, name))
        if found is not None:
            return found.home
        base = name.removesuffix(f"-{pod.template}")
        if not pod.template or base in {"", name}:
            return Workload(pod.namespace, kind, name)
        return Workload(pod.namespace, "Deployment", base)

    def _settle(self, pod: Pod, home: Workload) -> None:
        former = self._homes.get(pod.uid)
        if former is not None and former != home:
            self.scaled[former].pods.pop(pod.uid, None)
            self._wake(former)
        self._homes[pod.uid] = home
        self.workload(home).pods[pod.uid] = pod
        self._wake(home)

    def _take_event(self, change: Change) -> None:
        if change.type == "DELETED":
            return  # it expired
        told = occurrence(change)
        if told.kind != "Pod":
            self._wake(self.deciders.tell(told))
            return
        if not told.uid:
            return
        pod = self._pod(told.uid, change.received)
        if pod is not None:
            pod.tell(told)
            self._wake(self._homes.get(told.uid))

    def _take_slice(self, change: Change) -> None:
        for endpoint in endpoints(change):
            pod = self._pod(endpoint.uid, change.received)
            if pod is None:
                return
            pod.in_slice = True
            pod.in_rotation = pod.in_rotation or endpoint.in_rotation
            self._wake(self._homes.get(endpoint.uid))

    def _take_node(self, change: Change, name: str) -> None:
        made = moment(change.object, "metadata", "creationTimestamp", source="creationTimestamp")
        if made is None:
            raise ValueError("no metadata.creationTimestamp")
        former = self.nodes.pop(name, None)
        if name and change.type != "DELETED":
            # A NodeClaim is older than its node: of both, the time at which somebody asked for it.
            self.nodes[name] = made if former is None else min(former, made)
            if len(self.nodes) > MOST_NODES:
                del self.nodes[next(iter(self.nodes))]
        elif former is not None:
            self.nodes[name] = former  # scale-ups that it took part in are still told

    def sweep(self, now: float) -> None:
        """Now and then, let go of what nothing was heard of."""
        if now - self._swept < SWEEP_SECONDS:
            return
        self._swept = now
        for uid, pod in list(self._pods.items()):
            if pod.created is None and now - pod.heard > _UNBORN_SECONDS:
                self.drop(uid)
        for workload, scaled in list(self.scaled.items()):
            if scaled.gone:
                self.awake[workload] = None
            if (not scaled.gone and scaled.replicas is not None) or scaled.decisions or scaled.pods:
                self._idle.discard(workload)
            elif workload not in self._idle:
                self._idle.add(workload)  # it may be that its pods came first, or its ReplicaSets
            else:
                self._idle.discard(workload)
                del self.scaled[workload]
                self.awake.pop(workload, None)

    def workload(self, workload: Workload) -> Scaled:
        scaled = self.scaled.get(workload)
        if scaled is None:
            if any("/" in part for part in workload):
                raise ValueError("a name with a slash")  # nobody could find it again
            if len(self.scaled) >= MOST_WORKLOADS:
                self.overflowed += 1
                raise ValueError("too many workloads")
            scaled = self.scaled[workload] = Scaled(workload)
        return scaled

    def _pod(self, uid: str, heard: float) -> Pod | None:
        """The pod of this uid, whatever tells of it first; None: there are too many."""
        pod = self._pods.get(uid)
        if pod is None:
            if len(self._pods) >= MOST_PODS:
                self.overflowed += 1
                return None
            pod = self._pods[uid] = Pod(uid, heard)
        pod.heard = max(pod.heard, heard)
        return pod

    def drop(self, uid: str) -> None:
        pod = self._pods.pop(uid, None)
        home = self._homes.pop(uid, None)
        if home is not None and home in self.scaled:
            self.scaled[home].pods.pop(uid, None)
        if pod is not None and pod.owner[0] == "ReplicaSet":
            key = pod.namespace, pod.owner[1]
            self._of_set[key].discard(uid)
            if not self._of_set[key]:
                del self._of_set[key]

    def _wake(self, workload: Workload | None) -> None:
        if workload is not None and workload in self.scaled:
            self.awake[workload] = None
