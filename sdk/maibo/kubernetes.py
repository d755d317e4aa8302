"""What a pod knows of itself, from Kubernetes' downward API: environment variables and the files of a ``podinfo`` volume.

::

    env:
    - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
    - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    volumes:
    - name: podinfo                       # mounted at /etc/podinfo, or where MAIBO_PODINFO says
      downwardAPI:
        items:
        - {path: labels, fieldRef: {fieldPath: metadata.labels}}
        - {path: annotations, fieldRef: {fieldPath: metadata.annotations}}

Service attributes are derived as OpenTelemetry's conventions lay down (docs/non-normative/k8s-attributes.md). `maibo.configure` uses
this by itself; other OpenTelemetry set-ups name it in ``OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=maibo_kubernetes``.

This module may import nothing of OpenTelemetry's SDK but ``sdk.resources``: detectors load while the SDK is still importing.
"""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.resources import Resource, ResourceDetector

from maibo import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
    semconv.CLUSTER: ("K8S_CLUSTER_NAME", "CLUSTER_NAME"),
    semconv.NAMESPACE: ("POD_NAMESPACE", "K8S_NAMESPACE_NAME", "K8S_NAMESPACE", "MY_POD_NAMESPACE"),
    semconv.NODE_NAME: ("NODE_NAME", "K8S_NODE_NAME", "MY_NODE_NAME", "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME"),
    semconv.POD_NAME: ("POD_NAME", "K8S_POD_NAME", "MY_POD_NAME", "OTEL_RESOURCE_ATTRIBUTES_POD_NAME"),
    semconv.POD_UID: ("POD_UID", "K8S_POD_UID", "MY_POD_UID", "OTEL_RESOURCE_ATTRIBUTES_POD_UID"),
    "k8s.pod.ip": ("POD_IP", "K8S_POD_IP", "MY_POD_IP"),
    "k8s.container.name": ("CONTAINER_NAME", "K8S_CONTAINER_NAME"),
    "k8s.deployment.name": ("K8S_DEPLOYMENT_NAME", "DEPLOYMENT_NAME"),
    "k8s.statefulset.name": ("K8S_STATEFULSET_NAME",),
    "k8s.daemonset.name": ("K8S_DAEMONSET_NAME",),
    "k8s.cronjob.name": ("K8S_CRONJOB_NAME",),
    "k8s.job.name": ("K8S_JOB_NAME",),
}
_ANNOTATION: Final = "resource.opentelemetry.io/"
_NAMESPACE_FILE: Final = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
_SERVICE_NAMES: Final = (
    "k8s.deployment.name",
    "k8s.replicaset.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
    semconv.POD_NAME,
    "k8s.container.name",
)


class KubernetesResourceDetector(ResourceDetector):
    """Resource attributes of the pod that this process runs in; none outside of Kubernetes."""

    def detect(self) -> Resource:
        """Read the environment and the podinfo volume."""
        podinfo = Path(os.environ.get("MAIBO_PODINFO", "/etc/podinfo"))
        inside = "KUBERNETES_SERVICE_HOST" in os.environ or "POD_NAME" in os.environ or podinfo.is_dir()
        if not inside:
            return Resource.get_empty()
        return Resource(
            attributes(
                os.environ,
                labels=_pairs(_read(podinfo / "labels")),
                annotations=_pairs(_read(podinfo / "annotations")),
                namespace=_read(Path(_NAMESPACE_FILE)).strip(),
            )
        )


def attributes(
    environ: Mapping[str, str], *, labels: Mapping[str, str], annotations: Mapping[str, str], namespace: str = ""
) -> dict[str, str]:
    """Resource attributes from what the downward API gives; `namespace` is the service account's, used where no variable says."""
    found = {
        name: value
        for name, variables in _VARIABLES.items()
        if (value := next((environ[each] for each in variables if environ.get(each)), ""))
    }
    if "KUBERNETES_SERVICE_HOST" in environ and environ.get("HOSTNAME"):
        found.setdefault(semconv.POD_NAME, environ["HOSTNAME"])
    if namespace:
        found.setdefault(semconv.NAMESPACE, namespace)
    _add_owner(found, labels)
    _add_topology(found, labels)
    found |= _service(found, labels)
    found |= {
        key.removeprefix(_ANNOTATION): value
        for key, value in annotations.items()
        if key.startswith(_ANNOTATION) and value
    }
    return found


def _add_owner(found: dict[str, str], labels: Mapping[str, str]) -> None:
    """A Deployment's pod is named DEPLOYMENT-HASH-SUFFIX, and its label tells the hash."""
    pod, hash_ = found.get(semconv.POD_NAME, ""), labels.get("pod-template-hash", "")
    deployment, found_hash, _ = pod.partition(f"-{hash_}-") if hash_ else ("", "", "")
    if found_hash:
        found.setdefault("k8s.deployment.name", deployment)
        found.setdefault("k8s.replicaset.name", f"{deployment}-{hash_}")
    if job := labels.get("batch.kubernetes.io/job-name"):
        found.setdefault("k8s.job.name", job)


def _add_topology(found: dict[str, str], labels: Mapping[str, str]) -> None:
    for label, name in (
        ("topology.kubernetes.io/region", "cloud.region"),
        ("topology.kubernetes.io/zone", "cloud.availability_zone"),
    ):
        if value := labels.get(label):
            found[name] = value


def _service(found: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, str]:
    derived = {
        semconv.SERVICE_NAME: labels.get("app.kubernetes.io/instance")
        or labels.get("app.kubernetes.io/name")
        or next((found[name] for name in _SERVICE_NAMES if name in found), ""),
        semconv.SERVICE_VERSION: labels.get("app.kubernetes.io/version", ""),
        "service.namespace": found.get(semconv.NAMESPACE, ""),
    }
    instance = [found.get(name, "") for name in (semconv.NAMESPACE, semconv.POD_NAME, "k8s.container.name")]
    if all(instance):
        derived["service.instance.id"] = ".".join(instance)
    return {name: value for name, value in derived.items() if value}


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _pairs(text: str) -> dict[str, str]:
    """Lines of ``key="value"``, quoted as Go quotes, which Python reads."""
    pairs: dict[str, str] = {}
    for line in text.splitlines():
        key, _, quoted = line.partition("=")
        try:
            value = ast.literal_eval(quoted)
        except (ValueError, SyntaxError):
            continue
        if isinstance(value, str):
            pairs[key.strip()] = value
    return pairs
