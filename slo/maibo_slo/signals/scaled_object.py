"""`maibo generate keda`: for each ScalingTarget a ScaledObject that does what the target says, and a TriggerAuthentication where one is needed.

What KEDA or its admission webhook would refuse is refused here already. The objects avoid the known traps: an HPA that adds four pods in
15 s from one replica, a failure that counts as 0, a scale-down that waits twice (behavior.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from maibo_slo.errors import MaiboError
from maibo_slo.loopback import is_loopback
from maibo_slo.plugins import Artefact
from maibo_slo.signals import objects
from maibo_slo.signals.behavior import CALM_SECONDS, TOLERATED, behavior

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maibo_slo.documents import Catalogue
    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.store.workload import Workload

API: Final = "keda.sh/v1alpha1"
GRPC: Final = ("external", "external-push")
ADDRESSES: Final[Mapping[str, str]] = {
    "external": "maibo.monitoring.svc:6000",
    "external-push": "maibo.monitoring.svc:6000",
    "metrics-api": "https://maibo-signals.monitoring.svc",
    "prometheus": "http://prometheus.monitoring.svc:9090",
}
API_VERSIONS: Final[Mapping[str, str]] = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "Rollout": "argoproj.io/v1alpha1",
}
LONGEST_NAME: Final = 63
"""The ScaledObject's name is the value of a label of the HPA and of its metric."""
POLL_SECONDS: Final = 15
FAILURES: Final = 3
MTLS_SECRET: Final = "maibo-keda-tls"  # noqa: S105 -- the name of one
TOKEN_SECRET: Final = "maibo-read-token"  # noqa: S105 -- the name of one


def scaled_objects(catalogue: Catalogue, *, trigger: str, address: str, tolerance: str) -> Iterator[Artefact]:
    """One file a target. The same documents and options give the same bytes. MaiboError for what KEDA would refuse."""
    where = _address(trigger, address or ADDRESSES[trigger])
    for target in one_a_workload(catalogue, "KEDA takes one ScaledObject a workload"):
        _require_accepted(target)
        yield _file(target, trigger, where, tolerance)


def one_a_workload(catalogue: Catalogue, why: str) -> list[ScalingTarget]:
    """All targets, by namespace and name. MaiboError where two have the same workload."""
    targets = sorted(catalogue.scaling_targets.values(), key=lambda each: (each.workload.namespace, each.name))
    scaled: dict[Workload, str] = {}
    for target in targets:
        other = scaled.setdefault(target.workload, target.name)
        if other != target.name:
            raise MaiboError(f"{target.place}: {target.workload} is scaled by {other!r} too, and {why}")
    return targets


def _address(trigger: str, address: str) -> str:
    if trigger in GRPC:
        host, colon, port = address.removeprefix("dns:///").rpartition(":")
        if "://" in address.removeprefix("dns:///") or not colon or not host or not port.isdecimal():
            raise MaiboError(f"--address {address!r} is none of a gRPC server; write it as {ADDRESSES[trigger]}")
    elif not address.startswith(("http://", "https://")):
        raise MaiboError(f"--address {address!r} is no URL; write it as {ADDRESSES[trigger]}")
    return address.rstrip("/")


def _require_accepted(target: ScalingTarget) -> None:
    if target.workload.kind not in API_VERSIONS:
        raise MaiboError(
            f"{target.place}: KEDA needs the API version of a {target.workload.kind}, which maibo does not know; it knows those of "
            f"{', '.join(API_VERSIONS)}"
        )
    if len(target.name) > LONGEST_NAME:
        raise MaiboError(f"{target.place}: the name has more than {LONGEST_NAME} characters, which KEDA refuses")
    if not 0 <= target.least <= target.most or target.most < 1:
        raise MaiboError(
            f"{target.place}: KEDA refuses replicas from {target.least} to {target.most}: the most must be at least 1, and no less than the least"
        )


def _file(target: ScalingTarget, trigger: str, address: str, tolerance: str) -> Artefact:
    made = [_scaled_object(target, trigger, address, tolerance), *_authentication(target, trigger, address)]
    text = _HEAD + ("" if tolerance else TOLERATED) + objects.text(made)
    return Artefact(f"keda/{target.workload.namespace}/{target.name}.yaml", text, _notes(trigger, address))


