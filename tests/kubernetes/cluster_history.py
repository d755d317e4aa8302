"""A cluster's history, as the API server, controllers, the scheduler, kubelets and the HPA of Kubernetes 1.3x write it into objects.

Times are seconds since `BEGIN`. Whoever writes whole seconds does so here; the watch tells everything 20 ms later.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from maibo_collectors.kubernetes.changes import Change
from maibo_slo.store.workload import Workload

Json = dict[str, Any]
BEGIN = 1_760_000_000.0
WATCHED = 0.02
NAME = "checkout-api"
RESOURCES = {"Deployment": "deployments", "StatefulSet": "statefulsets", "Rollout": "rollouts"}


def stamp(at: float) -> str:
    """metav1.Time: fractions are cut off."""
    return datetime.fromtimestamp(int(BEGIN + at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro(at: float) -> str:
    """metav1.MicroTime."""
    return datetime.fromtimestamp(round(BEGIN + at, 6), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class History:
    """What happened to one workload and what is around it."""

    kind: str = "Deployment"
    name: str = NAME
    events: bool = True
    slices: bool = True
    kubelet_ahead: float = 0.0
    """By how much the kubelet's clock is wrong."""
    changes: list[Change] = field(default_factory=list)
    version: int = 1000
    replicas: int = 0
    generation: int = 1
    pods: dict[str, Json] = field(default_factory=dict)
    sets: dict[str, Json] = field(default_factory=dict)
    ready: dict[str, bool] = field(default_factory=dict)
    template: str = "7d8f"

    @property
    def zero(self) -> float:
        """Its begin, unix s."""
        return BEGIN

    @property
    def workload(self) -> Workload:
        return Workload("shop", self.kind, self.name)

    def tell(self, resource: str, type_: str, item: Json, at: float, *, listed: bool = False, watched: float = WATCHED):
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self.changes.append(Change(resource, type_, copy.deepcopy(item), BEGIN + at + watched, listed))

    def ordered(self) -> list[Change]:
        """As a recorder receives them."""
        return sorted(self.changes, key=lambda change: change.received)

    # The workload, and who decides

    def begin(self, replicas: int, at: float = -600.0, *, template: str = "7d8f", seen: float = 0.0):
        """It runs since long; a first list shows it, with its pods."""
        self.replicas = replicas
        self._workload(seen, listed=True)
        if self.kind != "StatefulSet":
            self.replica_set(template, 1, at, listed=True, seen=seen)
        for n in range(replicas):
            self.running(f"old{n}" if self.kind != "StatefulSet" else str(n), at, seen)

    def _workload(
        self,
        at: float,
        *,
        listed: bool = False,
        manager: str = "",
        subresource: str = "",
        type_: str = "MODIFIED",
        noted: float | None = None,
    ):
        metadata: Json = {
            "name": self.name,
            "namespace": "shop",
            "uid": f"uid-{self.name}",
            "generation": self.generation,
            "creationTimestamp": stamp(-86_400),
        }
        if manager:
            metadata["managedFields"] = [
                {
                    "manager": "argocd-controller",
                    "operation": "Apply",
                    "fieldsV1": {"f:spec": {"f:template": {}}},
                    "time": stamp(-900),
                },
                {
                    "manager": manager,
                    "operation": "Update",
                    "subresource": subresource,
                    "time": stamp(at if noted is None else noted),
                    "fieldsV1": {"f:spec": {"f:replicas": {}}},
                },
            ]
        spec = {"replicas": self.replicas, "template": {"metadata": {"labels": {"app": self.name}}}}
        self.tell(
            RESOURCES[self.kind], "ADDED" if listed else type_, {"metadata": metadata, "spec": spec}, at, listed=listed
        )

    def scale(
        self,
        replicas: int,
        at: float,
        *,
        manager: str = "kube-controller-manager",
        listed: bool = False,
        writes: int = 1,
        noted: float | None = None,
    ):
        """Somebody writes /scale; without a `manager`, nobody notes who. `noted`: when, as the API server has it."""
        self.replicas, self.generation = replicas, self.generation + writes
        self._workload(at, listed=listed, manager=manager, subresource="scale", noted=noted)

    def remove(self, at: float):
        self._workload(at, type_="DELETED")

    def hpa(self, at: float = 0.0, *, name: str = ""):
        item = {
            "metadata": {"name": name or self.name, "namespace": "shop", "uid": "uid-hpa"},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": self.kind, "name": self.name}},
        }
        self.tell("horizontalpodautoscalers", "ADDED", item, at, listed=True)

    def rescaled(
        self, size: int, at: float, reason: str = "cpu resource utilization (percentage of request) above target"
    ):
        self.event(
            "HorizontalPodAutoscaler",
            self.name,
            "uid-hpa",
            "SuccessfulRescale",
            f"New size: {size}; reason: {reason}",
            at,
        )

    def event(
        self,
        kind: str,
        name: str,
        uid: str,
        reason: str,
        message: str,
        at: float,
        *,
        exact: bool = False,
        container: str = "",
        **more: Any,
    ):
        """By client-go's recorder; `exact`: by the newer one, as the scheduler's."""
        if not self.events:
            return
        nanoseconds = int(BEGIN) * 10**9 + round(at * 1e9)
        about = {"kind": kind, "namespace": "shop", "name": name, "uid": uid}
        if container:
            about["fieldPath"] = container if "{" in container else f"spec.containers{{{container}}}"
        item = {
            "metadata": {"name": f"{name}.{nanoseconds:x}", "namespace": "shop", "creationTimestamp": stamp(at)},
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "firstTimestamp": None if exact else stamp(at),
            "lastTimestamp": None if exact else stamp(at),
            "eventTime": micro(at) if exact else None,
            "count": 1,
            **more,
        }
        self.tell("events", "ADDED", item, at, watched=0.1)

    # ReplicaSets and pods

    def replica_set(self, template: str, revision: int, at: float, *, listed: bool = False, seen: float | None = None):
        label = "rollouts-pod-template-hash" if self.kind == "Rollout" else "pod-template-hash"
        annotation = "rollout.argoproj.io/revision" if self.kind == "Rollout" else "deployment.kubernetes.io/revision"
        fresh = template not in self.sets
        self.template = template
        item = self.sets[template] = self.sets.get(template) or {
            "metadata": {
                "name": f"{self.name}-{template}",
                "namespace": "shop",
                "uid": f"uid-rs-{template}",
                "creationTimestamp": stamp(at),
                "labels": {label: template},
                "annotations": {},
                "ownerReferences": [
                    {"kind": self.kind, "name": self.name, "uid": f"uid-{self.name}", "controller": True}
                ],
            },
            "spec": {"replicas": 0},
        }
        item["metadata"]["annotations"] = {annotation: str(revision)}
        self.tell("replicasets", "ADDED" if fresh else "MODIFIED", item, at if seen is None else seen, listed=listed)

    def _new_pod(self, suffix: str, at: float, template: str = "", uid: str = "") -> str:
        template = template or self.template
        ordinal = self.kind == "StatefulSet"
        name = f"{self.name}-{suffix}" if ordinal else f"{self.name}-{template}-{suffix}"
        label = {"StatefulSet": "controller-revision-hash", "Rollout": "rollouts-pod-template-hash"}.get(
            self.kind, "pod-template-hash"
        )
        owner = (self.kind, self.name) if ordinal else ("ReplicaSet", f"{self.name}-{template}")
        self.pods[name] = {
            "metadata": {
                "name": name,
                "namespace": "shop",
                "uid": uid or f"uid-{name}",
                "creationTimestamp": stamp(at),
                "labels": {label: template},
                "ownerReferences": [{"kind": owner[0], "name": owner[1], "uid": "uid-owner", "controller": True}],
            },
            "spec": {"containers": [{"name": "main", "image": "checkout:2"}]},
            "status": {"phase": "Pending"},
        }
        return name

    def running(self, suffix: str, at: float, seen: float) -> str:
        """One that a list shows, and that was there before."""
        name = self._new_pod(suffix, at)
        self._condition(name, "PodScheduled", at)
        self._condition(name, "Ready", at + 3)
        self.tell("pods", "ADDED", self.pods[name], seen, listed=True)
        self.rotate(name, seen, listed=True)
        return name

    def pod(
        self,
        suffix: str,
        created: float,
        *,
        template: str = "",
        uid: str = "",
        scheduled: float | None = 0.05,
        pulled: str = 'Container image "checkout:2" already present on machine',
        pulled_at: float = 0.3,
        started: float | None = 0.8,
        ready: float | None = 2.5,
        rotated: float | None = 2.7,
        node: str = "node-a",
    ) -> str:
        """A pod's life: times after `created`, and None for what it does not come to."""
        name = self._new_pod(suffix, created, template, uid)
        self.tell("pods", "ADDED", self.pods[name], created)
        if scheduled is None:
            return name
        self.schedule(name, created + scheduled, node)
        if started is None:
            return name
        ahead = self.kubelet_ahead
        self.pod_event(name, "Pulled", pulled, created + pulled_at + ahead, container="main")
        self.pods[name]["status"]["containerStatuses"] = [
            {
                "name": "main",
                "ready": False,
                "restartCount": 0,
                "state": {"running": {"startedAt": stamp(created + started + ahead)}},
            }
        ]
        self.pod_event(name, "Started", "Started container main", created + started + ahead, container="main")
        self.tell("pods", "MODIFIED", self.pods[name], created + started)
        if ready is not None:
            self.become_ready(name, created + ready)
        if ready is not None and rotated is not None:
            self.rotate(name, created + rotated)
        return name

    def pod_event(self, name: str, reason: str, message: str, at: float, **more: Any):
        self.event("Pod", name, self.pods[name]["metadata"]["uid"], reason, message, at, **more)

    def schedule(self, name: str, at: float, node: str):
        self.pods[name]["spec"]["nodeName"] = node
        self._condition(name, "PodScheduled", at)
        self.pod_event(name, "Scheduled", f"Successfully assigned shop/{name} to {node}", at, exact=True)
        self.tell("pods", "MODIFIED", self.pods[name], at)

    def no_room(self, name: str, at: float, why: str = "0/3 nodes are available: 3 Insufficient cpu."):
        self._condition(name, "PodScheduled", at, "False", reason="Unschedulable", message=why)
        self.pod_event(name, "FailedScheduling", why, at, exact=True)
        self.tell("pods", "MODIFIED", self.pods[name], at)

    def become_ready(self, name: str, at: float, status: str = "True"):
        self._condition(name, "Ready", at + self.kubelet_ahead, status)
        self.tell("pods", "MODIFIED", self.pods[name], at)

    def rotate(self, name: str, at: float, *, ready: bool = True, listed: bool = False):
        """The EndpointSlice's controller follows."""
        if not self.slices:
            return
        self.ready[name] = ready
        endpoints = [
            {
                "addresses": ["10.0.0.1"],
                "conditions": {"ready": ok, "serving": ok},
                "targetRef": {
                    "kind": "Pod",
                    "namespace": "shop",
                    "name": pod,
                    "uid": self.pods[pod]["metadata"]["uid"],
                },
            }
            for pod, ok in self.ready.items()
        ]
        item = {
            "metadata": {
                "name": f"{self.name}-x1",
                "namespace": "shop",
                "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": stamp(at)},
            },
            "endpoints": endpoints,
        }
        self.tell("endpointslices", "MODIFIED", item, at, listed=listed)

    def delete(self, name: str, at: float, *, why: str = "", grace: int = 30, gone: float | None = 1.0):
        """Deleted with its grace period; it is gone `gone` s later."""
        metadata = self.pods[name]["metadata"]
        metadata["deletionTimestamp"], metadata["deletionGracePeriodSeconds"] = stamp(int(at) + grace), grace
        if why:
            self._condition(name, "DisruptionTarget", at, reason=why)
        self.tell("pods", "MODIFIED", self.pods[name], at)
        if gone is not None:
            self.tell("pods", "DELETED", self.pods[name], at + gone)
            self.ready.pop(name, None)

    def node(self, name: str, at: float):
        self.tell("nodes", "ADDED", {"metadata": {"name": name, "creationTimestamp": stamp(at)}}, at)

    def _condition(self, name: str, kind: str, at: float, status: str = "True", **more: str):
        conditions = self.pods[name]["status"].setdefault("conditions", [])
        conditions[:] = [each for each in conditions if each["type"] != kind]
        conditions.append({"type": kind, "status": status, "lastTransitionTime": stamp(at), **more})
