"""Rises: each time the scaling engine first wished for more replicas, why, and when a face first said so.

What a scale-up begins with: the recorder joins a decision with the newest rise before it that asked for as many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from maibo_slo.store.workload import Workload

KIND: Final = "rise"
"""Of these events in the table ``events``; their subject is the workload as text, their begin `asked_at`."""


@dataclass(frozen=True, slots=True)
class Rise:
    """One rise of the number of replicas wished for."""

    id: str
    """``NAMESPACE/KIND/NAME@unix-ms``."""
    workload: Workload
    target: str
    """Name of the ScalingTarget."""
    trigger_at: float
    """When what it follows happened, unix s: the end of the newest event that was counted, or the moment a forecast was made."""
    asked_at: float
    """When the engine said so, unix s."""
    before: int
    after: int
    reason: str
    served_at: float | None = None
    """When a face first answered so."""
    served_by: str = ""
    """``keda``, ``json``, ``external_metrics``, ``prometheus``, ``fast_lane``."""