_HEAD: Final = "# Made by `maibo generate keda`; change the ScalingTarget instead.\n"


def _scaled_object(target: ScalingTarget, trigger: str, address: str, tolerance: str) -> dict[str, Any]:
    workload = target.workload
    asked: dict[str, Any] = {
        "type": trigger,
        "name": "maibo",
        "metricType": "AverageValue",
        "metadata": _metadata(target, trigger, address),
    }
    if _authenticated(trigger, address):
        asked["authenticationRef"] = {"name": _authentication_name(target)}
    return {
        "apiVersion": API,
        "kind": "ScaledObject",
        "metadata": {"name": target.name, "namespace": workload.namespace},
        "spec": {
            "scaleTargetRef": {
                "apiVersion": API_VERSIONS[workload.kind],
                "kind": workload.kind,
                "name": workload.name,
            },
            "pollingInterval": POLL_SECONDS,
            **({"cooldownPeriod": CALM_SECONDS} if target.least == 0 else {}),  # is of the way to 0 alone
            "minReplicaCount": target.least,
            "maxReplicaCount": target.most,
            "fallback": {
                "failureThreshold": FAILURES,
                "replicas": max(1, target.least),
                "behavior": "currentReplicasIfHigher",
            },
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior(target, tolerance)}},
            "triggers": [asked],
        },
    }


def _metadata(target: ScalingTarget, trigger: str, address: str) -> dict[str, str]:
    namespace = target.workload.namespace
    if trigger in GRPC:
        return {"scalerAddress": address, "target": target.name}
    if trigger == "metrics-api":
        return {
            "url": f"{address}/v1/scaling/{namespace}/{target.name}",
            "format": "json",
            "valueLocation": "desired_replicas",
            "targetValue": "1",
            "activationTargetValue": "0",
            **({"authMode": "bearer"} if _authenticated(trigger, address) else {}),
        }
    labels = f'target_namespace="{namespace}",target="{target.name}"'
    return {
        "serverAddress": address,
        "query": f"max(maibo_scaling_desired_replicas{{{labels}}})",
        "threshold": "1",
        "activationThreshold": "0",
        "ignoreNullValues": "false",  # else KEDA takes a stale signal, which is an absent series, for 0
    }


def _authenticated(trigger: str, address: str) -> bool:
    """Beyond loopback, who asks maibo must show who it is; how a Prometheus is asked is not ours to say."""
    if trigger == "prometheus":
        return False
    host = urlsplit(
        address if "://" in address and trigger not in GRPC else f"//{address.removeprefix('dns:///')}"
    ).hostname
    return not is_loopback(host or "")


def _authentication_name(target: ScalingTarget) -> str:
    return f"maibo-{target.name}"


def _authentication(target: ScalingTarget, trigger: str, address: str) -> list[dict[str, Any]]:
    if not _authenticated(trigger, address):
        return []
    secret, keys = (
        (MTLS_SECRET, {"caCert": "ca.crt", "tlsClientCert": "tls.crt", "tlsClientKey": "tls.key"})
        if trigger in GRPC
        else (TOKEN_SECRET, {"token": "token"})
    )
    return [
        {
            "apiVersion": API,
            "kind": "TriggerAuthentication",
            "metadata": {"name": _authentication_name(target), "namespace": target.workload.namespace},
            "spec": {
                "secretTargetRef": [
                    {"parameter": parameter, "name": secret, "key": key} for parameter, key in keys.items()
                ]
            },
        }
    ]


def _notes(trigger: str, address: str) -> tuple[str, ...]:
    if not _authenticated(trigger, address):
        return ()
    if trigger in GRPC:
        return (
            f"the Secret {MTLS_SECRET} must be in the workload's namespace: ca.crt of maibo's certificate, tls.crt and tls.key for KEDA",
        )
    return (
        f"the Secret {TOKEN_SECRET} (key token) must be in the workload's namespace: of `maibo token add keda --scope read`",
        "KEDA must trust the authority of maibo's certificate",
    )
