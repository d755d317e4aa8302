"""What Kubernetes runs, by name: what scale-ups, signals and targets are about."""

from __future__ import annotations

from typing import NamedTuple, Self


class Workload(NamedTuple):
    """A Deployment, StatefulSet, Argo Rollout or anything else with a ``/scale``."""

    namespace: str
    kind: str
    """``Deployment``, ``StatefulSet``, ``Rollout``."""
    name: str

    def __str__(self) -> str:
        return "/".join(self)

    @classmethod
    def of(cls, text: str) -> Self:
        """The inverse of `str`. ValueError for what is none.

        >>> Workload.of("shop/Deployment/checkout-api").name
        'checkout-api'
        """
        parts = text.split("/")
        if len(parts) != 3 or not all(parts):
            raise ValueError(f"{text!r} is no workload: write it as NAMESPACE/KIND/NAME")
        return cls(*parts)
