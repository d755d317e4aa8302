"""What the aggregated API says: discovery, values, and ``metav1.Status`` where there is none, whose message an HPA's condition shows."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from maibo_slo.engine.scaling.signal import ScalingSignal

GROUP: Final = "external.metrics.k8s.io"
VERSION: Final = "v1beta1"
METRIC: Final = "maibo_scaling_desired_replicas"
"""Named as in ``/metrics``."""
_REASONS: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    500: "InternalError",
    503: "ServiceUnavailable",
}


def resources() -> dict[str, Any]:
    """Discovery of the group and version."""
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{GROUP}/{VERSION}",
        "resources": [
            {
                "name": METRIC,
                "singularName": "",
                "namespaced": True,
                "kind": "ExternalMetricValueList",
                "verbs": ["get"],
            }
        ],
    }


def group() -> dict[str, Any]:
    """Discovery of the group."""
    version = {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
    return {"kind": "APIGroup", "apiVersion": "v1", "name": GROUP, "versions": [version], "preferredVersion": version}


def groups() -> dict[str, Any]:
    """Legacy discovery of all groups: ours."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group()]}


def labels(signal: ScalingSignal) -> dict[str, str]:
    """What an HPA's selector may ask for."""
    return {"target": signal.target, "workload": signal.workload.name, "kind": signal.workload.kind}


def values(signals: list[ScalingSignal]) -> dict[str, Any]:
    """An ExternalMetricValueList; an HPA adds its items up."""
    return {
        "kind": "ExternalMetricValueList",
        "apiVersion": f"{GROUP}/{VERSION}",
        "metadata": {},
        "items": [
            {
                "metricName": METRIC,
                "metricLabels": labels(signal),
                "timestamp": _rfc3339(signal.observed_at),
                "value": quantity(signal.desired_replicas),
            }
            for signal in signals
        ],
    }


def quantity(number: float) -> str:
    """As Kubernetes' Quantity, to the milli and rounded up, as an HPA reads it; never with an exponent.

    >>> quantity(12), quantity(1.5), quantity(0.0001), quantity(-2.25)
    ('12', '1500m', '1m', '-2250m')

    ValueError for what is no number. Clamped to what int64 holds in milli.
    """
    if not math.isfinite(number):
        raise ValueError(f"{number} is no quantity")
    limit = 2**63 - 1
    milli = -int(-number * 1000 // 1) if not isinstance(number, int) else number * 1000
    milli = max(-limit, min(limit, milli))
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def status(code: int, message: str) -> dict[str, Any]:
    """A failure, in words that reach the HPA's condition ``FailedGetExternalMetric``."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": _REASONS.get(code, "Unknown"),
        "code": code,
    }


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
