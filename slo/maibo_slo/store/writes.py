"""Writes of the fast lane: each ``spec.replicas`` that maibo itself set. What they are written by: `maibo_slo.signals.fast_lane.audit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_slo.store import events

if TYPE_CHECKING:
    from maibo_slo.store.client import Store
    from maibo_slo.store.workload import Workload

KIND: Final = "scale_write"
"""Of these events in the table ``events``; their subject is the workload as text, their begin `Write.at`."""


@dataclass(frozen=True, slots=True)
class Write:
    """One that the API server took."""

    at: float
    """When it had answered, unix s."""
    before: int
    after: int
    reason: str


def writes(store: Store, workload: Workload, begin: float, end: float) -> list[Write]:
    """Of a workload in [begin, end), unix s, the oldest first. StoreError."""
    told = events.events(store, KIND, begin, end, str(workload))
    return [Write(each.begin, each.detail["before"], each.detail["after"], each.detail["reason"]) for each in told]
