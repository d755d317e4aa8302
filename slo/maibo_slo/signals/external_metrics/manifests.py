"""`maibo generate external-metrics`: what a cluster needs so that its HPAs ask maibo, for clusters without KEDA.

One provider may have ``v1beta1.external.metrics.k8s.io``: where KEDA or another adapter has it, applying the APIService would take it away from
that one. An APIService that is left behind without its Service blocks the deletion of namespaces, so it goes first.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.errors import MaiboError
from maibo_slo.plugins import Artefact
from maibo_slo.signals import objects
from maibo_slo.signals.behavior import TOLERATED, behavior
from maibo_slo.signals.external_metrics.answers import GROUP, METRIC, VERSION
from maibo_slo.signals.scaled_object import API_VERSIONS, one_a_workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.documents import Catalogue
    from maibo_slo.documents.scaling_kinds import ScalingTarget

PORT: Final = 6443
_RBAC: Final = "rbac.authorization.k8s.io"
_HPA_HEAD: Final = "# Made by `maibo generate external-metrics`; change the ScalingTarget instead.\n"
_HEAD: Final = f"""\
# Made by `maibo generate external-metrics`. Before you apply it: `kubectl get apiservice {VERSION}.{GROUP}` must find nothing, or maibo's own.
# Where KEDA or another adapter has it, use `maibo generate keda`. To uninstall, delete the APIService first: without its Service it blocks others.
"""


def manifests(
    catalogue: Catalogue, *, namespace: str, service: str, service_account: str, ca: str, tolerance: str
) -> Iterator[Artefact]:
    """``external-metrics.yaml``, and ``hpa/NAMESPACE/NAME.yaml`` for each target. MaiboError for what cannot be."""
    bundle = _bundle(ca)
    notes = (
        []
        if bundle
        else [
            f"no --ca: the APIService waits for cert-manager to put the authority in (its Certificate {namespace}/{service})"
        ]
    )
    made = [
        _service(namespace, service),
        *_access(namespace, service_account),
        _api_service(namespace, service, bundle),
    ]
    yield Artefact("external-metrics.yaml", _HEAD + objects.text(made), notes)
    for target in one_a_workload(catalogue, "two HPAs of one workload pull it to and fro"):
        text = _HPA_HEAD + ("" if tolerance else TOLERATED) + objects.text([_hpa(target, tolerance)])
        yield Artefact(f"hpa/{target.workload.namespace}/{target.name}.yaml", text, _hpa_notes(target))


def _bundle(ca: str) -> str:
    if not ca:
        return ""
    try:
        pem = Path(ca).read_bytes()
    except OSError as error:
        raise MaiboError(f"cannot read --ca {ca}: {error.strerror}") from error
    if b"BEGIN CERTIFICATE" not in pem:
        raise MaiboError(f"--ca {ca} holds no certificate (PEM)")
    return base64.b64encode(pem).decode()


def _service(namespace: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"app.kubernetes.io/name": "maibo"},
            "ports": [{"name": "signals-https", "port": 443, "targetPort": PORT}],
        },
    }


def _access(namespace: str, account: str) -> list[dict[str, Any]]:
    """What maibo may ask the cluster, and that the HPA may ask maibo."""
    ours = [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]
    hpa = [{"kind": "ServiceAccount", "name": "horizontal-pod-autoscaler", "namespace": "kube-system"}]
    return [
        _binding("ClusterRoleBinding", "maibo-auth-delegator", "ClusterRole", "system:auth-delegator", ours),
        _binding(
            "RoleBinding",
            "maibo-auth-reader",
            "Role",
            "extension-apiserver-authentication-reader",
            ours,
            namespace="kube-system",
        ),
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "maibo-external-metrics-reader"},
            "rules": [{"apiGroups": [GROUP], "resources": [METRIC], "verbs": ["get", "list"]}],
        },
        _binding(
            "ClusterRoleBinding", "maibo-external-metrics-hpa", "ClusterRole", "maibo-external-metrics-reader", hpa
        ),
    ]


def _binding(
    kind: str, name: str, role_kind: str, role: str, subjects: list[dict[str, str]], *, namespace: str = ""
) -> dict[str, Any]:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "roleRef": {"apiGroup": _RBAC, "kind": role_kind, "name": role},
        "subjects": subjects,
    }


def _api_service(namespace: str, service: str, bundle: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": f"{VERSION}.{GROUP}"}
    if not bundle:
        metadata["annotations"] = {"cert-manager.io/inject-ca-from": f"{namespace}/{service}"}
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": metadata,
        "spec": {
            "group": GROUP,
            "version": VERSION,
            "service": {"name": service, "namespace": namespace, "port": 443},
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            **({"caBundle": bundle} if bundle else {}),
        },
    }


def _hpa_notes(target: ScalingTarget) -> tuple[str, ...]:
    if target.least > 0:
        return ()
    return (
        f"{target.workload}: minReplicas is 1, though the document says min: {target.least}: an HPA with 0 is refused where HPAScaleToZero is off; KEDA can do it",
    )


def _hpa(target: ScalingTarget, tolerance: str) -> dict[str, Any]:
    workload = target.workload
    if workload.kind not in API_VERSIONS:
        raise MaiboError(
            f"{target.origin.file}:{target.origin.line}: an HPA needs the API version of a {workload.kind}, which maibo does not know; it "
            f"knows those of {', '.join(API_VERSIONS)}"
        )
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": target.name, "namespace": workload.namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": API_VERSIONS[workload.kind], "kind": workload.kind, "name": workload.name},
            "minReplicas": max(1, target.least),
            "maxReplicas": target.most,
            "metrics": [
                {
                    "type": "External",
                    "external": {
                        "metric": {"name": METRIC, "selector": {"matchLabels": {"target": target.name}}},
                        "target": {"type": "AverageValue", "averageValue": "1"},
                    },
                }
            ],
            "behavior": behavior(target, tolerance),
        },
    }
