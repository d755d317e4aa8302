"""How an HPA that asks maibo moves a workload: one behaviour for `maibo generate keda` and `maibo generate external-metrics`.

Upwards at once and in one step, for maibo has decided already. Downwards after a minute, for maibo has waited already (`scaleDown`): so long must nobody ask for
more, an override that runs out or a maibo that was restarted among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from maibo_slo.errors import MaiboError
from maibo_slo.plugins import Option

if TYPE_CHECKING:
    from maibo_slo.documents.scaling_kinds import ScalingTarget

CALM_SECONDS: Final = 60
TOLERATED: Final = """\
# An HPA does not act on differences of 10 % or less: 11 replicas instead of 10 are not had. Generate it with `--tolerance 0` where Kubernetes has
# HPAConfigurableTolerance (and, under KEDA, the ScaledObject has the field).
"""
"""The head of a file that says nothing of a tolerance."""
SYNC_SECONDS: Final = 15
"""How often an HPA looks; a policy for a shorter time would say nothing."""


TOLERANCE: Final = Option(
    "tolerance",
    "",
    "Difference that an HPA does not act on, a share such as 0 or 0.05: for Kubernetes that has HPAConfigurableTolerance, and a KEDA whose "
    "ScaledObject has the field. [default: the cluster's, 10 %]",
)
"""Of the generators that write a behaviour."""


def behavior(target: ScalingTarget, tolerance: str) -> dict[str, Any]:
    """Of autoscaling/v2. MaiboError for a tolerance that is none."""
    tolerated = {"tolerance": _share(tolerance)} if tolerance else {}
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            # In one step to any number: from one replica, the default adds four pods in 15 s.
            "policies": [{"type": "Pods", "value": target.most, "periodSeconds": SYNC_SECONDS}],
            **tolerated,
        },
        "scaleDown": {
            "stabilizationWindowSeconds": CALM_SECONDS,
            "policies": [{"type": "Percent", "value": 100, "periodSeconds": SYNC_SECONDS}],
            **tolerated,
        },
    }


def _share(text: str) -> str:
    """As Kubernetes' Quantity, a text."""
    whole, _, rest = text.partition(".")
    if not f"{whole}{rest}".isdecimal() or not text.isascii() or not 0 <= float(text) < 1:
        raise MaiboError(f"--tolerance {text!r} is no share from 0 to below 1, such as 0 or 0.05")
    return text
