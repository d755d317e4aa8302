"""A cluster's API: get, list, patch, create and watch, as JSON.

The official client finds the cluster and proves who we are (kubeconfig, contexts, exec plugins, certificates, a pod's own token, which is read
again as it is renewed); its 700 models stay unused, since half of what we read is custom resources. Everything here blocks: from asyncio, call
it in a thread. A `Cluster` may be used by many threads at once.

What can go wrong, each told with its mend:

* KubernetesError (a MaiboError)
    * KubernetesSettingsError     no kubeconfig, a wrong one, or the client is not installed
    * KubernetesUnreachable       nobody answers, or the connection broke off
    * KubernetesRefused           the API answered with an error: `status`, `reason`
        * KubernetesDenied        401, 403: names the verb and the resource that RBAC must allow
        * KubernetesNotFound      404: the object, or the kind itself (a CustomResourceDefinition that is not installed)
        * KubernetesGone          410: this resourceVersion or continue token has expired; list again
"""

from maibo_slo.kubernetes.cluster import MERGE_PATCH, WATCH_SECONDS, Cluster, Page
from maibo_slo.kubernetes.connection import AUTO
from maibo_slo.kubernetes.errors import (
    KubernetesDenied,
    KubernetesError,
    KubernetesGone,
    KubernetesNotFound,
    KubernetesRefused,
    KubernetesSettingsError,
    KubernetesUnreachable,
)
from maibo_slo.kubernetes.resources import DEPLOYMENTS, ROLLOUTS, STATEFULSETS, WORKLOADS, Json, Resource
from maibo_slo.kubernetes.watching import Watching

__all__ = [
    "AUTO",
    "DEPLOYMENTS",
    "MERGE_PATCH",
    "ROLLOUTS",
    "STATEFULSETS",
    "WATCH_SECONDS",
    "WORKLOADS",
    "Cluster",
    "Json",
    "KubernetesDenied",
    "KubernetesError",
    "KubernetesGone",
    "KubernetesNotFound",
    "KubernetesRefused",
    "KubernetesSettingsError",
    "KubernetesUnreachable",
    "Page",
    "Resource",
    "Watching",
]
