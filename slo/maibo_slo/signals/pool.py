"""`maibo generate burst-pool`: room kept free for the next scale-up, as CapacityBuffers or as Deployments of pods that give way.

A CapacityBuffer asks the cluster's autoscaler (Cluster Autoscaler from 1.35, Karpenter) for room without running anything there. Where that API is absent, a balloon does:
pods of a pause image, with a priority below everybody's, that are evicted as soon as a real pod wants their room, and then make the autoscaler bring a
node. Both keep nodes ready; neither starts a pod nor pulls an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from maibo_slo.errors import MaiboError
from maibo_slo.plugins import Artefact, Generator, Option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maibo_slo.documents import Catalogue
    from maibo_slo.documents.scaling_kinds import BurstPool, ScalingTarget

API: Final = "autoscaling.x-k8s.io/v1beta1"
STRATEGY: Final = "buffer.x-k8s.io/active-capacity"
GROUPS: Final[Mapping[str, str]] = {"Deployment": "apps", "StatefulSet": "apps", "Rollout": "argoproj.io"}
PRIORITY_CLASS: Final = "maibo-burst-pool"
PRIORITY: Final = -10
"""The lowest for which Cluster Autoscaler still brings a node (--expendable-pods-priority-cutoff)."""
_HEAD: Final = "# Made by `maibo generate burst-pool`; change the ScalingTarget instead.\n"


def generator() -> Generator:
    """For the plugin ``signals``."""
    return Generator(
        "burst-pool",
        "room kept free for the next scale-up: a CapacityBuffer or a balloon Deployment for each ScalingTarget with a burstPool",
        burst_pools,
        options=(
            Option(
                "form",
                "document",
                "CapacityBuffer objects, or Deployments of pods that give way; as each target's document says, or one for all.",
                choices=("document", "capacity_buffer", "balloon"),
            ),
            Option(
                "replicas",
                "",
                "Pods of room: NUMBER, or TARGET=NUMBER,… for several targets, as /v1/burst-pools/NAMESPACE/TARGET has measured them.",
            ),
            Option(
                "percentage",
                "",
                "Instead: of a CapacityBuffer, room in percent of the replicas that run, NUMBER or TARGET=NUMBER,…; the cluster's autoscaler "
                "keeps to it as they come and go.",
            ),
            Option("cpu", "", "Of a balloon's pod: what the workload's pod requests, such as 500m."),
            Option("memory", "", "Of a balloon's pod: what the workload's pod requests, such as 512Mi."),
            Option("image", "", "Of a balloon's pod: one that sleeps, your cluster's pause image."),
        ),
    )


def burst_pools(
    catalogue: Catalogue, *, form: str, replicas: str, cpu: str, memory: str, image: str, percentage: str = ""
) -> Iterator[Artefact]:
    """One file a target, and one for the balloons' PriorityClass. MaiboError for what is missing."""
    targets = sorted(catalogue.scaling_targets.values(), key=lambda each: (each.workload.namespace, each.name))
    pools = [(target, target.burst_pool) for target in targets if target.burst_pool is not None]
    known = {target.name for target, _ in pools}
    sizes, shares = _sizes("replicas", replicas, known), _sizes("percentage", percentage, known)
    ballooned = False
    for target, pool in pools:
        if (pool.form if form == "document" else form) == "balloon":
            ballooned = True
            made = _balloon(target, _pods(target, pool, sizes), _resources(target, cpu, memory), _image(target, image))
        else:
            made = _capacity_buffer(target, _room(target, pool, sizes, shares))
        yield Artefact(f"burst-pool/{target.workload.namespace}/{target.name}.yaml", _text(made))
    if ballooned:
        yield Artefact("burst-pool/priority-class.yaml", _text(_PRIORITY))


def _sizes(option: str, text: str, known: set[str]) -> Mapping[str, int]:
    """Target -> number; '' -> that of every other target."""
    sizes: dict[str, int] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, number = part.rpartition("=")
        if not number.isdecimal():
            raise MaiboError(f"--{option} {text!r}: {part!r} is neither NUMBER nor TARGET=NUMBER")
        if name and name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise MaiboError(f"--{option} {text!r}: no ScalingTarget {name!r} has a burstPool; there are: {there}")
        sizes[name] = int(number)
    return sizes


