"""What is watched, and how much of it is kept.

Objects lose what nobody here reads: ``managedFields`` (half of a pod) but for who wrote ``spec.replicas``, and of containers their environment, commands and mounts, which may hold
secrets. So these are never in memory longer than it takes to read a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.kubernetes import DEPLOYMENTS, ROLLOUTS, STATEFULSETS, WORKLOADS, Resource

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Watched:
    """One kind of object."""

    resource: Resource
    optional: bool = False
    """A custom resource, which a cluster may do without."""
    kept: bool = True
    """Whether its objects are mirrored; of events, which come and go by the thousand, only what they are known by."""

    @property
    def plural(self) -> str:
        """As `Change.resource` has it."""
        return self.resource.plural


WATCHED: Final = (
    Watched(DEPLOYMENTS),
    Watched(STATEFULSETS),
    Watched(Resource("apps", "v1", "replicasets")),
    Watched(Resource("", "v1", "pods")),
    Watched(Resource("autoscaling", "v2", "horizontalpodautoscalers")),
    Watched(Resource("", "v1", "events"), kept=False),
    Watched(Resource("discovery.k8s.io", "v1", "endpointslices")),
    Watched(Resource("", "v1", "nodes", namespaced=False)),
    Watched(ROLLOUTS, optional=True),
    Watched(Resource("keda.sh", "v1alpha1", "scaledobjects"), optional=True),
    Watched(Resource("karpenter.sh", "v1", "nodeclaims", namespaced=False), optional=True),
)

_SCALED: Final = frozenset(each.plural for each in WORKLOADS.values())
_POD_SPEC: Final = frozenset(
    {"nodeName", "containers", "initContainers", "readinessGates", "priorityClassName", "terminationGracePeriodSeconds"}
)
_CONTAINER: Final = frozenset({"name", "image", "restartPolicy"})
_CONTAINER_STATUS: Final = frozenset(
    {"name", "image", "imageID", "ready", "started", "restartCount", "state", "lastState"}
)
_CONTAINERS: Final = ("containers", "initContainers")
_STATUSES: Final = ("containerStatuses", "initContainerStatuses")
_TARGET: Final = frozenset({"scaleTargetRef"})
_UNANNOTATED: Final = frozenset({"pods", "nodes"})
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def trimmed(plural: str, whole: Mapping[str, Any]) -> Json:
    """The part of an object that is kept; the parts that it has stay as they came.

    >>> trimmed("pods", {"metadata": {"name": "a", "managedFields": [1]}, "spec": {"containers": [{"name": "c", "env": [1]}]}})
    {'metadata': {'name': 'a'}, 'spec': {'containers': [{'name': 'c'}]}}
    """
    kept = dict(whole)
    metadata = kept.get("metadata")
    if isinstance(metadata, dict):
        managed = metadata.get("managedFields")
        metadata = {key: value for key, value in metadata.items() if key != "managedFields"}
        if plural in _SCALED and isinstance(managed, list):
            metadata["managedFields"] = [_writer(each) for each in managed if _writes_replicas(each)]
        annotations = metadata.get("annotations")
        if plural in _UNANNOTATED:
            metadata.pop("annotations", None)
        elif isinstance(annotations, dict) and _LAST_APPLIED in annotations:
            metadata["annotations"] = {key: value for key, value in annotations.items() if key != _LAST_APPLIED}
        kept["metadata"] = metadata
    spec = kept.get("spec")
    if not isinstance(spec, dict):
        return kept
    if plural == "pods":
        kept["spec"] = _pod_spec(spec)
        if isinstance(kept.get("status"), dict):
            kept["status"] = _with_containers(kept["status"], _STATUSES, _CONTAINER_STATUS)
    elif plural == "scaledobjects":  # triggers may have addresses with passwords in them
        kept["spec"] = _only(spec, _TARGET)
    elif plural == "nodes" and isinstance(kept.get("status"), dict):
        kept["status"] = {key: value for key, value in kept["status"].items() if key != "images"}
    else:
        kept["spec"] = {key: _template(value) if key == "template" else value for key, value in spec.items()}
        kept["spec"].pop("volumeClaimTemplates", None)
    return kept


def _writes_replicas(entry: Any) -> bool:
    fields = entry.get("fieldsV1") if isinstance(entry, dict) else None
    spec = fields.get("f:spec") if isinstance(fields, dict) else None
    return isinstance(spec, dict) and "f:replicas" in spec


def _writer(entry: Json) -> Json:
    return {**entry, "fieldsV1": {"f:spec": {"f:replicas": entry["fieldsV1"]["f:spec"]["f:replicas"]}}}


def _template(template: Any) -> Any:
    """Of pods, in a workload; a change of what is dropped shows in the template's hash."""
    if not isinstance(template, dict) or not isinstance(template.get("spec"), dict):
        return template
    return {**template, "spec": _pod_spec(template["spec"])}


def _pod_spec(spec: Mapping[str, Any]) -> Json:
    return _with_containers({key: value for key, value in spec.items() if key in _POD_SPEC}, _CONTAINERS, _CONTAINER)


def _with_containers(part: Json, lists: Collection[str], fields: Collection[str]) -> Json:
    """With these fields alone of the containers in these lists."""
    return {
        key: [_only(each, fields) for each in value] if key in lists and isinstance(value, list) else value
        for key, value in part.items()
    }


def _only(whole: Any, fields: Collection[str]) -> Any:
    return {key: value for key, value in whole.items() if key in fields} if isinstance(whole, dict) else whole
