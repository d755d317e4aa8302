"""Who last wrote a workload's ``spec.replicas``, and when: the API server notes it in ``managedFields``, to the second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from maibo_collectors.kubernetes.scaleups.reading import each, moment, part, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.store.scaleups import Moment


class Writer(NamedTuple):
    """A field manager."""

    manager: str
    moment: Moment | None

    @property
    def by(self) -> str:
        """In `ScaleUp.by`'s words; empty: nobody knows."""
        match self.manager:
            case "":
                return ""
            case "kube-controller-manager" | "horizontal-pod-autoscaler":
                return "hpa"  # no other controller in it writes a workload's number
            case name if name.startswith("maibo"):
                return "fast_lane"
            case name if name.startswith("keda"):
                return "keda"
            case _:
                return "somebody"


NOBODY = Writer("", None)


def writer(item: Mapping[str, Any], received: float | None) -> Writer:
    """Who owns ``spec.replicas``; of several who wrote the same number, the last."""
    owners = [
        Writer(text(entry, "manager"), moment(entry, "time", source="managedFields", received=received))
        for entry in each(item, "metadata", "managedFields")
        if isinstance(part(entry, "fieldsV1", "f:spec", "f:replicas"), dict)
    ]
    return max(
        owners, key=lambda owner: (owner.moment.earliest if owner.moment else 0.0, owner.manager), default=NOBODY
    )