def _pods(target: ScalingTarget, pool: BurstPool, sizes: Mapping[str, int]) -> int:
    pods = sizes.get(target.name, sizes.get(""))
    if pods is None:
        raise MaiboError(
            f"{target.place}: how much room it needs is measured, and not in documents: GET /v1/burst-pools/"
            f"{target.workload.namespace}/{target.name} tells it; give it with --replicas {target.name}=NUMBER"
        )
    return pods if pool.most is None else min(pods, pool.most)


def _room(
    target: ScalingTarget, pool: BurstPool, sizes: Mapping[str, int], shares: Mapping[str, int]
) -> dict[str, int]:
    """Of a CapacityBuffer: one of the two, never both, for which of both counts differs from one autoscaler to the next."""
    for name in (target.name, ""):
        if name in sizes and name in shares:
            raise MaiboError(f"{target.place}: both --replicas and --percentage are given for it; give one of them")
        if name in sizes:
            break
        if name in shares:
            if pool.most is not None:
                raise MaiboError(
                    f"{target.place}: its burstPool has max: {pool.most}, which a percentage cannot keep to: give --replicas, or leave max out"
                )
            return {"percentage": shares[name]}
    return {"replicas": _pods(target, pool, sizes)}


def _capacity_buffer(target: ScalingTarget, room: Mapping[str, int]) -> dict[str, Any]:
    workload = target.workload
    if workload.kind not in GROUPS:
        raise MaiboError(
            f"{target.place}: a CapacityBuffer needs the API group of a {workload.kind}, which maibo does not know; it knows those of "
            f"{', '.join(GROUPS)}; --form balloon does without"
        )
    return {
        "apiVersion": API,
        "kind": "CapacityBuffer",
        "metadata": _metadata(target),
        "spec": {
            "scalableRef": {"apiGroup": GROUPS[workload.kind], "kind": workload.kind, "name": workload.name},
            **room,
            "provisioningStrategy": STRATEGY,
        },
    }


def _balloon(target: ScalingTarget, pods: int, resources: Mapping[str, str], image: str) -> dict[str, Any]:
    name = _name(target)
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "maibo"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(target),
        "spec": {
            "replicas": pods,
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "priorityClassName": PRIORITY_CLASS,
                    "terminationGracePeriodSeconds": 0,
                    "automountServiceAccountToken": False,
                    "containers": [
                        {
                            "name": "room",
                            "image": image,
                            # Both alike, as the workload's: what is freed is what one more pod of it needs.
                            "resources": {"requests": dict(resources), "limits": dict(resources)},
                        }
                    ],
                },
            },
        },
    }


_PRIORITY: Final[Mapping[str, Any]] = {
    "apiVersion": "scheduling.k8s.io/v1",
    "kind": "PriorityClass",
    "metadata": {"name": PRIORITY_CLASS},
    "value": PRIORITY,
    "preemptionPolicy": "Never",
    "globalDefault": False,
    "description": "Pods that keep room free and give way to any other.",
}


def _resources(target: ScalingTarget, cpu: str, memory: str) -> dict[str, str]:
    if not cpu or not memory:
        raise MaiboError(
            f"{target.place}: a balloon's pod is as large as one of {target.workload}: give what that requests with --cpu and --memory"
        )
    return {"cpu": cpu, "memory": memory}


def _image(target: ScalingTarget, image: str) -> str:
    if not image:
        raise MaiboError(f"{target.place}: a balloon's pod needs an image that sleeps: give one with --image")
    return image


def _name(target: ScalingTarget) -> str:
    from maibo_slo.documents.scaling_kinds import (
        pool_workload,
    )  # not above: the command line imports this, and documents bring numpy

    return pool_workload(target).name


def _metadata(target: ScalingTarget) -> dict[str, Any]:
    return {
        "name": _name(target),
        "namespace": target.workload.namespace,
        "labels": {"app.kubernetes.io/managed-by": "maibo"},
    }


def _text(made: Mapping[str, Any]) -> str:
    from maibo_slo.signals import objects  # not above: every command of the command line loads this module

    return _HEAD + objects.text([made])
