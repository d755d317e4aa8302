"""`maibo generate fast-lane`: in each namespace a Role for exactly those workloads that have a fastLane: look at them, patch their ``/scale``."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.errors import MaiboError
from maibo_slo.kubernetes import WORKLOADS
from maibo_slo.plugins import Artefact
from maibo_slo.signals import objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.documents import Catalogue
    from maibo_slo.store.workload import Workload

NAME: Final = "maibo-fast-lane"
_RBAC: Final = "rbac.authorization.k8s.io"
_HEAD: Final = "# Made by `maibo generate fast-lane`; change the ScalingTargets instead.\n"


def roles(catalogue: Catalogue, *, namespace: str, service_account: str) -> Iterator[Artefact]:
    """``fast-lane/NAMESPACE.yaml`` for each namespace with such a target; none is an error that says what to write."""
    workloads: dict[str, list[Workload]] = defaultdict(list)
    for target in catalogue.scaling_targets.values():
        if target.fast_lane is not None:
            workloads[target.workload.namespace].append(target.workload)
    if not workloads:
        raise MaiboError(
            "no ScalingTarget has a fastLane: write `fastLane: {}` in those whose replicas maibo may raise"
        )
    subject = {"kind": "ServiceAccount", "name": service_account, "namespace": namespace}
    for space, there in sorted(workloads.items()):
        role = {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "Role",
            "metadata": {"name": NAME, "namespace": space},
            "rules": list(_rules(there)),
        }
        binding = {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": NAME, "namespace": space},
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": NAME},
            "subjects": [subject],
        }
        yield Artefact(f"fast-lane/{space}.yaml", _HEAD + objects.text([role, binding]))


def _rules(workloads: list[Workload]) -> Iterator[dict[str, Any]]:
    for kind, resource in WORKLOADS.items():
        names = sorted({each.name for each in workloads if each.kind == kind})
        if names:
            rule = {"apiGroups": [resource.group], "resourceNames": names}
            yield {**rule, "resources": [resource.plural], "verbs": ["get"]}
            yield {**rule, "resources": [f"{resource.plural}/scale"], "verbs": ["patch"]}
